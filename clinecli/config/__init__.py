"""Flags, environment and config file to frozen settings; keys; base URL; proxy."""
