"""Accuracy predicted from tables of trained networks; see `docs/accuracy.md`."""

from nas.accuracy.model import AccuracyModel, Prediction
from nas.accuracy.table import AccuracyTable, TableRow, read_accuracy_table, write_rows

__all__ = [
    "AccuracyModel",
    "AccuracyTable",
    "Prediction",
    "TableRow",
    "read_accuracy_table",
    "write_rows",
]
