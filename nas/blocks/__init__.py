"""Block kinds, one family a file; every module of this package registers its own."""

from importlib import import_module
from pkgutil import iter_modules

from nas.blocks.registry import (
    KINDS,
    Block,
    BlockKind,
    Layer,
    Settings,
    Value,
    block,
    block_graph,
    kind,
    make_divisible,
)

__all__ = [
    "KINDS",
    "Block",
    "BlockKind",
    "Layer",
    "Settings",
    "Value",
    "block",
    "block_graph",
    "kind",
    "make_divisible",
]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
