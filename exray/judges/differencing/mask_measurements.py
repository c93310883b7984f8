"""What is measured of each trigger's two masks."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from exray.judges.differencing.exchange_quality import ExchangeQuality, exchange_quality
from exray.judges.differencing.feature_pairs import FeaturePairs
from exray.judges.differencing.mask_optimization import MaskSettings
from exray.judges.differencing.mask_search import MaskResult
from exray.judges.differencing.mask_similarity import hard_similarity, similarity
from exray.judges.differencing.set_pairs import DifferencingPlan
from exray.judges.differencing.similarity_null import SimilarityRank, similarity_ranks

_HARD = 0.9  # mask entry above which the released round 2 rule counts a channel


@dataclass(frozen=True, kw_only=True)
class MeasuredMasks:
    """A trigger's two masks with all that was measured of it.

    Args:
        values: Measurements by name.
        first: The mask between victim and target samples (M1).
        second: The mask between victim samples and stamped ones (M2).
    """

    values: dict[str, float]
    first: Float[Tensor, " c"]
    second: Float[Tensor, " c"]


def measure_masks(
    plan: DifferencingPlan, result: MaskResult, settings: MaskSettings
) -> list[MeasuredMasks | None]:
    """Each trigger's measurements; None with an attack success rate of zero.

    Args:
        plan: Which pair of sets gives which mask; not empty.
        result: The masks of the plan's pairs.
        settings: How the head is run, and the seed of the random pairings.

    Source: EX-RAY, section 3.2, equations (5) and (6).
    """
    assert plan.pairs is not None
    differenced = [place for place in plan.places if place is not None]
    own = _quality(plan.head, plan.pairs, result.masks, settings)
    sets = [plan.pairs.pairs[index] for place in differenced for index in place]
    swapped = result.masks[[index for first, second in differenced for index in (second, first)]]
    crossed = _quality(plan.head, FeaturePairs(plan.pairs.bank, sets), swapped, settings)
    ranks = _ranks(plan.pairs, result, differenced)
    measured: list[MeasuredMasks | None] = []
    at = 0  # among the triggers that were differenced
    for place, strength in zip(plan.places, plan.strengths, strict=True):
        if place is None:
            measured.append(None)
            continue
        values = {
            **_mask_values(result, *place),
            **_rank_values(ranks[at]),
            **quality_values("cross", crossed, 2 * at, 2 * at + 1),
            **quality_values("own", own, *place),
            **strength,
        }
        first, second = (result.masks[index] for index in place)
        measured.append(MeasuredMasks(values=values, first=first, second=second))
        at += 1
    return measured


def _quality(
    head: nn.Module, pairs: FeaturePairs, masks: Float[Tensor, "pairs c"], settings: MaskSettings
) -> ExchangeQuality:
    return exchange_quality(head, pairs, masks, compute=settings.compute, seed=settings.seed)


def _ranks(
    pairs: FeaturePairs, result: MaskResult, places: Sequence[tuple[int, int]]
) -> list[SimilarityRank]:
    """Of each trigger's similarity among those of the triggers whose masks converged."""
    converged = [at for at, place in enumerate(places) if result.converged[list(place)].all()]
    first, second = (result.masks[[places[at][side] for at in converged]] for side in (0, 1))
    sets = [pairs.pairs[places[at][0]] for at in converged]
    ranks = similarity_ranks(first, second, [(one.first_class, one.second_class) for one in sets])
    known = dict(zip(converged, ranks, strict=True))
    return [known.get(at, SimilarityRank(None, 0)) for at in range(len(places))]


def _rank_values(rank: SimilarityRank) -> dict[str, float]:
    """The quantile, where there is one, and the number of null values."""
    values = {"null_count": float(rank.null_count)}
    return values if rank.quantile is None else {"similarity_quantile": rank.quantile, **values}


def _mask_values(result: MaskResult, first: int, second: int) -> dict[str, float]:
    """Sums, similarities and convergence of a trigger's two masks."""
    masks = result.masks[first], result.masks[second]
    shared = similarity(*masks)
    hard = hard_similarity(*masks, bar=_HARD)
    return {
        "similarity": shared.value,
        "similarity_first": shared.of_first,
        "similarity_second": shared.of_second,
        "hard_similarity_first": hard[0],
        "hard_similarity_second": hard[1],
        "mask_sum_victim_target": shared.first_sum,
        "mask_sum_victim_stamped": shared.second_sum,
        "converged_victim_target": float(result.converged[first]),
        "converged_victim_stamped": float(result.converged[second]),
        "epochs_victim_target": float(result.epochs[first]),
        "epochs_victim_stamped": float(result.epochs[second]),
    }


def quality_values(
    kind: str, quality: ExchangeQuality, natural: int, stamped: int
) -> dict[str, float]:
    """Names for the accuracies and cross-entropies of both directions on both pairs of sets.

    Args:
        kind: ``own`` where each pair's own mask was exchanged, ``cross`` where the other's was.
        quality: Of all pairs.
        natural: Index of the (victim, target) pair.
        stamped: Index of the (victim, stamped) pair.
    """
    named: dict[str, float] = {}
    for prefix, values in ((kind, quality.accuracy), (f"entropy_{kind}", quality.cross_entropy)):
        named |= {
            f"{prefix}_target_into_victim": float(values[natural, 0]),
            f"{prefix}_victim_into_target": float(values[natural, 1]),
            f"{prefix}_stamped_into_victim": float(values[stamped, 0]),
            f"{prefix}_victim_into_stamped": float(values[stamped, 1]),
        }
    return named
