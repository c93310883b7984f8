"""The smallest patch that flips one class to another: how hard a backdoor is to exploit."""

from collections.abc import Sequence

import torch

from exray.images.samples import SampleSet
from exray.models.classifier import Classifier
from exray.models.splitting.split_classifier import SplitClassifier
from exray.scanners.inversion.interfaces import Candidate
from exray.scanners.neural_cleanse.scanner import NeuralCleanse

Pair = tuple[int, int]
"""Victim class and target class."""


def patch_sizes(
    classifier: Classifier, samples: SampleSet, pairs: Sequence[Pair], search: NeuralCleanse
) -> dict[Pair, float]:
    """Pixels of the smallest patch for each pair; the image's own where no patch flips it.

    Args:
        classifier: What is searched.
        samples: Clean images; only those that it classifies right are used.
        pairs: Victim and target classes; pairs without an image of either are left out.
        search: Steps, images and cost of the inversion; its verdict plays no part.

    Returns:
        The mask's sum by pair.

    Source: EX-RAY, section 4.6 and appendix C, whose sizes are those of each pair's trigger.
    """
    is_right = classifier.predict(samples.images).argmax(dim=1) == samples.labels
    usable = samples.select(is_right)
    present = {index for index, count in enumerate(usable.counts()) if count}
    wanted = [pair for pair in dict.fromkeys(pairs) if present >= set(pair)]
    if not wanted:
        return {}
    split = SplitClassifier.of(classifier, search.layer, usable.images)
    candidates = [Candidate(victims=(victim,), target=target) for victim, target in wanted]
    inversion = search.start(split, usable, candidates)
    with torch.enable_grad():
        inversion.run(
            search.steps,
            alive=range(len(candidates)),
            images_per_step=min(search.images_per_step, max(map(len, inversion.pools))),
            stop=search.stop,
        )
    area = float(samples.images.shape[-1] * samples.images.shape[-2])
    return {
        pair: min(area, -score)  # minus infinity where the ASR was never reached
        for pair, score in zip(wanted, inversion.best_score.tolist(), strict=True)
    }
