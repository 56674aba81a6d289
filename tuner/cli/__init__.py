"""The `tune` command: its options, its terminal, its exit codes."""

import tuner

tuner.claim("reports")
