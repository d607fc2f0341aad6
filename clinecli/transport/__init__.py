"""One call under one deadline."""
