"""A local S3 server, moto's, and what makes s3:// mean it."""

from contextlib import contextmanager

import pytest


@contextmanager
def s3_server():
    """The address of a server that runs while the block does."""
    moto = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    running = moto.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


def use_server(monkeypatch, address):
    """Lets s3:// mean a server; a client of it."""
    import boto3

    for name, value in (
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", address),
        ("FSSPEC_S3_ENDPOINT_URL", address),
    ):
        monkeypatch.setenv(name, value)
    forget()
    return boto3.client("s3", endpoint_url=address)


def forget():
    """fsspec keeps its connections and listings for the process's life."""
    import fsspec
    from fsspec.config import conf, set_conf_env

    fsspec.get_filesystem_class("s3").clear_instance_cache()
    conf.pop("s3", None)
    set_conf_env(conf)
