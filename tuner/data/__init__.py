"""Images and labels: named datasets, .npz files and folders, split and cached."""
