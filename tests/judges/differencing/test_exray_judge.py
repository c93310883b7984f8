"""The paper's judge on a network whose backdoor we put in by hand, and on its clean twin."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from exray.errors import LayerNotFoundError
from exray.images.samples import SampleSet
from exray.judges.base import Judgement
from exray.judges.differencing.exray_judge import ExrayJudge, strongest_triggers
from exray.judges.differencing.head_runner import HeadSettings
from exray.judges.differencing.mask_optimization import MaskSettings
from exray.judges.differencing.objectives.cross_entropy import CrossEntropyBarrier
from exray.judges.differencing.set_pairs import DifferencingPlan
from exray.rules.base import CROSS
from exray.rules.grouped import GroupedRule
from exray.rules.grouped_calibration import GroupedCalibration, ModelLevel
from exray.rules.paper import PaperRule
from exray.rules.trigger_groups import EvidenceTerm, TriggerGroup

pytestmark = pytest.mark.usefixtures("one_thread")

MASK = MaskSettings(
    objective=CrossEntropyBarrier(
        alpha=0.1, weight_large=100.0, weight_small=0.0, direction="both"
    ),
    learning_rate=0.05,
    epochs=120,
    patience=120,
    recheck=1,
    pairing="each_epoch",
    compute=HeadSettings(
        memory_budget_gb=1.0, precision="float32", channels_last=False, compile=False
    ),
    seed=0,
)
DETECTOR = 3


def judge(layer="relu", mask=MASK, margin=0.0, **options):
    rule = PaperRule(similarity_threshold=0.8, cross_threshold=0.8)
    return ExrayJudge(layer=layer, mask=mask, rule=rule, margin=margin, **options)


def test_the_planted_trigger_is_injected_and_the_natural_one_is_natural(
    trojaned, colour_samples, white_patch, green_tint
):
    injected, natural = judge().judge(trojaned, colour_samples, [white_patch, green_tint])
    assert injected.is_injected
    assert injected.measurements["similarity"] < 0.3
    assert min(injected.measurements["cross_victim_into_target"], injected.score - 0.5) >= 0
    assert injected.tensors["mask_victim_stamped"].argmax() == DETECTOR
    assert injected.tensors["mask_victim_target"][DETECTOR] < 0.3
    assert not natural.is_injected
    assert natural.measurements["similarity"] > 0.8


def test_the_clean_twin_has_only_a_natural_trigger(clean_twin, colour_samples, green_tint):
    (natural,) = judge().judge(clean_twin, colour_samples, [green_tint])
    assert not natural.is_injected


def test_a_trigger_that_flips_nothing_is_said_to_be_none_and_the_others_are_judged(
    clean_twin, colour_samples, white_patch, green_tint
):
    both = judge().judge(clean_twin, colour_samples, [white_patch, green_tint])
    assert [judgement.measurements["flipped"] for judgement in both] == [0, 1]
    assert both[0].reason.startswith("natural: it flips none of the victim's images")
    assert not both[0].is_injected
    (alone,) = judge().judge(clean_twin, colour_samples, [green_tint])
    assert both[1].measurements == alone.measurements
    (nothing,) = judge().judge(clean_twin, colour_samples, [white_patch])
    assert nothing == both[0]


def test_triggers_of_one_class_pair_share_the_mask_between_the_classes(
    trojaned, colour_samples, white_patch, green_tint
):
    first, second = judge().judge(trojaned, colour_samples, [white_patch, green_tint])
    shared = "mask_victim_target"
    assert torch.equal(first.tensors[shared], second.tensors[shared])


def test_a_verdict_does_not_depend_on_the_other_triggers(
    trojaned, colour_samples, white_patch, green_tint
):
    both = judge().judge(trojaned, colour_samples, [white_patch, green_tint])
    for trigger, together in zip((white_patch, green_tint), both, strict=True):
        (alone,) = judge().judge(trojaned, colour_samples, [trigger])
        assert alone.measurements == pytest.approx(together.measurements)


def test_every_measurement_is_recorded(trojaned, colour_samples, white_patch):
    (judgement,) = judge().judge(trojaned, colour_samples, [white_patch])
    names = judgement.measurements
    assert sum(name.startswith("cross_") for name in names) == 4
    assert sum(name.startswith("entropy_") for name in names) == 9
    assert all(value == 1 for name, value in names.items() if name.startswith("own_"))
    stamped = white_patch.trigger.apply(colour_samples.of_class(0))
    chances = trojaned.predict(stamped).softmax(dim=1)[:, 1]
    assert names["entropy_stamped_target"] == pytest.approx(-float(chances.log().mean()), rel=1e-4)
    height, width = white_patch.trigger.mask.shape
    margins = [
        logits[:, 1] - logits[:, [0, 2]].amax(dim=1)
        for logits in (trojaned.predict(stamped), trojaned.predict(colour_samples.of_class(1)))
    ]
    shift = float(margins[0].mean() - margins[1].mean())
    assert names["confidence_shift"] == pytest.approx(shift, rel=1e-4)
    assert names["null_count"] == 0
    assert names["size_share"] == white_patch.trigger.size_pixels / (height * width)
    for side, tensor in (("target", "mask_victim_target"), ("stamped", "mask_victim_stamped")):
        assert names[f"converged_victim_{side}"] == 1
        total = float(judgement.tensors[tensor].sum())
        assert names[f"mask_sum_victim_{side}"] == pytest.approx(total)


def test_stamped_images_of_the_planted_trigger_lie_farther_from_the_target_than_natural_ones(
    trojaned, colour_samples, white_patch, green_tint
):
    both = judge().judge(trojaned, colour_samples, [white_patch, green_tint])
    planted, natural = (judgement.measurements["tube_ratio"] for judgement in both)
    assert planted > natural > 0


def test_judging_changes_neither_network_nor_samples(trojaned, colour_samples, white_patch):
    before = [value.clone() for value in trojaned.network.state_dict().values()]
    images = colour_samples.images.clone()
    judge().judge(trojaned, colour_samples, [white_patch])
    after = trojaned.network.state_dict().values()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert torch.equal(images, colour_samples.images)
    assert not any(module.training for module in trojaned.network.modules())


def test_a_trigger_that_flips_some_images_is_judged_on_those(trojaned, colour_samples, white_patch):
    images = colour_samples.images.clone()
    images[0, 0] = 1.0  # so red that the patch fails
    images[0, 1:] = 0.0
    mask = torch.zeros_like(white_patch.trigger.mask)
    mask[:2, :4] = 1
    weak = replace(white_patch.trigger, mask=mask)
    samples = replace(colour_samples, images=images)
    trigger = replace(white_patch, trigger=weak)
    flips = trojaned.predict(weak.apply(samples.of_class(0))).argmax(dim=1) == 1
    assert 0 < int(flips.sum()) < len(flips)
    (judgement,) = judge().judge(trojaned, samples, [trigger])
    assert judgement.is_injected
    assert judgement.measurements["own_victim_into_stamped"] == 1


def test_no_trigger_gives_no_judgement(trojaned, colour_samples):
    assert judge().judge(trojaned, colour_samples, []) == []


def test_a_trigger_to_a_class_without_images_is_not_judged_and_the_others_are(
    trojaned, colour_samples, white_patch
):
    samples = colour_samples.select(colour_samples.labels != 2)
    assert isinstance(samples, SampleSet)
    other = replace(white_patch, target_class=2)
    lost, judged = judge().judge(trojaned, samples, [other, white_patch])
    assert lost.reason == "not judged: class 2 has no image that the classifier gets right"
    assert not lost.is_injected
    assert not lost.tensors
    assert judged.is_injected


def test_a_rule_of_the_scanners_numbers_decides_on_a_class_without_images_too(
    trojaned, colour_samples, white_patch
):
    samples = colour_samples.select(colour_samples.labels != 1)
    own = ExrayJudge(layer="relu", mask=MASK, rule=grouped("strength", 2.0), margin=0.0)
    (judgement,) = own.judge(trojaned, samples, [found_by_patch_search(white_patch, 1.5)])
    assert judgement.is_injected


def test_a_layer_that_is_not_there_is_named(trojaned, colour_samples, white_patch):
    with pytest.raises(LayerNotFoundError, match=r"'layer9' is not in planted; it has: .*relu"):
        judge("layer9").judge(trojaned, colour_samples, [white_patch])


@pytest.mark.parametrize("margin", [-0.1, 1.5, float("nan")])
def test_a_margin_outside_zero_and_one_is_refused(margin):
    with pytest.raises(ValueError, match=rf"margin must lie in \[0, 1\]; got {margin}"):
        judge(margin=margin)


def test_an_earlier_cut_adds_measurements_and_changes_no_others(
    trojaned, colour_samples, white_patch, green_tint
):
    triggers = [white_patch, green_tint]
    one = judge().judge(trojaned, colour_samples, triggers)
    two = judge(earlier_layer="colours").judge(trojaned, colour_samples, triggers)
    for single, double in zip(one, two, strict=True):
        added = set(double.measurements) - set(single.measurements)
        assert added
        assert all(name.startswith("earlier_") for name in added)
        assert single.measurements == {
            name: double.measurements[name] for name in single.measurements
        }


def test_an_earlier_layer_that_is_not_there_is_named_before_the_scan(trojaned, colour_samples):
    judge().check(trojaned, colour_samples)
    with pytest.raises(LayerNotFoundError, match="'layer9' is not in planted"):
        judge(earlier_layer="layer9").check(trojaned, colour_samples)


def test_the_strongest_triggers_are_judged_as_alone_and_the_rest_is_stored(
    trojaned, colour_samples, white_patch, green_tint
):
    weak = replace(green_tint, asr=0.5)
    few = judge(max_triggers=1)
    rest, strongest = few.judge(trojaned, colour_samples, [weak, white_patch])
    (alone,) = judge().judge(trojaned, colour_samples, [white_patch])
    assert strongest.measurements == alone.measurements
    assert rest.reason == "not judged: max_triggers=1 triggers flip as many images or more"
    assert (rest.is_injected, rest.score, rest.measurements) == (False, 0.0, {"judged": 0.0})


def test_success_rates_rank_triggers_and_the_targets_probability_breaks_ties(white_patch):
    strengths = [(0.5, 0.9), (1.0, 0.2), (1.0, 0.8), (0.9, 1.0)]
    triggers = [replace(white_patch, asr=asr, target_probability=p) for asr, p in strengths]
    assert [strongest_triggers(triggers, count) for count in (1, 2, 3)] == [[2], [1, 2], [1, 2, 3]]
    assert strongest_triggers(triggers, None) == [0, 1, 2, 3]


@pytest.mark.parametrize("count", [0, -1])
def test_a_number_of_triggers_that_is_none_is_refused(count):
    with pytest.raises(ValueError, match=f"max_triggers must be a positive number.*{count}"):
        judge(max_triggers=count)


def test_a_trigger_in_margin_is_judged_as_if_no_pair_had_rested(
    trojaned, colour_samples, white_patch, green_tint
):
    triggers = [white_patch, green_tint]
    early = replace(MASK, patience=5)
    whole, margined, sure = (
        judge(mask=mask, margin=margin).judge(trojaned, colour_samples, triggers)
        for mask, margin in ((MASK, 0.0), (early, 1.0), (early, 0.0))
    )
    for one, other in zip(whole, margined, strict=True):
        assert one.measurements["epochs_victim_stamped"] == MASK.epochs
        assert one.measurements == pytest.approx(other.measurements, abs=1e-6)
    assert all(judgement.measurements["epochs_victim_stamped"] < MASK.epochs for judgement in sure)


def grouped(feature, weight):
    """A rule of universal patches that weighs one measurement."""
    term = EvidenceTerm(feature=feature, weight=weight, centre=0.5, scale=0.5)
    group = TriggerGroup(
        name="patch", searches=("patch",), is_universal=True, terms=(term,), bias=0.0
    )
    level = ModelLevel(
        combination="noisy_or",
        slope_above=1.0,
        slope_below=1.0,
        count_weight=0.0,
        threshold=0.0,
        false_positive_rate=0.1,
    )
    calibration = GroupedCalibration(
        groups=(group,), model=level, num_models=98, without_triggers=0.2
    )
    return GroupedRule(calibration=calibration)


def found_by_patch_search(trigger, strength):
    measurements = {"is_patch": 1.0, "is_universal": 1.0, "strength": strength}
    return replace(trigger, measurements=measurements)


@pytest.mark.parametrize(
    ("feature", "weight", "takes_all"),
    [("confidence_shift", 0.1, False), ("similarity", -0.1, True)],
)
def test_masks_that_decide_nothing_take_no_further_epochs(
    trojaned, colour_samples, white_patch, feature, weight, takes_all
):
    early = replace(MASK, patience=5)
    own = ExrayJudge(layer="relu", mask=early, rule=grouped(feature, weight), margin=1.0)
    (one,) = own.judge(trojaned, colour_samples, [found_by_patch_search(white_patch, 1.5)])
    assert own.rule.weighs_masks is takes_all
    assert (one.measurements["epochs_victim_stamped"] == MASK.epochs) is takes_all


def test_a_rule_of_the_scanners_numbers_decides_on_all_triggers_without_masks(
    trojaned, colour_samples, white_patch, green_tint
):
    rule = grouped("strength", 2.0)
    triggers = [found_by_patch_search(white_patch, 1.0), found_by_patch_search(green_tint, -1.0)]
    own = ExrayJudge(layer="relu", mask=MASK, rule=rule, margin=0.0)
    judgements = own.judge(trojaned, colour_samples, triggers)
    assert [judgement.is_injected for judgement in judgements] == [True, False]
    assert all(not judgement.tensors for judgement in judgements)
    decisions = rule.decide_model([one.measurements for one in triggers], [1, 1])
    assert [one.score for one in judgements] == [decision.score for decision in decisions]


def test_a_rule_that_weighs_the_masks_too_keeps_them(
    trojaned, colour_samples, white_patch, green_tint
):
    triggers = [found_by_patch_search(trigger, 1.0) for trigger in (white_patch, green_tint)]
    own = ExrayJudge(layer="relu", mask=MASK, rule=grouped("similarity", -2.0), margin=0.0)
    injected, natural = own.judge(trojaned, colour_samples, triggers)
    assert injected.is_injected > natural.is_injected
    assert injected.tensors["mask_victim_stamped"].argmax() == DETECTOR
    assert injected.measurements["push_similarity"] > 0 > natural.measurements["push_similarity"]


def test_only_what_is_near_a_threshold_or_was_not_found_is_in_margin():
    plan = DifferencingPlan(
        head=nn.Identity(),
        pairs=None,
        first=[0, 0, None, 3],
        second=[1, 2, None, 4],
        strengths=[{}] * 4,
    )
    judgements = [verdict(similarity=0.95), verdict(similarity=0.75), verdict(),
             verdict(converged_victim_target=0.0)]  # fmt: skip
    assert judge(margin=0.1).pairs_within_margin(plan, judgements) == [0, 2, 3, 4]
    assert judge(margin=0.04).pairs_within_margin(plan, judgements) == [3, 4]
    assert judge(margin=0.0).pairs_within_margin(plan, judgements) == []


def verdict(**changes):
    """A judgement whose cross accuracies leave the verdict to the similarity."""
    values = {"similarity": 0.5, **dict.fromkeys(CROSS, 0.0)}
    values |= {"converged_victim_target": 1.0, "converged_victim_stamped": 1.0}
    return Judgement(is_injected=True, score=1.0, reason="", measurements={**values, **changes})


def test_steadiness_is_measured_where_it_is_asked_for_or_weighed(
    trojaned, colour_samples, white_patch, green_tint
):
    triggers = [white_patch, green_tint]
    for one in judge().judge(trojaned, colour_samples, triggers):
        assert "steadiness" not in one.measurements
    asked = judge(steadiness=True).judge(trojaned, colour_samples, triggers)
    rule = grouped("steadiness", 1.0)
    own = ExrayJudge(layer="relu", mask=MASK, rule=rule, margin=0.0)
    found = [found_by_patch_search(trigger, 1.0) for trigger in triggers]
    for one, other in zip(asked, own.judge(trojaned, colour_samples, found), strict=True):
        assert other.measurements["steadiness"] == one.measurements["steadiness"]
        assert other.measurements["push_steadiness"] != 0
