"""Fixtures for `make test-tfio`: an S3 server on the loopback interface.

The variables are set before TensorFlow is imported, because its s3 file
system reads them once.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


PORT = free_port()
ENDPOINT = f"http://127.0.0.1:{PORT}"
os.environ.update(
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    AWS_REGION="us-east-1",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_EC2_METADATA_DISABLED="true",
    # By default, an unreachable server is retried for a minute.
    AWS_RETRY_MODE="standard",
    AWS_MAX_ATTEMPTS="2",
    S3_ENDPOINT=ENDPOINT,
    TF_CPP_MIN_LOG_LEVEL="2",
)


@pytest.fixture(scope="session")
def s3():
    """A boto3 client of a moto server, to inspect what is stored."""
    import boto3

    server = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from moto.server import main; main(sys.argv[1:])",
            "-H",
            "127.0.0.1",
            "-p",
            str(PORT),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_server(server)
        yield boto3.client("s3", endpoint_url=ENDPOINT)
    finally:
        server.terminate()
        server.wait(timeout=10)


def wait_for_server(server: subprocess.Popen, seconds: float = 60) -> None:
    import time

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"The S3 server ended: {server.returncode}.")
        try:
            socket.create_connection(("127.0.0.1", PORT), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("The S3 server did not start.")


@pytest.fixture
def bucket(s3, request):
    """An empty bucket for one test."""
    import hashlib

    digest = hashlib.sha256(request.node.nodeid.encode()).hexdigest()
    name = f"bucket-{digest[:16]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def run_tool():
    """Runs `audiotag-nas <arguments>` in a process of its own."""

    def run(*arguments: object, **variables: str):
        return subprocess.run(
            [sys.executable, "-m", "audiotag_nas", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        )

    return run
