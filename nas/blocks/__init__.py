"""Block kinds, one family a file; every module of this package registers its own."""

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
from nas.support.registry import load_modules

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

load_modules(__name__, __path__)
