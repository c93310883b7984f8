"""The device and the threads of a run."""

import torch


def device_of(accelerator: str) -> torch.device:
    """The device of Lightning's name for it.

    Raises:
        ValueError: If there is none of that kind.
    """
    if accelerator not in ("auto", "cpu", "gpu"):
        raise ValueError(f"trainer.accelerator must be auto, cpu or gpu; got {accelerator!r}")
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise ValueError("trainer.accelerator=gpu needs a CUDA device and there is none; use auto")
    wants_gpu = accelerator != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if wants_gpu else "cpu")


def use_threads(threads: object) -> None:
    """Lets torch compute on so many CPU threads; None leaves it as it is.

    Raises:
        ValueError: If it is no positive whole number.
    """
    if threads is None:
        return
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f"trainer.threads must be null or a whole number >= 1; got {threads!r}")
    torch.set_num_threads(threads)
