"""The runner: times ONNX models through onnxruntime, for `nas measure` here and on devices.

These modules need Python 3.8, numpy and onnxruntime, but nothing else of this package. A bundle has
them as one file, `measure.pyz`, next to its models; hence the relative imports.
"""
