"""Inversion in rounds: all candidates on few images first, then more for those that live."""

from collections.abc import Sequence
from dataclasses import dataclass

from exray.scanners.base import Progress, steps_reporter
from exray.scanners.inversion.loop import Inversion, StopRule
from exray.scanners.validation import require_fraction
from exray.triggers.base import InvertedTrigger


@dataclass(frozen=True, kw_only=True)
class InversionRound:
    """One round of inversion; the next one goes on with what lives.

    Args:
        steps: Adam steps at most.
        images_per_victim: Images each candidate sees in a step, as far as there are as many.
        min_score: ASR plus mean target probability a candidate needs to live on, in [0, 2].
        keep: Targets of each victim that live on, at most.
        learning_rate: With one of its own a round goes on from the best states of the round before,
            with that rate and without Adam's memory; None goes on from the last states as before.
        settles: Whether a victim of which a candidate reached the score at which candidates stop
            is left to those that did.

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
        if not isinstance(self.steps, int) or self.steps < 1 or self.images_per_victim < 1:
            raise ValueError(
                "rounds must have steps and images_per_victim >= 1; "
                f"got {self.steps!r} and {self.images_per_victim!r}"
            )
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive; got {self.learning_rate!r}")


class Refinement:
    """Runs an inversion in rounds and gives the triggers that work.

    Args:
        name: Recorded as the triggers' source.
        rounds: First few images and steps for all candidates, then more for those that live.
        stop: When a candidate stops before its round is over.
        min_asr: ASR of the hardened trigger on all the victim's images from which it counts.

    Raises:
        ValueError: If there is no round or the bar is no fraction.
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
        alive: Sequence[int],
        progress: Progress | None,
    ) -> list[int]:
        """Runs all rounds; gives the places of the candidates that live to the end.

        Args:
            inversion: What goes on.
            leads: How far each candidate's start came, which orders equal scores.
            alive: Places of the candidates to begin with.
            progress: Told of each step.
        """
        alive = list(alive)
        total = sum(each.steps for each in self.rounds)
        report = steps_reporter(progress, total)
        most = max((len(pool) for pool in inversion.pools), default=0)  # more would come twice
        for each in self.rounds:
            if not alive:
                break
            if each.learning_rate is not None:
                inversion.go_back(alive, learning_rate=each.learning_rate)
            inversion.forget_scores()
            inversion.run(
                each.steps,
                alive=alive,
                images_per_step=min(each.images_per_victim, most),
                stop=self.stop,
                on_step=report,
            )
            alive = self._living(inversion, leads, alive, each)
        return alive

    def _living(
        self,
        inversion: Inversion,
        leads: Sequence[float],
        alive: Sequence[int],
        done: InversionRound,
    ) -> list[int]:
        """The candidates that go on after a round: good enough, among the best of their victim."""
        scores = inversion.best_score.tolist()
        kept: dict[tuple[int, ...], list[int]] = {}
        targets: dict[tuple[int, ...], set[int]] = {}
        settled: set[tuple[int, ...]] = set()
        for place in sorted(alive, key=lambda place: self._rank(scores[place], leads[place])):
            candidate = inversion.candidates[place]
            pursued = targets.setdefault(candidate.victims, set())
            if scores[place] < done.min_score:
                continue
            if done.settles and scores[place] >= self.stop.good_score:
                settled.add(candidate.victims)
            elif candidate.victims in settled and candidate.target not in pursued:
                continue
            if candidate.target in pursued or len(pursued) < done.keep:
                pursued.add(candidate.target)  # all starts of a pair count as one
                kept.setdefault(candidate.victims, []).append(place)
        return sorted(place for several in kept.values() for place in several)

    def _rank(self, score: float, lead: float) -> tuple[float, float]:
        """Sorts the strongest first.

        Beyond the score at which candidates stop it says no more, since probabilities end at 1:
        then the one whose plain square came furthest, which had least to be optimised, is first.
        """
        return -min(score, self.stop.good_score), -lead

    def ranked(
        self, inversion: Inversion, leads: Sequence[float], *, alive: Sequence[int]
    ) -> list[InvertedTrigger]:
        """The hardened triggers that meet the ASR bar, strongest first."""
        found: list[tuple[tuple[float, float], InvertedTrigger]] = []
        for place in alive:
            trigger = inversion.inverted(place, source=self.name)
            if trigger.asr >= self.min_asr:
                rank = self._rank(trigger.asr + trigger.target_probability, leads[place])
                found.append((rank, trigger))
        return [trigger for _, trigger in sorted(found, key=lambda pair: pair[0])]


def strongest(triggers: Sequence[InvertedTrigger], per_victim: int) -> tuple[InvertedTrigger, ...]:
    """The first ``per_victim`` triggers of each victim, in their order."""
    kept: list[InvertedTrigger] = []
    for trigger in triggers:
        before = sum(other.victim_class == trigger.victim_class for other in kept)
        if before < per_victim:
            kept.append(trigger)
    return tuple(kept)
