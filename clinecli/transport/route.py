"""The way to the API: its origin, the proxy if there is one, and the hop that is connected to."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from clinecli.config.base_url import BaseUrl
from clinecli.config.proxy import Proxy


class Stage(Enum):
    """How far a call has come; see the page at the top of the package."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    PROXY_TLS = "proxy_tls"
    TUNNEL = "tunnel"
    TLS = "tls"
    SEND = "send"
    WAIT = "wait"
    BODY = "body"


class Hop(NamedTuple):
    """The host that a connection is made to, and how messages call it."""

    host: str
    port: int
    name: str


class Route(NamedTuple):
    """Where calls go: to `origin`, directly or through `proxy`."""

    origin: BaseUrl
    proxy: Proxy | None = None

    @property
    def hop(self) -> Hop:
        """The proxy where there is one, else the API's host."""
        if self.proxy:
            name = f"the proxy {self.proxy} (from {self.proxy.source})"
            return Hop(self.proxy.host, self.proxy.port, name)
        host = f"[{self.origin.host}]" if ":" in self.origin.host else self.origin.host
        return Hop(self.origin.host, self.origin.port, f"{host}:{self.origin.port}")

    @property
    def is_encrypted(self) -> bool:
        """Whether the API is spoken to by TLS."""
        return self.origin.scheme == "https"

    @property
    def is_tunnelled(self) -> bool:
        """Whether the proxy opens a tunnel. Plain http is passed on by all but SOCKS proxies."""
        return self.proxy is not None and (self.is_encrypted or self.proxy.is_socks)

    @property
    def needs_trust(self) -> bool:
        """Whether any stage is a TLS handshake."""
        return self.is_encrypted or bool(self.proxy and self.proxy.scheme == "https")
