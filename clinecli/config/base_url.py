"""The API root: what a base URL may be, and what it means."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import SplitResult, quote, urlsplit

from clinecli.config.host import BadHost, is_loopback, parse_host
from clinecli.errors import ConfigError
from clinecli.options.common import DEFAULT_BASE_URL

API_PATH = "/api/v1"
PORTS = {"https": 443, "http": 80}
# Servers refuse a request line of 8,000 bytes and more.
_LONGEST_URL = 2000
_FORBIDDEN = re.compile(r"[\s\x00-\x1f\x7f\\^`{|}<>\"]|%(?![0-9A-Fa-f]{2})")
# What may stand in a path as it is (RFC 3986, section 3.3).
_PATH_CHARACTERS = "/%:@!$&'()*+,;=~[]"
# What stands below the API root, and is added by the client.
_ENDPOINTS = ("/chat/completions", "/completions", "/models")
_HINT = f"write it like {DEFAULT_BASE_URL}"


# What is wrong with a URL that is none, as far as it can be seen; none of it is quoted.
_MISTAKES = (
    (re.compile(r"[\"'].*|.*[\"']"), "it is wrapped in quotes"),
    (re.compile(r"https?:/?(?!/).*", re.IGNORECASE), "two slashes belong after the colon"),
    (
        re.compile(r"\w+://[^/?#]*:(?!\d+(?:[/?#]|$))[^/?#\]@]+(?:[/?#].*)?"),
        "the port is no number",
    ),
    (re.compile(r"\w+://[^/?#]*:(?:0+|\d{5,})(?:[/?#].*)?"), "a port is a number from 1 to 65535"),
    (re.compile(r".*\s.*"), "there is white space in it"),
    (re.compile(r".*\\.*"), "there is a backslash in it"),
)


class BaseUrl(NamedTuple):
    """The API root: scheme, host (ASCII, an IPv6 address without brackets), port and path."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Scheme, host and port, without a default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port != PORTS[self.scheme] else ""
        return f"{self.scheme}://{host}{port}"

    def __str__(self) -> str:
        return self.origin + self.path


def parse_base_url(text: str, source: str) -> BaseUrl:
    """The API root that `text` means: an empty path gets `/api/v1`, any other stays.

    `source` (a flag, variable or file) is named in the `ConfigError` for a URL that is
    malformed, carries credentials, a query or a fragment, or would send the key in plain text.
    """
    text = text.strip()
    fault = f"the base URL from {source}"
    try:
        parts = urlsplit(text)
        parts.path.encode()
        port = parts.port
    except (ValueError, UnicodeError):
        raise ConfigError(f"{fault} is malformed{_how(text)}", hint=_HINT) from None
    _check(parts, text, fault)
    try:
        host = parse_host(parts.hostname or "")
    except BadHost as error:
        hint = error.hint or _HINT
        raise ConfigError(f"{fault} is malformed: no host has such a name", hint=hint) from None
    if parts.scheme == "http" and not is_loopback(host):
        message = f"{fault} would send the key to {host} in plain text"
        raise ConfigError(message, hint="use https://")
    path = quote(parts.path.rstrip("/"), safe=_PATH_CHARACTERS)
    return BaseUrl(parts.scheme, host, port or PORTS[parts.scheme], path or API_PATH)


def _how(text: str) -> str:
    found = next((what for pattern, what in _MISTAKES if pattern.fullmatch(text)), "")
    return f": {found}" if found else ""


def _check(parts: SplitResult, text: str, fault: str) -> None:
    """Raise `ConfigError` for what no API root has."""
    if parts.scheme not in PORTS:
        message = f"{fault} does not start with https:// or http://{_how(text)}"
        raise ConfigError(message, hint=_HINT)
    # Brackets are for IPv6 addresses; those of later versions, if ever, are none that we know.
    is_bracketed = "[" in parts.netloc and ":" not in (parts.hostname or "")
    if not parts.hostname or is_bracketed or parts.port == 0 or _FORBIDDEN.search(text):
        raise ConfigError(f"{fault} is malformed{_how(text)}", hint=_HINT)
    if len(text) > _LONGEST_URL:
        message = f"{fault} has more than the {_LONGEST_URL:,} characters that it may have"
        raise ConfigError(message, hint=_HINT)
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{fault} carries credentials", hint="the key goes into CLINE_API_KEY")
    if parts.query or parts.fragment:
        raise ConfigError(f"{fault} has a query or a fragment", hint=_HINT)
    path = parts.path.rstrip("/").lower()
    if endpoint := next(filter(path.endswith, _ENDPOINTS), None):
        raise ConfigError(
            f"{fault} ends with {endpoint}, which is added to it",
            hint=f"leave {endpoint} out: {_HINT}",
        )
