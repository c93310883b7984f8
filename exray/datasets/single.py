"""A dataset of one model file of unknown ground truth."""

from pathlib import Path

from exray.datasets.base import ModelDataset, Truth


class SingleModelDataset(ModelDataset):
    """One model file.

    Args:
        name: What records call the dataset.
        model: The file.
        model_id: What records call the model.
    """

    def __init__(self, *, name: str, model: Path, model_id: str) -> None:
        self.name = name
        self.model = model
        self.model_id = model_id

    def model_ids(self) -> tuple[str, ...]:
        """The one model's id."""
        return (self.model_id,)

    def model_file(self, model_id: str) -> Path:
        """The file."""
        del model_id
        return self.model

    def truth(self, model_id: str) -> Truth | None:
        """None: the truth is unknown."""
        del model_id
        return None
