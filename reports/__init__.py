"""Read study folders and write pages about them.

`open_study`, `ranked`, `verdicts` and `draw` are for notebooks; see `reports.notebook`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.notebook import draw, open_study, ranked, verdicts

__all__ = ["draw", "open_study", "ranked", "verdicts"]


def __getattr__(name: str) -> Any:
    """Load the notebook's functions once they are asked for: pandas takes a second."""
    if name not in __all__:
        raise AttributeError(f"module 'reports' has no attribute {name!r}")
    from reports import notebook

    return getattr(notebook, name)
