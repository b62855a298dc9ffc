"""Times ONNX models through onnxruntime: what `nas measure` runs here, and copies to devices.

These modules need Python 3.8, numpy and onnxruntime, and nothing else of this package, hence the
relative imports: a bundle has them as one file, `measure.pyz`, next to its models.
"""
