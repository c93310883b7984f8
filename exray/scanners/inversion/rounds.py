"""Inversion in rounds: all candidates on few images first, then the best on more images."""

from collections.abc import Sequence
from dataclasses import dataclass

from exray.scanners.base import Progress, steps_reporter
from exray.scanners.inversion.best_states import StopRule
from exray.scanners.inversion.loop import Inversion
from exray.scanners.inversion.measurement import inverted_trigger
from exray.scanners.validation import require_count, require_fraction
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class InversionRound:
    """One round of inversion; the next one continues with the surviving candidates.

    Args:
        steps: Maximum number of Adam steps.
        images_per_victim: Images per candidate and step, as far as there are as many.
        min_score: ASR plus mean target probability that a candidate needs to survive, in [0, 2].
        keep: Maximum number of targets per victim that survive.
        learning_rate: If set, the round starts from the best states of the round before, with this
            rate and a fresh Adam; None continues from the last states.
        settles: Whether a victim of which a candidate reached the stop rule's good score keeps
            only such candidates.

    Raises:
        ValueError: If a count or the learning rate is not positive.
    """

    steps: int
    images_per_victim: int
    min_score: float
    keep: int
    learning_rate: float | None = None
    settles: bool = False

    def __post_init__(self) -> None:
        require_count("steps", self.steps)
        require_count("images_per_victim", self.images_per_victim)
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive; got {self.learning_rate!r}")


class Refinement:
    """Runs an inversion in rounds and gives the triggers that work.

    Args:
        name: Name of the scanner, recorded as the triggers' source.
        rounds: First few images and steps for all candidates, then more for the survivors.
        stop: When a candidate is stopped before its round is over.
        min_asr: ASR of the hardened trigger on all the victim's images from which it counts.

    Raises:
        ValueError: If there is no round or the threshold is no fraction.
    """

    def __init__(
        self, *, name: str, rounds: Sequence[InversionRound], stop: StopRule, min_asr: float
    ) -> None:
        if not rounds:
            raise ValueError("rounds must hold at least one round; got none")
        require_fraction("min_asr", min_asr)
        self.name = name
        self.rounds = tuple(rounds)
        self.stop = stop
        self.min_asr = min_asr

    def run(
        self,
        inversion: Inversion,
        leads: Sequence[float],
        *,
        progress: Progress | None,
    ) -> list[int]:
        """Runs all rounds; gives the indices of the candidates that survive the last.

        Args:
            inversion: The inversion, all of whose candidates are optimised.
            leads: Logit lead of each candidate's start, which orders equal scores.
            progress: Called after each step.
        """
        alive = list(range(len(inversion.candidates)))
        report = steps_reporter(progress, sum(one.steps for one in self.rounds))
        most = max((len(pool) for pool in inversion.pools), default=0)  # more would come twice
        for this_round in self.rounds:
            if not alive:
                break
            if this_round.learning_rate is not None:
                inversion.restart_from_best(alive, learning_rate=this_round.learning_rate)
            inversion.forget_scores()
            inversion.run(
                this_round.steps,
                alive=alive,
                images_per_step=min(this_round.images_per_victim, most),
                stop=self.stop,
                on_step=report,
            )
            alive = self._survivors(inversion, leads, alive, this_round)
        return alive

    def _survivors(
        self,
        inversion: Inversion,
        leads: Sequence[float],
        alive: Sequence[int],
        this_round: InversionRound,
    ) -> list[int]:
        """The candidates that go on after a round: good enough, among the best of their victim."""
        scores = inversion.best_score.tolist()
        survivors: list[int] = []
        targets: dict[tuple[int, ...], set[int]] = {}
        settled: set[tuple[int, ...]] = set()
        for place in sorted(alive, key=lambda place: self._rank(scores[place], leads[place])):
            candidate = inversion.candidates[place]
            pursued = targets.setdefault(candidate.victims, set())
            if scores[place] < this_round.min_score:
                continue
            if this_round.settles and scores[place] >= self.stop.good_score:
                settled.add(candidate.victims)
            elif candidate.victims in settled and candidate.target not in pursued:
                continue
            if candidate.target in pursued or len(pursued) < this_round.keep:
                pursued.add(candidate.target)  # all starts of a pair count as one
                survivors.append(place)
        return sorted(survivors)

    def _rank(self, score: float, lead: float) -> tuple[float, float]:
        """Sort key, strongest first.

        Scores beyond the good score do not differ, since probabilities end at 1: of those, the
        candidate whose start had the highest lead, so that least had to be optimised, is first.
        """
        return -min(score, self.stop.good_score), -lead

    def ranked(
        self, inversion: Inversion, leads: Sequence[float], *, alive: Sequence[int]
    ) -> list[InvertedTrigger]:
        """The hardened triggers that reach the minimum ASR, strongest first.

        Args:
            inversion: The inversion, when it is over.
            leads: Logit lead of each candidate's start.
            alive: Indices of the surviving candidates.
        """
        ranked: list[tuple[tuple[float, float], InvertedTrigger]] = []
        for place in alive:
            trigger = inverted_trigger(inversion, place, source=self.name)
            if trigger.asr >= self.min_asr:
                rank = self._rank(trigger.asr + trigger.target_probability, leads[place])
                ranked.append((rank, trigger))
        return [trigger for _, trigger in sorted(ranked, key=lambda pair: pair[0])]


def strongest(triggers: Sequence[InvertedTrigger], per_victim: int) -> tuple[InvertedTrigger, ...]:
    """The first ``per_victim`` triggers of each victim, in their order."""
    selected: list[InvertedTrigger] = []
    for trigger in triggers:
        before = sum(other.victim_class == trigger.victim_class for other in selected)
        if before < per_victim:
            selected.append(trigger)
    return tuple(selected)
