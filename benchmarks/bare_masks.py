"""The mask optimisation in a bare loop, which Lightning's Trainer is timed against."""

from torch import autograd, nn

from exray.judges.differencing.early_stopping import PairEarlyStopping
from exray.judges.differencing.feature_pairs import FeaturePairs
from exray.judges.differencing.mask_optimization import MaskOptimization, MaskSettings


class BareLoop:
    """The steps of ``MaskOptimization.training_step`` over the same batches.

    Args:
        head: The part after the cut.
        pairs: Features and pairings.
        settings: The optimisation's numbers.
    """

    def __init__(self, head: nn.Module, pairs: FeaturePairs, settings: MaskSettings) -> None:
        self.optimization = MaskOptimization(head, pairs, settings)
        self._stopping = PairEarlyStopping(self.optimization)
        self._batches = iter(self.optimization.train_dataloader())

    def epoch(self) -> bool:
        """Optimises all active pairs for one epoch.

        Returns:
            Whether a pair is left to optimise.
        """
        module, evaluations = self.optimization, []
        module.optimizer.zero_grad()
        for chunk in module.chunks(next(self._batches)):
            loss, evaluation = module.loss(chunk)
            autograd.backward(loss)
            evaluations.append(evaluation)
        module.end_epoch(evaluations)
        module.optimizer.step()
        return self._stopping.update(module)
