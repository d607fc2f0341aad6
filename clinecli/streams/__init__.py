"""Standard descriptors and the user's files."""
