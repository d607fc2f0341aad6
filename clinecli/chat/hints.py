"""Hints that fit who was asked, by which command: what is true of the Cline API alone is said of it
alone."""

from __future__ import annotations

from typing import NamedTuple

from clinecli.chat.endpoints import CHAT
from clinecli.errors import (
    AuthError,
    ClinecliError,
    Code,
    CreditError,
    IncompleteError,
    RejectedError,
)

_CLINE = "app.cline.bot"
_FREE = "cline-free/"
# Hints of flags that only `ask` and `stream` have, and what to do in their place.
_OTHER_COMMANDS = {
    RejectedError.default_hint: "check the base URL: `clinecli doctor` looks at the API",
    IncompleteError.default_hint: "run it again; if it persists, run `clinecli doctor`",
}


class Asked(NamedTuple):
    """What hints depend on. `path` is below the base URL; `key_source` says where the key came
    from, and is empty where there was none."""

    base_url: str
    command: str = "ask"
    path: str = ""
    model: str = ""
    key_source: str = ""


def fit(error: ClinecliError, asked: Asked) -> ClinecliError:
    """The same error with hints that fit what was asked."""
    hints = [_fitting(hint, error, asked) for hint in error.hints]
    hints += _more(error, asked)
    message = error.message
    if error.http_status == 404 and asked.path:
        message = f"{asked.base_url}{asked.path}: {message}"
    if (message, tuple(hints)) == (error.message, error.hints):
        return error
    return error.but(message=message, hints=tuple(dict.fromkeys(hints)))


def _fitting(hint: str, error: ClinecliError, asked: Asked) -> str:
    if asked.command not in {"ask", "stream"}:
        hint = _OTHER_COMMANDS.get(hint, hint).replace("the model (-m) and ", "")
    if _CLINE not in hint or _is_cline(asked.base_url):
        return hint
    host = _host(asked.base_url)
    if error.code is Code.NO_KEY:
        local = "any key will do: CLINE_API_KEY=none"
        return local if _is_local(host) else f"set CLINE_API_KEY to a key of {host}"
    if isinstance(error, AuthError) and error.http_status == 401:
        return f"check the key: it has to be one of {host}"
    if isinstance(error, AuthError | CreditError):
        return f"look at the account with {host}, or ask who runs it"
    return ""


def _more(error: ClinecliError, asked: Asked) -> list[str]:
    hints = []
    if error.http_status == 401 and asked.key_source:
        hints.append(f"the key came from {asked.key_source}")
    if error.code is Code.UNKNOWN_MODEL and asked.model.startswith(_FREE):
        hints.append(
            f"models of {_FREE} are there while a promotion lasts: "
            "`clinecli models --free` lists what is free now"
        )
    is_answered = error.http_status is not None or error.code is Code.NOT_THE_API
    if is_answered and asked.base_url.endswith(CHAT):
        hints.append(f"leave {CHAT} out of the base URL: it is added")
    return hints


def _host(base_url: str) -> str:
    """The host of a base URL, without its port."""
    from urllib.parse import urlsplit

    return urlsplit(base_url).hostname or base_url


def _is_cline(base_url: str) -> bool:
    host = _host(base_url)
    return host == "cline.bot" or host.endswith(".cline.bot")


def _is_local(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.") or host.endswith(".localhost")
