"""What kernels cost: features, regression, corrections, and the error."""
