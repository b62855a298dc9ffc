"""Graph to torch: an `nn.Module` with readable parameter names.

`build(arch).stages[2][0].expand.conv.weight` is the weight of the convolution called `expand` in
the first row of the third stage.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from nas.architecture import Architecture, Rows, check_architecture
from nas.branches import State, deployed_state
from nas.graph import Graph, Node, Shape
from nas.support.errors import NasError, check_seed, check_type
from nas.support.plain_torch import plain_torch
from nas.torch_operations import template

COUNTED = ".num_batches_tracked"  # of a norm: no weight, and not in every file


class GraphModule(nn.Module):
    """Executes a graph node by node; every operation is a submodule under its node's name.

    Gives the result; a tuple of all results where there are several.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.outputs = (graph.output, *graph.others)
        self._plan: list[tuple[str, tuple[int, ...]]] = []
        self._free: list[tuple[int, ...]] = []
        last_use = {j: i for i, node in enumerate(graph.nodes) for j in node.inputs}
        for i, node in enumerate(graph.nodes[1:], start=1):
            self.add_module(node.name, _operation(node, graph.nodes[node.inputs[0]].shape))
            self._plan.append((node.name, node.inputs))
            unused = {j for j in node.inputs if last_use[j] == i and j not in self.outputs}
            self._free.append(tuple(unused))

    def forward(self, x: Tensor) -> Any:
        values: list[Tensor | None] = [x]
        for (name, inputs), free in zip(self._plan, self._free, strict=True):
            values.append(self._modules[name](*[values[i] for i in inputs]))  # type: ignore[misc]
            for i in free:
                values[i] = None
        results = tuple(values[i] for i in self.outputs)
        return results if len(results) > 1 else results[0]


class Network(nn.Module):
    """The module of an architecture: `stem`, `stages` and `head` of `GraphModule` rows.

    Takes (N, channels, H, W) and gives (N, classes).
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        modules = (GraphModule(graph) for _, graph in arch.row_graphs())

        def part(rows: Rows) -> nn.Sequential:
            return nn.Sequential(*islice(modules, len(rows)))

        self.stem = part(arch.stem)
        self.stages = nn.Sequential(*[part(stage) for stage in arch.stages])
        self.head = part(arch.head)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.stages(self.stem(x)))
        return logits.flatten(1)


@plain_torch()
def build(arch: Architecture, seed: int | None = None) -> Network:
    """A freshly initialised module: He initialisation by fan-out, the classifier N(0, 0.01).

    Its parameters are float32 on the CPU and can be trained, whatever torch's defaults are. With a
    `seed` they are reproducible and torch's global generator is left as it was.
    """
    check_architecture(arch, "build")
    if seed is None:
        return _initialise(Network(arch))
    seed = check_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the GPUs' stay as they are
        return _initialise(Network(arch))


@plain_torch()
def exported_state(arch: Architecture, module: nn.Module) -> State:
    """The weights of an architecture's module as it is exported, by parameter name.

    Errors: `NasError` for a module of another architecture or of another number of classes.
    """
    check_type(module, "module", "a torch module, as nas.build makes", nn.Module)
    state = deployed_state(module)
    own, given = (
        {name: value for name, value in one.items() if not name.endswith(COUNTED)}
        for one in (deployed_state(Network(arch)), state)
    )
    if odd := own.keys() ^ given.keys():
        name = min(odd)
        what = f"has no {name}" if name in own else f"has {name}, which the architecture has not"
        raise NasError(f"the module is no network of this architecture: it {what}")
    for name, value in own.items():
        if given[name].shape != value.shape:
            raise NasError(
                f"{name} is of shape {given[name].shape} in the module, but of {value.shape} in "
                "the architecture"
            )
    return state


def _initialise(network: Network) -> Network:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return network


def _operation(node: Node, input_shape: Shape) -> nn.Module:
    """The submodule of one node; a convolution with norm or activation is a small Sequential."""
    if node.op == "conv" and not node.branches:  # one template for every size and all channels
        one = node._replace(name="", inputs=(), shape=(1, 1, 1), groups=1)
        return _sized(_fresh(template(one, (1, 1, 1))), node, input_shape[0])
    return _fresh(template(node._replace(name="", inputs=()), input_shape))


def _fresh(module: nn.Module) -> nn.Module:
    """A copy with parameters and buffers of its own; what has no memory yet gets it.

    Building a module by its constructor takes six times as long.
    """
    copy = object.__new__(type(module))
    for name, value in vars(module).items():
        if isinstance(value, dict | set):
            value = value.copy() if value else type(value)()
        vars(copy)[name] = value
    for name, p in module._parameters.items():
        if p is not None:
            value = torch.empty(p.shape) if p.is_meta else p.detach().clone()
            copy._parameters[name] = nn.Parameter(value)
    for name, buffer in module._buffers.items():
        copy._buffers[name] = None if buffer is None else buffer.clone()
    for name, child in module._modules.items():
        copy._modules[name] = None if child is None else _fresh(child)
    return copy


def _sized(chain: nn.Module, node: Node, channels: int) -> nn.Module:
    """A convolution of one channel, with its norm, given the channels of a node; it has no values
    yet, the norm those of a fresh one."""
    conv, norm = chain._modules["conv"], chain._modules.get("norm")
    out = node.shape[0]
    assert isinstance(conv, nn.Conv2d)
    conv.in_channels, conv.out_channels, conv.groups = channels, out, node.groups
    conv.weight = nn.Parameter(torch.empty(out, channels // node.groups, *node.kernel))
    if node.bias:
        conv.bias = nn.Parameter(torch.empty(out))
    if isinstance(norm, nn.BatchNorm2d):
        norm.num_features = out
        norm.weight, norm.bias = nn.Parameter(torch.ones(out)), nn.Parameter(torch.zeros(out))
        norm.running_mean, norm.running_var = torch.zeros(out), torch.ones(out)
    return chain
