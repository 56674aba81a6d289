"""Take a trial out of a study: a Keras file, a script, a snippet that loads it."""
