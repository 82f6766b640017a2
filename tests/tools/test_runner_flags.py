"""The flags that select a runner."""

import pytest


@pytest.mark.parametrize("tool", ["run", "search", "grid"])
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--runner=thread"], "must be one of in_process, process"),
        (["--workers=2"], "workers and limits need --runner=process"),
        (["--runner=process", "--workers=0"], "workers"),
    ],
)
def test_an_invalid_flag_is_refused_before_anything_is_written(
    run_tool, tmp_path, tool, flags, message
):
    workdir = tmp_path / "never"
    done = run_tool(tool, f"--workdir={workdir}", *flags)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not workdir.exists()
