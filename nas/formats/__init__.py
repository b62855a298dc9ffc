"""Files of other programs: ONNX, quantised and verified."""
