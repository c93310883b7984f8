"""Inputs of a scan that lie in an object store."""

from omegaconf import DictConfig, OmegaConf

from exray.storage.remote_files import is_url, local_copy

KEYS = ("dataset.model", "dataset.images", "dataset.root", "scanner.triggers")


def with_local_inputs(config: DictConfig) -> DictConfig:
    """The configuration with local copies in place of URLs; the same object if there are none.

    Args:
        config: The composed configuration.

    Raises:
        UnreachableError: If a store does not answer.
        ValueError: If there is no such object, or what reads such stores is not installed.
    """
    remote = {key: OmegaConf.select(config, key) for key in KEYS}
    urls = {key: url for key, url in remote.items() if isinstance(url, str) and is_url(url)}
    if not urls:
        return config
    local = config.copy()
    for key, url in urls.items():
        OmegaConf.update(local, key, str(local_copy(url)), merge=False)
    return local
