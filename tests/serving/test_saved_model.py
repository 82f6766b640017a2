"""Loading SavedModels that are damaged or lack an endpoint."""

import pytest
import tensorflow as tf

from audiotag_nas.errors import StoreError
from audiotag_nas.serving.model_directory import read_manifest
from audiotag_nas.serving.saved_model import load_saved_model
from audiotag_nas.serving.tagger import Tagger
from tests.serving.conftest import change_manifest, entry_of


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("saved_model.pb", lambda data: b"no protocol buffer"),
        ("saved_model.pb", lambda data: b""),
        ("saved_model.pb", lambda data: data[: len(data) // 2]),
        ("variables/variables.index", lambda data: b"x" * 301),
    ],
)
def test_a_damaged_model_with_a_matching_digest_is_one_line(
    copy, name, damage, run_tool
):
    (copy / name).write_bytes(damage((copy / name).read_bytes()))
    change_manifest(
        copy, lambda v: v["files"].update({name: entry_of(copy / name)})
    )
    read_manifest(copy)
    with pytest.raises(StoreError) as refused:
        Tagger.load(copy)
    assert str(refused.value).startswith(f"{copy}: can't be loaded by Tensor")
    assert str(refused.value).endswith(". Export the model again.")
    assert "\n" not in str(refused.value)
    if damage(b"") == b"no protocol buffer":
        done = run_tool("tag", f"--model={copy}", "x.wav")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"error: {refused.value}\n"


def test_a_saved_model_of_another_kind_is_named(copy, tmp_path):
    class Other(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, None))])
        def serve(self, waveform):
            scores = tf.zeros((tf.shape(waveform)[0], 2))
            return {"clip_scores": scores, "frame_scores": scores[:, None]}

    for endpoints, message in (
        ((), r"must have the endpoint 'serve'"),
        (("serve",), r"must have the endpoint 'log_mel'"),
        (("serve", "log_mel"), r"clip_scores must be 3 scores.* \(None, 2\)"),
    ):
        module = Other() if endpoints else tf.Module()
        if "log_mel" in endpoints:
            module.log_mel = module.serve
        directory = tmp_path / f"other{len(endpoints)}"
        tf.saved_model.save(
            module, str(directory), signatures=getattr(module, "serve", None)
        )
        with pytest.raises(StoreError, match=message):
            load_saved_model(directory, shown=directory, num_tags=3)
