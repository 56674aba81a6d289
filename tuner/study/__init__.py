"""A study: its settings, its records on disk, and the ranking of its trials."""
