"""The best state of each candidate of an inversion, and when a candidate stops gaining."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from exray.scanners.validation import require_count


@dataclass(frozen=True, kw_only=True)
class StopRule:
    """When a candidate is stopped before its steps are over.

    Args:
        good_score: Score from which it may be stopped.
        patience: Number of consecutive steps without a gain of ``gain`` after which it is.
        gain: Least gain that counts.
    """

    good_score: float
    patience: int
    gain: float

    def __post_init__(self) -> None:
        require_count("patience", self.patience)


class BestStates:
    """Keeps the best-scoring values of each candidate rather than the last.

    Args:
        parameters: Tensors whose first axis is the candidates'.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        first = parameters[0]
        self.values = [parameter.clone() for parameter in parameters]
        self.score = torch.full((len(first),), -torch.inf, device=first.device)
        self.peak_score = self.score.clone()  # before scores were last forgotten
        self._steps_without_gain = torch.zeros(len(first), dtype=torch.long, device=first.device)

    def update(
        self,
        rows: Int[Tensor, " p"],
        score: Float[Tensor, " p"],
        values: Sequence[Tensor],
        *,
        min_gain: float,
    ) -> None:
        """Keeps states that beat the best so far, and counts steps without sufficient gain.

        Args:
            rows: Indices of the candidates.
            score: Their current scores.
            values: Their current parameters.
            min_gain: Least gain that counts.
        """
        gained = score > self.score[rows] + min_gain
        self._steps_without_gain[rows] = torch.where(gained, 0, self._steps_without_gain[rows] + 1)
        better = score > self.score[rows]
        self.score[rows[better]] = score[better]
        for best, value in zip(self.values, values, strict=True):
            best[rows[better]] = value.detach()[better]

    def is_finished(self, place: int, stop: StopRule) -> bool:
        """Whether a candidate is good enough and gains no more.

        Args:
            place: Index of the candidate.
            stop: The rule.
        """
        is_good = float(self.score[place]) >= stop.good_score
        return is_good and int(self._steps_without_gain[place]) >= stop.patience

    def forget_scores(self) -> None:
        """Forgets the scores, since those of the next images are not comparable."""
        self.peak_score = torch.maximum(self.peak_score, self.score)
        self.score.fill_(-torch.inf)
        self._steps_without_gain.zero_()

    def restore(
        self, parameters: Sequence[Tensor], places: Sequence[int]
    ) -> Int[Tensor, " restored"]:
        """Copies best states into the parameters, where there are any; gives the rows restored.

        Args:
            parameters: The tensors that are optimised.
            places: Indices of the candidates.
        """
        with_state = [place for place in places if float(self.score[place]) > -torch.inf]
        rows = torch.tensor(with_state, dtype=torch.long, device=self.score.device)
        for parameter, best in zip(parameters, self.values, strict=True):
            parameter[rows] = best[rows]
        return rows
