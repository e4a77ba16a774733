"""What several tests use."""

import os

# Small tensors on few cores: more threads than that make the suite slower, not faster.
os.environ.setdefault("OMP_NUM_THREADS", "2")
