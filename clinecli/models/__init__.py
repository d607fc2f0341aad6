"""The list of models: read, filtered, cached."""
