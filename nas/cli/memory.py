"""Too little memory is told before torch is loaded: it would end the process without a line."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

# What torch with an export takes of a process' address space on two cores: where less is left, the
# threads of torch and OpenBLAS abort the process (std::bad_alloc) at one size or another.
TORCH_BYTES = 3 << 28


class _RoomForTorch(MetaPathFinder):
    """Finds no module. Errors: `ImportError` for a torch that there is no room for, as where a
    library cannot be loaded: unlike a `MemoryError` it is no fault of the candidate at hand."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "torch" and (left := _left()) is not None and left < TORCH_BYTES:
            raise ImportError(f"cannot allocate memory: torch needs {TORCH_BYTES} bytes")


def watch_memory() -> None:
    """Looks at every import of this process from now on, where its address space has a limit."""
    if _left() is not None and not any(isinstance(f, _RoomForTorch) for f in sys.meta_path):
        sys.meta_path.insert(0, _RoomForTorch())


def _left() -> int | None:
    """The bytes of address space that this process may still take; None where nothing says so."""
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return None
    return None if limit == resource.RLIM_INFINITY else limit - used
