"""Studies as tidy pandas frames, read from disk; nothing here needs Keras."""
