"""The pages: what they say, and the HTML they are written to."""
