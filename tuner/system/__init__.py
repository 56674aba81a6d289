"""What this machine and its files are: nothing here knows of trials."""
