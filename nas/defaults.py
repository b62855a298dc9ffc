"""What counts where nothing is said. Light to import: the command line's help shows most of it."""

from pathlib import Path

SPACE = "mobile"
TARGET = "cpu"
SAMPLER = "evolution"
OBJECTIVES = ("latency",)
TRIALS = 1000

STUDIES = Path("studies")  # where studies are kept, from the working directory
TARGETS = Path("latency_tables")  # where targets are sought and made, from the working directory
PRECISION = "fp32"
MEASURE_MINUTES = 9.0
VERIFY_MINUTES = 5.0
