"""What can be searched: configs, the networks they mean, and the spaces."""
