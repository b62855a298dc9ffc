"""What holds where nothing is said. Light to import: the command line shows it in its help."""

from pathlib import Path

DEFAULT_SPACE = "mobile"
DEFAULT_TARGET = "cpu"
DEFAULT_SAMPLER = "evolution"
DEFAULT_OBJECTIVES = ("latency",)
DEFAULT_TRIALS = 5000
PROXY_TRIALS = 1000  # by proxies, which take a hundred times as long
DEFAULT_PROXIES = ("meco_sampled", "patch_expressivity", "effective_params", "synflow")
DEFAULT_PRECISION = "fp32"
DEFAULT_RUNTIME = "onnxruntime"
MEASURE_MINUTES = 9.0
QUICK_MINUTES = 2.0
VERIFY_MINUTES = 5.0

# In the working directory.
STUDIES_FOLDER = "studies"
TARGETS_FOLDER = Path("latency_tables")
