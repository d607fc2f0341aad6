"""Hooks for pre-commit: a draft of the commit message, and a review of what is staged."""
