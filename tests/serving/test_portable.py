"""Portable networks have no operation of a GPU library."""

import pytest
from tensorflow.core.protobuf import saved_model_pb2

from audiotag_nas.serving import portable
from audiotag_nas.serving.export import ExportError, check_operations


def test_an_operation_without_a_cpu_kernel_is_found(tmp_path):
    graph = saved_model_pb2.SavedModel()
    node = graph.meta_graphs.add().graph_def.library.function.add()
    node.node_def.add(name="gru", op="CudnnRNNV3")
    (tmp_path / "saved_model.pb").write_bytes(graph.SerializeToString())
    path = tmp_path / "saved_model.pb"
    assert portable.operations_without_cpu(path) == ["CudnnRNNV3"]
    with pytest.raises(ExportError, match="CudnnRNNV3"):
        check_operations(tmp_path)


def test_a_portable_copy_does_not_use_cudnn(exported):
    copy = portable.portable_copy(exported.model)
    bgru = copy.get_layer("bgru")
    assert bgru.forward_layer.use_cudnn is False
    assert bgru.backward_layer.use_cudnn is False
