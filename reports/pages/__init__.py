"""The HTML reports and the sentences in them."""
