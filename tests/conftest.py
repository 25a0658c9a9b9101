"""Fixtures shared by all tests, and the two switches: `real` and `e2e` tests run by default."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

# No test may reach a hub; the default model and texts come from the package index.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
# Threads that spin while they wait make a busy machine several times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Processes of their own are for the tests of them: each takes seconds to start.
os.environ["SPARC3_ON"] = "here"


@pytest.fixture(scope="session")
def cache() -> Path:
    """Return the cache with the default model and texts, for tests marked `real`."""
    from sparc3_bench.assets import default_cache

    return default_cache()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Give the address of a server on this machine that does what S3 does."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", f"-p{port}"]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    server.kill()
    server.wait()


@pytest.fixture
def s3_folder(s3, monkeypatch) -> str:
    """Give the URL of an empty folder on a server that does what S3 does."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anyone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    import s3fs

    bucket = uuid.uuid4().hex
    s3fs.S3FileSystem(use_listings_cache=False).mkdir(bucket)
    return f"s3://{bucket}/folder"
