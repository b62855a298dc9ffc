"""Data sets and their readers, one a file; each module of this package registers its own."""

from nas.data.dataset import DataSet, Images
from nas.data.options import DataOptions, data_options
from nas.data.registry import (
    READERS,
    Reader,
    check_read_again,
    find_reader,
    load_again,
    load_data,
    reader,
)  # fmt: skip
from nas.support.registry import load_modules

__all__ = [
    "READERS", "DataOptions", "DataSet", "Images", "Reader", "check_read_again", "data_options",
    "find_reader", "load_again", "load_data", "reader",
]  # fmt: skip

load_modules(__name__, __path__)
