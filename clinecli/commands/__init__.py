"""One module per command: frozen options in, exit status out."""
