"""The table of commands and flags, and what is derived from it."""
