"""`doctor`: what is wrong, in order, with the remedy."""

from clinecli.doctor import run

__all__ = ["run"]
