"""Read study folders and write pages about them."""
