"""Graph to ONNX, written directly: norms folded into convolutions, named input and output.

Nothing here needs torch: with a module, its state is read by parameter name; without one the
weights are random, which is all that a latency measurement needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper

from nas.architecture import Architecture, check_architecture
from nas.formats.folding import State
from nas.formats.onnx_nodes import NodeWriter
from nas.graph import Graph
from nas.support.errors import check_seed, check_whole

if TYPE_CHECKING:
    from torch import nn

OPSET = 13  # read by the runtimes of 2021 already: onnxruntime since 1.7


def to_onnx(
    arch: Architecture,
    module: nn.Module | None = None,
    *,
    dynamic_batch: bool = False,
    metadata: Mapping[str, str] | None = None,
    seed: int = 0,
    opset: int = OPSET,
) -> onnx.ModelProto:
    """An ONNX model: input `image` (N, C, H, W) float32, output `logits` (N, classes).

    With `module` (of `nas.build`) its weights, otherwise random ones of `seed`. N is 1 unless
    `dynamic_batch`. The architecture's JSON is always among the model's metadata. `opset` is the
    lowest that holds every network unless a higher one is asked for. Errors: `NasError` for one
    that the installed onnx does not know, and for a module of another network.
    """
    check_architecture(arch, "to_onnx")
    state = None
    if module is not None:
        from nas.torch_module import exported_state

        state = exported_state(arch, module)
    model = graph_to_onnx(arch.graph(), state, dynamic_batch=dynamic_batch, seed=seed, opset=opset)
    helper.set_model_props(model, {"architecture": arch.to_json(), **(metadata or {})})
    return model


def check_opset(opset: int | None) -> int:
    """The opset itself, `OPSET` for None. Errors: `NasError` for one that cannot be written."""
    if opset is None:
        return OPSET
    newest = onnx.defs.onnx_opset_version()
    return check_whole(opset, "opset", OPSET, newest)


def graph_to_onnx(
    graph: Graph,
    state: State | None = None,
    *,
    dynamic_batch: bool = False,
    seed: int | None = 0,
    opset: int = OPSET,
) -> onnx.ModelProto:
    """The model of any graph. `state` holds arrays under torch's parameter names; without it the
    weights are random, or zeros if there is no seed. Errors: as `to_onnx`."""
    rng = None if seed is None else np.random.default_rng(check_seed(seed))
    writer = NodeWriter(graph, state, rng, check_opset(opset))
    for i in range(1, len(graph.nodes)):
        writer.node(i)
    batch: int | str = "batch" if dynamic_batch else 1
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, *graph.input_shape])
    results: list[onnx.ValueInfoProto] = []
    for i in (graph.output, *graph.others):
        name = f"logits{len(results) + 1}" if results else "logits"
        writer.op("Flatten", [writer.names[i]], name, axis=1)
        shape = [batch, prod(graph.nodes[i].shape)]
        results.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    body = helper.make_graph(writer.nodes, "network", [image], results, writer.weights)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(
        body,
        opset_imports=opsets,
        producer_name="hw-nas",
        ir_version=helper.find_min_ir_version_for(opsets),
    )
