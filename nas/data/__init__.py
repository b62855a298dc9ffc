"""Data sets and their readers, one a file; each module of this package registers its own."""

from importlib import import_module
from pkgutil import iter_modules

from nas.data.dataset import DataSet, Images
from nas.data.registry import READERS, Reader, load_data, reader

__all__ = ["READERS", "DataSet", "Images", "Reader", "load_data", "reader"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
