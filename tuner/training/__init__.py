"""Train one config with one seed, on any Keras backend."""
