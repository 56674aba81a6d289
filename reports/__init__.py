"""Read study folders and write reports about them.

Notebooks use `open_study`, `ranked`, `verdicts` and `draw`; see `reports.notebook`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.notebook import draw, open_study, ranked, verdicts

__all__ = ["draw", "open_study", "ranked", "verdicts"]


def __getattr__(name: str) -> Any:
    """Load the notebook functions on first use, because pandas takes a second."""
    if name not in __all__:
        raise AttributeError(f"module 'reports' has no attribute {name!r}")
    from reports import notebook

    return getattr(notebook, name)
