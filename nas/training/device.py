"""Where a training runs, and how it gives the same numbers again there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from nas.support.errors import NasError

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"


def device_of(name: str | None) -> torch.device:
    """The device of that name; without one a GPU if there is one. Errors: `NasError` for a device
    that is none of those here."""
    # With an old driver devices are counted that cannot be used.
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name is None:
        return torch.device("cuda" if count else "cpu")
    here = ["cpu", *["cuda"] * bool(count), *(f"cuda:{i}" for i in range(count))]
    if name not in here:
        raise NasError(f"device {name!r:.60} cannot be used: torch has here {', '.join(here)}")
    return torch.device(name)


@contextmanager
def deterministic() -> Iterator[None]:
    """A context in which the same seed gives the same numbers on one device. Torch warns about
    operations that cannot."""
    own = CUBLAS not in os.environ
    os.environ.setdefault(CUBLAS, ":4096:8")  # cuBLAS asks for it
    before = torch.are_deterministic_algorithms_enabled()
    warning = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False  # slow, and nothing here reads such memory
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warning)
        memory.fill_uninitialized_memory = fill
        if own:
            os.environ.pop(CUBLAS, None)
