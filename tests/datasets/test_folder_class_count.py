import torch
from safetensors.torch import save_file

from exray.datasets.folder import FolderDataset
from exray.datasets.preprocess import FolderPreprocess
from exray.models.architectures.registry import build
from exray.models.checkpoints.reader import read_checkpoint


def test_the_class_count_of_a_named_network_is_read_from_a_safetensors_file(tmp_path):
    network = build("signs_resnet", num_classes=5)
    save_file(dict(network.state_dict()), tmp_path / "m.safetensors")
    source = FolderDataset(
        name="folder",
        model=str(tmp_path / "m.safetensors"),
        images=str(tmp_path),
        architecture="signs_resnet",
        factory=None,
        num_classes=None,
        preprocess=FolderPreprocess(size=None, crop=None, mean=(), std=(), scaling="unit"),
        limit_per_class=None,
    )
    loaded = source._network(read_checkpoint(tmp_path / "m.safetensors"))
    assert loaded(torch.zeros(1, 3, 64, 64)).shape == (1, 5)
