"""A file's weights matched to a network by execution order and shape, not by a table of names.

A file's modules of one shape are taken in the file's order as the network's nodes of that shape
come.
"""

from __future__ import annotations

import re
from itertools import takewhile

import torch
from torch import Tensor, nn

from nas.architecture import Architecture
from nas.branches import Branches
from nas.formats.folded import fold_norm
from nas.formats.weight_files import Module, WeightFile, natural, squeezed
from nas.graph import Node
from nas.support.errors import NasError
from nas.torch_module import Network

# What implementations call a residual unit's other branch, wherever they register it.
_SHORTCUT = re.compile(r"down|short|skip|identity", re.IGNORECASE)


class Matching:
    """Takes a file's modules as the nodes of a network come; `adapted` if one was not copied."""

    def __init__(self, file: WeightFile, norm_eps: float, new_classifier: bool) -> None:
        self.file, self.norm_eps, self.new_classifier = file, norm_eps, new_classifier
        self.unused, self.adapted = list(file.modules), False

    def fill(self, arch: Architecture, network: Network) -> None:
        """Writes the weights into the network. Errors: `NasError`."""
        graph = arch.graph()
        nodes = [n for n in graph.nodes if n.op in ("conv", "linear") or n.norm]
        first, last = nodes[0], nodes[-1]
        for node in nodes:
            bias = near = None
            if node.op in ("conv", "linear"):
                core = network.get_submodule(f"{node.name}.{node.op}")
                if isinstance(core, Branches):
                    self._fill_branches(node, core)
                    continue
                assert isinstance(core, nn.Conv2d | nn.Linear)
                if self.new_classifier and self._adapt(core, node is first, node is last):
                    continue
                shape = squeezed(core.weight.shape)
                if node.op == "linear" and not self._fitting("layer", shape):
                    # Some write one behind a map as a convolution whose window is the map.
                    shape = squeezed((shape[0], *graph.nodes[node.inputs[0]].shape))
                near = self._take("layer", shape, node, biased=core.bias is not None)
                core.weight.copy_(near.tensors["weight"].reshape(core.weight.shape))
                bias = self._bias(core, near)
            if node.norm:
                norm = network.get_submodule(f"{node.name}.norm")
                assert isinstance(norm, nn.BatchNorm2d)
                self._fill_norm(node, norm, near, bias)
            elif bias is not None and bias.any():
                assert near is not None
                raise self._misfit(f"{near.name}'s bias", tuple(bias.shape), node.name, ())
        if self.unused:
            left = self.unused[0]
            raise self._misfit(left.name, left.shape, "", ())

    def _fill_branches(self, node: Node, branches: Branches) -> None:
        """Writes the convolutions and norms as which one convolution is trained."""
        near: Module | None = None
        for part in branches.parts.values():
            conv, norm = part._modules.get("conv"), part._modules["norm"]
            if isinstance(conv, nn.Conv2d):
                near = self._take("layer", squeezed(conv.weight.shape), node, biased=False)
                if "bias" in near.tensors:
                    raise NasError(
                        f"{self.file.path}: {node.name} is trained as branches, whose weights the "
                        "file has not: give that of a training, or a network with branches: 0"
                    )
                conv.weight.copy_(near.tensors["weight"].reshape(conv.weight.shape))
            assert isinstance(norm, nn.BatchNorm2d)
            self._fill_norm(node, norm, near, None)

    def _bias(self, core: nn.Conv2d | nn.Linear, found: Module) -> Tensor | None:
        """Writes the bias, which may be missing; returns one that the network has no place for."""
        bias = found.tensors.get("bias")
        if core.bias is None:
            return bias
        core.bias.zero_()
        if bias is not None:
            core.bias.copy_(bias)
        return None

    def _adapt(self, core: nn.Conv2d | nn.Linear, first: bool, last: bool) -> bool:
        """Whether this is a classifier of other classes, which is left as it is. The file's first
        convolution is summed over its inputs where the network's has one."""
        shape = squeezed(core.weight.shape)
        layers = [m for m in self.unused if m.kind == "layer"]
        if first and core.weight.shape[1] == 1:
            coloured = (shape[0], 3, *shape[2:])
            for module in (m for m in layers if m.shape == coloured):
                module.tensors["weight"] = module.tensors["weight"].sum(1, keepdim=True)
                self.unused.remove(module)
                self.unused.insert(0, module)
                self.adapted = True
                return False
        if last and not any(m.shape == shape for m in layers):
            for module in reversed([m for m in layers if m.shape[1:] == shape[1:]]):
                self.unused.remove(module)
                self.adapted = True
                return True
        return False

    def _fill_norm(
        self, node: Node, norm: nn.BatchNorm2d, near: Module | None, bias: Tensor | None
    ) -> None:
        """Writes a norm; behind a layer whose bias has taken it in, one that adds the bias."""
        channels = (node.shape[0],)
        beside = [m for m in self._fitting("norm", channels) if near and _beside(m, near)]
        exact = self.file.path.suffix == ".onnx"
        folded = bias is not None and not (beside if exact else self._fitting("norm", channels))
        if folded:
            assert bias is not None
            fold_norm(norm, bias)
            return
        found = self._take("norm", channels, node, near)
        eps = self.norm_eps if found.eps is None else found.eps
        tensors = {"weight": torch.ones(channels), "bias": torch.zeros(channels), **found.tensors}
        tensors["running_var"] = tensors["running_var"] + (eps - norm.eps)
        if bias is not None:
            tensors["running_mean"] = tensors["running_mean"] - bias
        norm.load_state_dict(tensors, strict=False)

    def _fitting(self, kind: str, shape: tuple[int, ...]) -> list[Module]:
        return [m for m in self.unused if m.kind == kind and m.shape == shape]

    def _take(
        self,
        kind: str,
        shape: tuple[int, ...],
        node: Node,
        near: Module | None = None,
        biased: bool | None = None,
    ) -> Module:
        """The next module of that shape: of norms, of those nearest to the layer `near`; of layers,
        of those with or without a bias as in the network, and on a shortcut or not as there.

        Errors: `NasError` naming the file's next module where none fits, or two that might.
        """
        fitting = self._fitting(kind, shape)
        if not fitting:
            other = next((m for m in self.unused if m.kind == kind), None)
            raise self._misfit(
                other.name if other else "", other.shape if other else (), node.name, shape
            )
        if near is not None:
            nearest = max(_nearness(m, near) for m in fitting)
            fitting = [m for m in fitting if _nearness(m, near) == nearest]
        if biased is not None:
            fitting = [m for m in fitting if ("bias" in m.tensors) == biased] or fitting
        short = "shortcut" in node.name
        fitting = [m for m in fitting if bool(_SHORTCUT.search(m.name)) == short] or fitting
        chosen = fitting[0]
        for other in fitting[1:]:
            if not _comes_first(chosen, other, self.file.ordered):
                raise NasError(
                    f"{self.file.path}: {node.name} {shape} may be {chosen.name} or {other.name}: "
                    + (
                        "two branches of one unit with the same shapes"
                        if self.file.ordered
                        else "a file sorted by names does not say; give one that torch.save wrote"
                    )
                )
        self.unused.remove(chosen)
        return chosen

    def _misfit(
        self, name: str, shape: tuple[int, ...], node: str, wanted: tuple[int, ...]
    ) -> NasError:
        theirs = f"{name} {shape}" if name else "nothing left"
        ours = f"{node} {wanted or ''}".strip() if node else "nothing left"
        return NasError(
            f"{self.file.path}: not this network's: the file has {theirs} where the network has "
            f"{ours}"
        )


def _beside(one: Module, other: Module) -> bool:
    return one.path[:-1] == other.path[:-1]


def _nearness(one: Module, other: Module) -> tuple[bool, int]:
    """Whether two modules have one parent, and the number of parts their paths begin with alike."""
    pairs = zip(one.path, other.path, strict=False)
    return _beside(one, other), sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _comes_first(one: Module, other: Module, ordered: bool) -> bool:
    """Whether it is certain that `one` is executed first.

    The numbers in the first part in which two names differ tell, if that differs in nothing else.
    Otherwise an order of registration is that of execution, but for branches of one numbered unit.
    """
    for i, (a, b) in enumerate(zip(one.path, other.path, strict=False)):
        if a != b:
            numbered = re.sub(r"\d+", "#", a) == re.sub(r"\d+", "#", b) and natural(a) < natural(b)
            branches = i + 1 < min(len(one.path), len(other.path))
            in_unit = any(part[-1:].isdigit() for part in one.path[:i])
            return numbered or (ordered and not (branches and in_unit))
    return ordered
