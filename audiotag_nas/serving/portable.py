"""Copies networks so that their graphs run on a CPU.

On a machine with a GPU, the GRU of Keras becomes a cuDNN operation, which no
CPU can run.
"""

from collections.abc import Iterator
from pathlib import Path

import keras
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import kernels


def portable_copy(model: keras.Model) -> keras.Model:
    """Returns a copy without cuDNN operations or distributed variables."""
    copy = keras.models.clone_model(model)
    for layer in copy.layers:
        if isinstance(layer, keras.layers.Bidirectional):
            layer.forward_layer.use_cudnn = False
            layer.backward_layer.use_cudnn = False
        elif isinstance(layer, keras.layers.GRU | keras.layers.LSTM):
            layer.use_cudnn = False
    copy.set_weights(model.get_weights())
    return copy


def operations_without_cpu(path: Path) -> list[str]:
    """Returns the operations of a `saved_model.pb` that a CPU can't run.

    Such an operation has no CPU kernel, or all its nodes are bound to a GPU.
    """
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString(path.read_bytes())
    found: set[str] = set()
    for meta_graph in saved_model.meta_graphs:
        graph = meta_graph.graph_def
        functions = {f.signature.name for f in graph.library.function}
        nodes = list(_all_nodes(graph))
        movable = {node.op for node in nodes if "GPU" not in node.device}
        found |= {node.op for node in nodes} - movable
        found |= {op for op in movable - functions if not _has_cpu_kernel(op)}
    return sorted(found)


def _has_cpu_kernel(operation: str) -> bool:
    registered = kernels.get_registered_kernels_for_op(operation).kernel
    return any(k.device_type in ("CPU", "DEFAULT") for k in registered)


def _all_nodes(graph: graph_pb2.GraphDef) -> Iterator:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def
