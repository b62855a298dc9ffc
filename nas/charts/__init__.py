"""Charts: each described once as plain data, drawn as SVG in a page or by matplotlib in a file."""

from nas.charts.chart import XY, Bars, Chart, Matrix, Series

__all__ = ["XY", "Bars", "Chart", "Matrix", "Series"]
