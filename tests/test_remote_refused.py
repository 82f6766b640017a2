"""Remote paths are refused if tensorflow-io can't be used.

`make test-tfio` runs the tests with tensorflow-io, in tests_tfio.
"""

import pytest

from audiotag_nas.data import storage
from audiotag_nas.errors import StoreError


@pytest.mark.parametrize(
    "arguments",
    [
        ("prepare", "--config.data.features_dir=s3://bucket/features"),
        ("prepare", "--config.final.export_dir=s3://bucket/features"),
        ("tag", "--model=s3://bucket/features", "any.wav"),
    ],
)
def test_a_remote_path_is_one_line_that_says_what_to_install(
    run_tool, tmp_path, arguments
):
    workdir = tmp_path / "w"
    if arguments[0] == "prepare":
        arguments = (*arguments[1:], f"--workdir={workdir}")
        arguments = ("prepare", "--config=smoke", *arguments)
    done = run_tool(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: s3://bucket/features: ")
    assert "TensorFlow 2.17" in done.stderr
    assert "pip install 'audiotag-nas[tfio]'" in done.stderr
    # No working directory that only another environment could continue.
    assert not (workdir / "config.json").exists()


@pytest.mark.parametrize("url", ["s3:///key", "s3://", "://b/k", "3://b/k"])
def test_a_malformed_remote_path_is_refused_by_name(url):
    with pytest.raises(StoreError, match="must be <scheme>://") as caught:
        storage.as_path(url)
    assert repr(url) in str(caught.value)


def test_a_local_path_may_contain_a_colon(tmp_path):
    for name in ("s3:", "a:b/c", "s3:/x"):
        assert storage.as_path(tmp_path / name) == tmp_path / name
