"""Sharding proven on real engines: `python -m tests.engines` (not part of the test suite)."""
