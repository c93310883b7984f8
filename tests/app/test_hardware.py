"""The device and the threads of a run."""

import pytest
import torch

from exray.app.hardware import device_of, use_threads


def test_a_device_that_is_none_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert device_of("auto").type == "cpu"
    with pytest.raises(
        ValueError, match=r"trainer.accelerator must be auto, cpu or gpu; got 'tpu'"
    ):
        device_of("tpu")
    with pytest.raises(ValueError, match="needs a CUDA device and there is none; use auto"):
        device_of("gpu")


def test_a_gpu_is_used_where_there_is_one_unless_the_cpu_is_asked_for(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    kinds = [device_of(accelerator).type for accelerator in ("auto", "gpu", "cpu")]
    assert kinds == ["cuda", "cuda", "cpu"]


@pytest.mark.usefixtures("one_thread")
def test_threads_are_as_many_as_asked_for_or_left_as_they_are():
    use_threads(None)
    assert torch.get_num_threads() == 1
    use_threads(2)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("threads", [0, -1, 1.5, "all"])
def test_threads_that_are_no_positive_count_are_refused(threads):
    with pytest.raises(ValueError, match=f"null or a whole number >= 1; got {threads!r}"):
        use_threads(threads)
