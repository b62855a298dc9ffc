"""An imported network in torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nas.imported import ImportedNetwork
from nas.support.errors import NasError
from nas.support.plain_torch import plain_torch
from nas.torch_module import GraphModule


class ImportedModule(GraphModule):
    """Takes (N, C, H, W) and gives a tensor for each output, shaped as the file says, with those of
    N images in its first dimension; the tensor itself where there is one."""

    def __init__(self, network: ImportedNetwork) -> None:
        super().__init__(network.graph())
        self._shapes = [dims[1:] for _, dims in network.outputs]

    def forward(self, x: Tensor) -> Any:
        made = super().forward(x)
        results = made if isinstance(made, tuple) else (made,)
        shaped = [r.reshape(-1, *s) for r, s in zip(results, self._shapes, strict=True)]
        return shaped[0] if len(shaped) == 1 else tuple(shaped)


@plain_torch()
def imported_module(network: ImportedNetwork) -> ImportedModule:
    """The module, in evaluation mode. Errors: `NasError` where an operation was not read."""
    if network.unread:
        named = ", ".join(f"{count} {name}" for name, count in network.unread.items())
        raise NasError(f"{network.name}: it cannot be run: {named} were not read")
    module = ImportedModule(network)
    state = {name: torch.tensor(value) for name, value in network.weights.items()}
    missing, _ = module.load_state_dict(state, strict=False)
    assert not [name for name in missing if not name.endswith("num_batches_tracked")], missing
    return module.eval()
