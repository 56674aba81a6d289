"""A search from its plan to its end: opening, planning, the loop, the deadline."""
