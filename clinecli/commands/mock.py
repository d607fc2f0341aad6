"""`mock`: a local double of the API."""

from clinecli.mock import run

__all__ = ["run"]
