"""A study: its settings, its records on disk, and how its trials rank."""
