"""The API root: what a base URL may be, and what it means."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from clinecli.errors import ConfigError
from clinecli.options.common import DEFAULT_BASE_URL

API_PATH = "/api/v1"


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
        default = 443 if self.scheme == "https" else 80
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port != default else "")

    def __str__(self) -> str:
        return self.origin + self.path


def is_loopback(host: str) -> bool:
    """Whether a host name or address never leaves this machine (RFC 6761, RFC 1122)."""
    host = host.lower().rstrip(".")
    return (
        host in {"localhost", "::1"}
        or host.endswith(".localhost")
        or re.fullmatch(r"127(\.[0-9]{1,3}){3}", host) is not None
    )


def parse_base_url(text: str, source: str) -> BaseUrl:
    """The API root that `text` means: an empty path gets `/api/v1`, any other stays.

    `source` (a flag, variable or file) is named in the `ConfigError` for a URL that is
    malformed, carries credentials, a query or a fragment, or would send the key in plain text.
    """
    fault = f"the base URL from {source} "
    hint = f"write it like {DEFAULT_BASE_URL}"
    try:
        parts = urlsplit(text.strip())
        parts.path.encode()
        host, port = parts.hostname or "", parts.port
        if "%" not in host and not host.isascii():
            host = host.encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        raise ConfigError(fault + "is malformed", hint=hint) from None
    if parts.scheme not in {"http", "https"}:
        raise ConfigError(fault + "does not start with https:// or http://", hint=hint)
    if not host or re.search(r"[\s\x00-\x1f\x7f\\^`{|}<>\"%]", text.strip()) or port == 0:
        raise ConfigError(fault + "is malformed", hint=hint)
    if parts.username is not None or parts.password is not None:
        raise ConfigError(fault + "carries credentials", hint="the key goes into CLINE_API_KEY")
    if parts.query or parts.fragment:
        raise ConfigError(fault + "has a query or a fragment", hint=hint)
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(
            fault + f"would send the key to {host} in plain text", hint="use https://"
        )
    return BaseUrl(
        parts.scheme,
        host,
        port or (443 if parts.scheme == "https" else 80),
        parts.path.rstrip("/") or API_PATH,
    )
