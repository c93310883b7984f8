"""What the LightningModule reports, and how it groups pairs into head calls."""

from dataclasses import replace

import pytest
import torch
from pytorch_lightning.loggers.logger import DummyLogger

from exray.judges.differencing.feature_pairs import FeaturePairs
from exray.judges.differencing.head_runner import saved_bytes
from exray.judges.differencing.mask_optimization import MaskOptimization
from exray.judges.differencing.mask_search import MaskSearch, find_masks

pytestmark = pytest.mark.usefixtures("one_thread")


class Recorder(DummyLogger):
    """Remembers the metrics of each step."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def log_metrics(self, metrics, step=None):
        del step
        self.steps.append(metrics)


def test_each_epoch_is_logged_to_a_lightning_logger(random_pairs, mask_settings):
    head, features, sets = random_pairs(num_pairs=3, num_samples=4)
    settings = replace(mask_settings, epochs=7)
    pairs, logger = FeaturePairs(features, sets), Recorder()
    logged = MaskSearch(head, pairs, settings, logger=logger).run()
    assert len(logger.steps) == 7
    first = logger.steps[0]
    assert first["mask_sum"] == pytest.approx(6 * float(torch.sigmoid(torch.tensor(8.0))))
    assert (first["feasible"], first["active_pairs"]) == (1.0, 3.0)
    assert first["cross_entropy_first_to_second"] > 0
    assert first["cross_entropy_second_to_first"] > 0
    assert logger.steps[-1]["loss"] > 0
    assert torch.equal(logged.masks, find_masks(head, pairs, settings).masks)


def test_the_head_is_no_part_of_the_trained_module(random_pairs, mask_settings):
    head, features, sets = random_pairs(num_pairs=2, num_samples=4)
    optimization = MaskOptimization(head, FeaturePairs(features, sets), mask_settings)
    assert [name for name, _ in optimization.named_parameters()] == ["logits"]
    assert optimization.configure_optimizers().param_groups[0]["params"] == [optimization.logits]


def test_pairs_are_grouped_by_what_a_head_call_takes(random_pairs, mask_settings):
    head, features, sets = random_pairs(num_pairs=5, num_samples=5)
    two_pairs = 20 * saved_bytes(head, features[:1]) / (1 << 30)
    compute = replace(mask_settings.compute, memory_budget_gb=1.05 * two_pairs)
    settings = replace(mask_settings, compute=compute)
    optimization = MaskOptimization(head, FeaturePairs(features, sets), settings)
    optimization.active_pairs = [0, 1, 3, 4]
    exchanges = optimization.pairing.draw([0, 1, 3, 4])
    chunks = list(optimization.chunks(exchanges))
    assert [chunk.rows.tolist() for chunk in chunks] == [[0, 1], [3, 4]]
    assert [set(chunk.exchanges.pair.tolist()) for chunk in chunks] == [{0, 1}, {3, 4}]
    assert sum(len(chunk.exchanges.own) for chunk in chunks) == len(exchanges.own)
