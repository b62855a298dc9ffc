"""Property tests draw the same examples in every run; torch uses one core."""

import os

from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("nas", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("nas")
