"""One trigger for all classes, each of which goes where it likes."""

import pytest
import torch

from exray.scanners.inversion.interfaces import StampedSet, View
from exray.scanners.inversion.strength import capped
from exray.scanners.portfolio.many_targets import FreeTargets, targets_of

pytestmark = pytest.mark.usefixtures("one_thread")


def test_an_all_to_all_backdoor_is_found_with_its_map(planted, coloured, scene_of, searches):
    scene = scene_of(planted("all_to_all"), coloured)
    findings = searches["many_targets"]().run(scene)
    (trigger,) = findings.triggers
    measured = trigger.measurements
    assert (measured["num_targets"], measured["targets_share"], measured["universality"]) == (
        3,
        1,
        1,
    )
    assert trigger.target_class == (trigger.victim_class + 1) % 3
    assert trigger.asr == 1
    held_out = scene.held_out
    answers = scene.classifier.predict(trigger.trigger.apply(held_out.images)).argmax(dim=1)
    assert torch.equal(answers, (held_out.labels + 1) % 3)
    assert measured["num_held_out"] == len(held_out)
    assert findings.report.best_strength == pytest.approx(measured["strength"])


@pytest.mark.parametrize("name", ["square", None])
def test_a_single_target_and_none_do_not_count(planted, twin, coloured, scene_of, searches, name):
    classifier = twin if name is None else planted(name)
    report = searches["many_targets"]().run(scene_of(classifier, coloured)).report
    assert (report.num_candidates, report.num_found, report.inconclusive) == (1, 0, "")


def test_renumbered_classes_have_a_trigger_of_the_same_strength(
    planted, coloured, scene_of, searches, permuted
):
    search, classifier = searches["many_targets"](), planted("all_to_all")
    (one,) = search.run(scene_of(classifier, coloured)).triggers
    (other,) = search.run(scene_of(*permuted(classifier, coloured, (2, 0, 1)))).triggers
    assert other.measurements == pytest.approx(one.measurements, abs=1e-3)


def test_targets_are_the_classes_that_all_images_of_a_class_prefer_together():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 12, 5, generator=generator)
    labels = torch.arange(12) % 5
    for candidate in range(2):
        for index in range(5):
            mean = logits[candidate, labels == index].mean(dim=0)
            mean[index] = -torch.inf
            assert targets_of(logits, labels)[candidate, index] == mean.argmax()


def test_each_image_is_pushed_towards_its_own_classs_target():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 12, 5, generator=generator)
    labels = torch.arange(12) % 5
    some = torch.zeros(2)
    stamped = StampedSet(images=torch.zeros(2, 12, 3, 1, 1), size=some, measure=some, counted=some)
    view = View(
        rows=torch.arange(2),
        logits=logits,
        targets=torch.zeros(2, dtype=torch.long),
        activation=some,
        stamped=stamped,
    )
    leads = FreeTargets(torch.cat([labels, labels])).leads(view)  # a pool may hold more
    targets = targets_of(logits, labels)
    for candidate in range(2):
        for image, label in enumerate(labels.tolist()):
            own = logits[candidate, image].clone()
            target = targets[candidate, label]
            best = own[torch.arange(5) != target].max()
            assert leads[candidate, image] == capped(own[target] - best)


def test_no_stages_are_refused(searches):
    with pytest.raises(ValueError, match="stages must hold one or more; got none"):
        searches["many_targets"](stages=[])
