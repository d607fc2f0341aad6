"""Hints that fit the server, the command and the key. Pure."""

from __future__ import annotations

import re

from clinecli.config.base_url import BaseUrl
from clinecli.config.host import is_loopback
from clinecli.errors import AuthError, ClinecliError, Code

_CLINE = "cline.bot"
# The part of a hint that holds for Cline's own servers alone.
_CLINE_ONLY = re.compile(
    r"(?P<verb>:(?: see| create (?:one|a key) at)?| at) https://app\.cline\.bot"
    r"(?:, Settings > API Keys)?"
)
# Ids of a promotion: unknown once it is over.
_FREE = "cline-free/"
_ANY_KEY = "any key will do: CLINE_API_KEY=none"


def fit_hints(
    error: ClinecliError,
    base_url: BaseUrl,
    *,
    path: str = "",
    key_source: str = "",
    model: str = "",
    has_preview: bool = True,
) -> ClinecliError:
    """The error with hints that fit a call of `path` below `base_url`.

    A refused key is named by where it came from, what was not found by its URL, if `path` is
    given. A `model` whose promotion is over is told. Where there is no `--dry-run`, none is
    advised.
    """
    hints = [hint for hint in error.hints if has_preview or "--dry-run" not in hint]
    if not is_cline(base_url):
        hints = [fit_hint(hint, base_url) for hint in hints]
        if error.code is Code.NO_KEY and is_loopback(base_url.host):
            hints = [_ANY_KEY]
    if isinstance(error, AuthError) and key_source:
        hints.append(f"the key is from {key_source}")
    if error.code is Code.UNKNOWN_MODEL and model.startswith(_FREE):
        hints.append(
            f"models of {_FREE} are there while a promotion lasts: `clinecli models --free` "
            "lists what is free now"
        )
    if error.http_status == 404 and path:
        hints.append(f"what was not found is {base_url}{path}")
    return error if tuple(hints) == error.hints else error.but(hints=tuple(hints))


def fit_hint(hint: str, base_url: BaseUrl) -> str:
    """A hint that sends nobody to Cline who asks another server."""
    if is_cline(base_url):
        return hint
    if is_loopback(base_url.host):
        return _CLINE_ONLY.sub("", hint)

    def operator(match: re.Match[str]) -> str:
        verb = match["verb"]
        return f"{': ask' if verb in {':', ': see'} else verb} the operator of {base_url.host}"

    return _CLINE_ONLY.sub(operator, hint)


def is_cline(base_url: BaseUrl) -> bool:
    """Whether it is a server of Cline's own."""
    host = base_url.host.removesuffix(".")
    return host == _CLINE or host.endswith(f".{_CLINE}")
