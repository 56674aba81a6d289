"""What every test shares: a quiet backend, and no study left behind."""

from __future__ import annotations

import os

# Before any import of TensorFlow: its notices are no test's result.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
