"""Run a study: the search loop, the workers, the records and the `tune` command."""
