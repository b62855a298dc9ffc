"""Reports: one self-contained page about a study, a training or a comparison of studies."""
