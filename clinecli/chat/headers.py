"""Request headers that the user gives: for usage logs, and for gateways."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from clinecli.errors import UsageError
from clinecli.text import argument

# RFC 9110, section 5.6.2.
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# What a request is made of, and what another flag or the key decides.
_OURS = {
    "authorization": "the key goes into CLINE_API_KEY or a key file",
    "proxy-authorization": "put user and password into --proxy",
    **dict.fromkeys(
        (
            "accept-encoding",
            "connection",
            "content-encoding",
            "content-length",
            "content-type",
            "expect",
            "host",
            "keep-alive",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ),
        "clinecli sets it itself",
    ),
}
_HINT = "write it like -H 'X-Team: docs', or -H 'X-Api-Key: @FILE' for a secret"


class Header(NamedTuple):
    """One header. `file` is where its value was read from, `@FILE` for a file of headers: then
    it is a secret, and shown nowhere."""

    name: str
    value: str
    file: str = ""


def header_file(entry: str) -> str:
    """The file that a `--header` names (`@FILE` or `NAME: @FILE`); empty when it names none."""
    text = entry if entry.startswith("@") else entry.partition(":")[2].strip()
    return text[1:] if text.startswith("@") else ""


def parse_headers(entries: Sequence[str], files: Mapping[str, str]) -> tuple[Header, ...]:
    """`--header`: `NAME: VALUE`, `NAME: @FILE`, or `@FILE` with one header a line.

    `files` is the text of every file that `header_file` found. The last of a name counts. Raises
    `UsageError`, which quotes no value.
    """
    headers: dict[str, Header] = {}
    for entry in entries:
        for header in _of_entry(argument(entry, "--header"), files):
            headers.pop(header.name.lower(), None)
            headers[header.name.lower()] = header
    return tuple(headers.values())


def _of_entry(entry: str, files: Mapping[str, str]) -> list[Header]:
    path = header_file(entry)
    if entry.startswith("@"):
        lines = [line for line in files[path].splitlines() if line.strip()]
        pairs = [_split(line, f"a line of {path}") for line in lines]
        return [_checked(name, value, entry) for name, value in pairs]
    name, value = _split(entry, "--header")
    return [_checked(name, files[path].strip() if path else value, path)]


def _split(text: str, what: str) -> tuple[str, str]:
    name, separator, value = text.partition(":")
    if not separator:
        raise UsageError(f"{what} is not NAME: VALUE", hint=_HINT)
    return name.strip(), value.strip()


def _checked(name: str, value: str, path: str) -> Header:
    if not _NAME.fullmatch(name):
        raise UsageError(f"the header name {name[:100]!r} is not one", hint=_HINT)
    if name.lower() in _OURS:
        raise UsageError(f"--header cannot set {name}", hint=_OURS[name.lower()])
    if not value:
        raise UsageError(f"the header {name} is empty", hint=_HINT)
    if not value.isprintable():
        raise UsageError(
            f"the value of the header {name} has control characters", hint="a header is one line"
        )
    return Header(name, value, path)


def log_headers(referer: str | None, title: str | None) -> tuple[Header, ...]:
    """The API's optional headers for usage logs. Raises `UsageError`."""
    headers = []
    for name, given in (("HTTP-Referer", referer), ("X-Title", title)):
        value = argument(given or "", f"the value for {name}").strip()
        if not value.isprintable():
            raise UsageError(
                f"the value for {name} has control characters", hint="give it as one line of text"
            )
        if value:
            headers.append(Header(name, value))
    return tuple(headers)
