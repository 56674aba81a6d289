"""The workers that train: processes on this machine, or actors on a Ray cluster."""
