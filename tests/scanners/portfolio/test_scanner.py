"""The whole portfolio on one network: triggers of all searches, what was tried, bad input."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import exray
from exray.images.samples import SampleSet, default_class_names
from exray.models.classifier import Classifier, Preprocessing
from exray.scanners.portfolio.instagram import InstagramSearch
from exray.scanners.portfolio.scanner import PortfolioScanner

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def portfolio(searches):
    def made(*names):
        return PortfolioScanner(
            searches={f"my_{name}": searches[name]() for name in names}, layer="relu"
        )

    return made


@pytest.fixture
def shallow():
    """A linear network of many classes, with one or two images each."""

    def made(num_classes, per_class):
        linear = nn.Linear(3 * 64, num_classes)
        images = torch.rand(num_classes * per_class, 3, 8, 8)
        labels = torch.arange(len(images)) % num_classes
        linear.weight.data = images[:num_classes].flatten(1) - 0.5
        layers = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Flatten(), linear)
        layers[0].weight.data, layers[0].bias.data = torch.eye(3)[..., None, None], torch.zeros(3)
        return (
            Classifier(layers, Preprocessing(), num_classes=num_classes, name="linear"),
            SampleSet(images=images, labels=labels, class_names=default_class_names(num_classes)),
        )

    return made


def test_triggers_bear_their_searchs_name_strongest_first(portfolio, planted, coloured):
    result = portfolio("square", "many_targets").scan(planted("square"), coloured)
    assert [trigger.source for trigger in result.triggers] == ["my_square"]
    assert result.triggers[0].measurements["is_my_square"] == 1
    assert result.flags
    assert result.score == 1
    assert [report.name for report in result.searches] == ["my_square", "my_many_targets"]
    assert result.num_candidates == 3 + 1


def test_a_scan_that_finds_nothing_lists_what_it_looked_for(portfolio, twin, coloured):
    result = portfolio("square", "warp", "many_targets").scan(twin, coloured)
    assert (result.triggers, result.flags, result.score, result.inconclusive) == ((), False, 0, "")
    assert [report.name for report in result.searches] == [
        "my_square",
        "my_warp",
        "my_many_targets",
    ]
    for report in result.searches:
        assert report.num_found == 0 < min(report.num_candidates, report.image_passes)
        assert report.best_strength < 0


def test_without_gradient_finding_nothing_is_inconclusive(portfolio, without_gradient, coloured):
    result = portfolio("square", "warp").scan(without_gradient, coloured)
    assert "has no gradient in 3 of 3 inversions" in result.inconclusive
    assert result.inconclusive.count("gradient") == 1  # one reason, said once


def test_a_constant_network_is_inconclusive_and_nothing_is_searched(portfolio, twin, coloured):
    linear = nn.Linear(7, 3)
    linear.weight.data.zero_()
    layers = nn.Sequential(*list(twin.network)[:-1], linear)
    constant = Classifier(layers, Preprocessing(), num_classes=3, name="constant")
    result = portfolio("square").scan(constant, coloured)
    assert "answers every clean image alike" in result.inconclusive
    assert result.searches == ()


@pytest.mark.parametrize(("num_classes", "per_class"), [(43, 1), (43, 2), (2, 1), (3, 1)])
def test_many_and_few_classes_with_few_images_are_scanned(
    searches, shallow, num_classes, per_class
):
    quick = {
        name: searches[name](
            screen=replace(searches[name]().screen, steps=2), universal=[], pairs=[]
        )
        for name in ("pixel", "square", "picture", "warp", "sinusoid")
    }
    stages = [replace(searches["many_targets"]().stages[0], steps=2)]
    scanner = PortfolioScanner(
        searches={
            **quick,
            "many_targets": searches["many_targets"](stages=stages),
            "instagram": InstagramSearch(min_asr=0.5),
        },
        layer="1",
    )
    result = scanner.scan(*shallow(num_classes, per_class))
    assert [report.num_candidates for report in result.searches[:5]] == [num_classes] * 5
    assert all(0 <= trigger.asr <= 1 for trigger in result.triggers)


def test_steps_are_counted_over_all_searches(portfolio, twin, coloured):
    seen = []
    scanner = portfolio("square", "many_targets")
    scanner.scan(twin, coloured, lambda stage, done, total: seen.append((stage, done, total)))
    total = sum(search.num_steps for search in scanner.searches)
    assert seen == [("inversion", step, total) for step in range(1, total + 1)]


def test_the_same_seed_gives_the_same_result(portfolio, planted, coloured):
    one, other = (portfolio("square").scan(planted("square"), coloured) for _ in range(2))
    assert [t.measurements for t in one.triggers] == [t.measurements for t in other.triggers]
    assert torch.equal(one.triggers[0].trigger.mask, other.triggers[0].trigger.mask)


def test_no_searches_are_refused():
    with pytest.raises(ValueError, match="searches must hold one or more; got none"):
        PortfolioScanner(searches={}, layer="relu")


def test_the_shipped_portfolio_is_built_by_its_name():
    scanner = exray.make_scanner("portfolio", searches__patch__most=3)
    assert {"patch", "warp"} <= {search.name for search in scanner.searches}
    (patch,) = [search for search in scanner.searches if search.name == "patch"]
    assert patch.most == 3
