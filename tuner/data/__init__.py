"""Images and labels: load, split and cache datasets, .npz files and folders."""
