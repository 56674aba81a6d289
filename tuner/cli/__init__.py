"""The `tune` command: its options, its terminal, its exit codes."""

from tuner.system import siblings

siblings.claim("reports")
