"""The main job with features and model on s3://, trials in a worker."""

import json

from audiotag_nas.search.journal import read_entries


def test_the_main_job_keeps_no_features_and_no_model_on_disk(
    run_tool, s3, bucket, tmp_path
):
    done = run_tool(
        "run",
        "--config=smoke",
        f"--workdir={tmp_path}",
        "--runner=process",
        "--workers=1",
        f"--config.data.features_dir=s3://{bucket}/features",
        f"--config.final.export_dir=s3://{bucket}/export",
    )
    # tensorflow-io would abort a process that used s3, with status 134.
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert f"audiotag-nas tag --model s3://{bucket}/export" in done.stdout
    assert not (tmp_path / "features").exists()
    assert not (tmp_path / "export").exists()
    keys = {
        item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]
    }
    config = json.loads((tmp_path / "config.json").read_text())
    for size in config["grid"]["spectrogram_size"]:
        for split in ("development", "evaluation"):
            assert f"features/{size}/{split}/index.json" in keys
    assert {"export/manifest.json", "export/saved_model.pb"} <= keys
    entries = list(read_entries(tmp_path / "trials.jsonl"))
    assert entries
    for entry in entries:
        assert entry.result.status == "completed", entry.result
