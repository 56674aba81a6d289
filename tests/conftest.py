"""What every test shares: a quiet backend, and no study left behind."""

from __future__ import annotations

import os

from hypothesis import settings

# Before any import of TensorFlow: its notices are no test's result.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# No test is timed: on a busy machine any example may take long.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
