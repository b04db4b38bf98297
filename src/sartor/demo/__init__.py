"""``sartor demo``: a shop's data, a server, and the imports, as a stranger's own script would do them."""
