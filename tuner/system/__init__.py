"""This machine, its files and its signals. Nothing here knows about trials."""
