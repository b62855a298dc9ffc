"""Charts: each described once as plain data, drawn as SVG for a page or by matplotlib for a file."""

from nas.charts.chart import XY, Bars, Chart, Matrix, Series

__all__ = ["XY", "Bars", "Chart", "Matrix", "Series"]
