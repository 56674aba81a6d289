"""Run a study: the search loop, the workers, the records and the `tune` command."""

from tuner.system import siblings

siblings.claim("search_spaces")
