"""The task that builds a dataset's zoo."""

import logging

from omegaconf import DictConfig

from exray.app.hardware import device_of
from exray.app.instantiate import built
from exray.app.progress import BuildProgress
from exray.app.publishing import stderr_console
from exray.app.task_result import TaskResult
from exray.datasets.base import ModelDataset
from exray.datasets.zoo import ZooDataset
from exray.zoo.build import build_zoo
from exray.zoo.summary import summary_markdown

logger = logging.getLogger(__name__)


def build(config: DictConfig, cell: str = "") -> TaskResult:
    """Builds the dataset's zoo, or what is missing of it.

    Raises:
        ValueError: If the dataset is no zoo that exray can build.
    """
    del cell
    source = built(config.dataset, ModelDataset)
    if not isinstance(source, ZooDataset):
        raise ValueError(f"dataset={source.name} is no zoo that can be built; try signs")
    if source.is_embedded:
        raise ValueError(
            "dataset.root=null is the place of zoos that are shipped with exray; say where to "
            f"build {source.name}: dataset.root=results/zoos/{source.name}"
        )
    device = device_of(config.trainer.accelerator)
    console = stderr_console()
    progress = BuildProgress(console, source.recipe.num_models)
    try:
        with progress.shown():
            manifest = build_zoo(
                source.recipe,
                source.root,
                workers=config.trainer.workers,
                accelerator="gpu" if device.type == "cuda" else "cpu",
                on_model=progress.finish,
                images=source.images,
            )
    except RuntimeError as error:  # some classifier never met the bars
        logger.debug("the build failed", exc_info=True)
        console.print(str(error), highlight=False, markup=False, soft_wrap=True)
        return TaskResult(lines=(), status=1)
    (source.root / "summary.md").write_text(summary_markdown(manifest, source.recipe))
    place = f"Zoo: {source.root} (summary.md has its table)"
    console.print(place, highlight=False, markup=False, soft_wrap=True)
    lines = [
        f"{model.model_id}\t{'trojaned' if model.is_trojaned else 'clean'}"
        f"\t{model.clean_accuracy:.4f}\t{'' if model.asr is None else f'{model.asr:.4f}'}"
        for model in manifest.models
    ]
    return TaskResult(lines=tuple(lines), status=0)
