"""`Trace`: the layers of one forward pass of any module, written with submodules or functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.overrides import TorchFunctionMode

from nas.proxies.layers import ACTIVATION, CONV, GATE, LINEAR, MULTIPLY, NORM, OTHER, Layer

ACTIVATIONS = {
    "relu", "relu6", "hardtanh", "hardswish", "silu", "gelu", "leaky_relu", "elu", "selu", "celu",
    "prelu", "rrelu", "mish", "softplus", "tanh", "clamp", "clip", "clamp_min",
}  # fmt: skip
GATES = {"sigmoid", "hardsigmoid"}
NORMS = {"batch_norm", "group_norm", "layer_norm", "instance_norm", "local_response_norm"}
MULTIPLIES = {"mul", "multiply", "__mul__", "__rmul__", "__imul__"}
CONV_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")


def operation(function: Callable[..., Any]) -> str:
    """The operation, as in `layers`, of a torch function; its in-place form has the same one."""
    name = getattr(function, "__name__", "")
    bare = name if name.endswith("__") else name.rstrip("_")
    if name in ("conv2d", "linear"):
        return CONV if name == "conv2d" else LINEAR
    for op, names in ((ACTIVATION, ACTIVATIONS), (GATE, GATES), (NORM, NORMS)):
        if bare in names:
            return op
    return MULTIPLY if bare in MULTIPLIES else OTHER


def arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a convolution or linear call by name."""
    return {**dict(zip(CONV_ARGUMENTS, args, strict=False)), **kwargs}


class Trace(TorchFunctionMode):
    """The layers of a forward pass that runs inside this context, and their values.

    `values[i]` is the result of layer i as it was when made, even if a later layer overwrote it;
    `edges[i]` is the edge of autograd's graph that carries its gradient.
    """

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.layers: list[Layer] = [Layer(OTHER, (), tuple(x.shape[1:]))]
        self.values: list[Tensor] = [x]
        self.edges: list[GradientEdge | None] = [None]
        self._tensors: list[Tensor] = [x]  # keeps them alive, so that an id stays one tensor's
        self._index = {id(x): 0}
        self.end = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        inputs = tuple(dict.fromkeys(self._sources((*args, *kwargs.values()))))
        if not inputs:
            return func(*args, **kwargs)
        self._save_what_is_overwritten(func, args, kwargs)
        result = func(*args, **kwargs)
        op, weight = operation(func), ()
        if op in (CONV, LINEAR):
            weight = tuple(arguments(args, kwargs)["weight"].shape)
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor) and tensor.is_floating_point():
                self._add(Layer(op, inputs, tuple(tensor.shape[1:]), weight), tensor)
        return result

    def _add(self, layer: Layer, tensor: Tensor) -> None:
        self._index[id(tensor)] = len(self.layers)
        self.layers.append(layer)
        self.values.append(tensor.detach())
        self.edges.append(get_gradient_edge(tensor) if tensor.requires_grad else None)
        self._tensors.append(tensor)

    def _sources(self, values: Any) -> Iterator[int]:
        for value in values:
            if isinstance(value, Tensor):
                if id(value) in self._index:
                    yield self._index[id(value)]
            elif isinstance(value, tuple | list):
                yield from self._sources(value)

    def _save_what_is_overwritten(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        name = getattr(func, "__name__", "")
        writes = (name.endswith("_") and not name.endswith("__")) or name.startswith("__i")
        if not (writes or kwargs.get("inplace") or name == "__setitem__") or not args:
            return
        storage = args[0].untyped_storage().data_ptr()
        for i, value in enumerate(self.values):
            if value.untyped_storage().data_ptr() == storage:
                self.values[i] = value.clone()

    def finish(self, output: Any) -> None:
        """Notes which layer's result is the module's output. Errors: `ValueError` where none is."""
        if not isinstance(output, Tensor):
            raise ValueError(f"the module gives {type(output).__name__}, not a tensor")
        if id(output) not in self._index:
            raise ValueError("the output does not depend on the input")
        self.end = self._index[id(output)]

    def tensor(self, i: int) -> Tensor:
        """The result of layer i, connected to autograd's graph."""
        return self._tensors[i]
