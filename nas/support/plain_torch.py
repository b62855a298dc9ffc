"""Torch as a new process has it, whatever the program around has set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

CPU = torch.device("cpu")


@contextmanager
def plain_torch() -> Iterator[None]:
    """A context in which torch works in float32 on the CPU, without autocast and with gradients;
    then it is again as it was. It decorates functions too.

    A program's own default dtype, default device, autocast, `no_grad` and `inference_mode` would
    else change scores and weights, or end a training.
    """
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    with ExitStack() as stack:
        stack.callback(torch.set_default_dtype, dtype)
        torch.set_default_dtype(torch.float32)
        if device != CPU:  # the context makes each call of torch slower
            stack.enter_context(CPU)
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        yield
