"""The Cline API for shells and CI: text in, text out."""

__version__ = "0.1.0"
