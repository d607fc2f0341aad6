"""A connection that goes as far as a stage and sends nothing to the API.

It is made by the product's own client, so that it fails as `ask` fails.
"""

from __future__ import annotations

import ssl
from typing import ClassVar

from clinecli.doctor.context import Context
from clinecli.transport.backend import Backend
from clinecli.transport.client import Client


class _Reached(Exception):
    """The connection is where it was meant to go."""


class _ToTunnel(Backend):
    """Ends where the handshake with the API would begin."""

    def before_tls(self, context: ssl.SSLContext, *, with_proxy: bool) -> ssl.SSLContext:
        if with_proxy:
            return context
        raise _Reached


class _ToHandshake(Backend):
    """Ends after the handshake with the API."""

    def log_tls(self, host: str, ssl_object: ssl.SSLSocket | ssl.SSLObject) -> None:
        super().log_tls(host, ssl_object)
        if not self.tunnelling:
            raise _Seen(ssl_object.version() or "TLS", ssl_object.getpeercert(True) or b"")


class _Seen(_Reached):
    def __init__(self, protocol: str, certificate: bytes) -> None:
        super().__init__(protocol)
        self.protocol = protocol
        self.certificate = certificate


class _Unverified(Backend):
    """Ends after the handshake with the API, whose certificate is taken as it comes."""

    with_proxy: ClassVar[bool] = False

    def before_tls(self, context: ssl.SSLContext, *, with_proxy: bool) -> ssl.SSLContext:
        # The proxy gets its credentials after the handshake with it: that one stays verified.
        if with_proxy != self.with_proxy:
            return context
        lenient = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        lenient.check_hostname = False
        lenient.verify_mode = ssl.CERT_NONE
        return lenient

    def log_tls(self, host: str, ssl_object: ssl.SSLSocket | ssl.SSLObject) -> None:
        super().log_tls(host, ssl_object)
        if self.tunnelling == self.with_proxy:
            raise _Seen("", ssl_object.getpeercert(True) or b"")


class _UnverifiedProxy(_Unverified):
    """Ends after the handshake with the proxy, before it is sent anything."""

    with_proxy = True


def tunnel(context: Context) -> None:
    """A tunnel through the proxy. Raises `ClinecliError`."""
    _go(context, _ToTunnel)


def handshake(context: Context) -> tuple[str, bytes]:
    """Protocol and certificate (DER) of a handshake with the API. Raises `ClinecliError`."""
    seen = _go(context, _ToHandshake)
    return (seen.protocol, seen.certificate) if isinstance(seen, _Seen) else ("TLS", b"")


def unverified_certificate(context: Context, *, with_proxy: bool) -> bytes:
    """The certificate (DER) that the API, or the proxy, shows to whoever comes.

    Raises `ClinecliError`.
    """
    seen = _go(context, _UnverifiedProxy if with_proxy else _Unverified)
    return seen.certificate if isinstance(seen, _Seen) else b""


def _go(context: Context, backend: type[Backend]) -> _Reached | None:
    settings = context.client_settings()._replace(timeout=context.left())
    with Client(settings, None, context.environ, backend=backend) as client:
        try:
            client.probe("GET", "/", with_key=False)
        except _Reached as reached:
            return reached
    return None
