"""Data sets and their readers, one a file; each module of this package registers its own."""

from nas.data.dataset import DataSet, Images
from nas.data.registry import READERS, Reader, find_reader, load_data, reader
from nas.support.registry import load_modules

__all__ = ["READERS", "DataSet", "Images", "Reader", "find_reader", "load_data", "reader"]

load_modules(__name__, __path__)
