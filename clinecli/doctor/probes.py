"""A connection that goes as far as a stage and sends nothing to the API.

Each is made of the transport's own functions, so that it fails as `ask` fails.
"""

from __future__ import annotations

import ssl

from clinecli.doctor.context import Context
from clinecli.transport.deadline import Deadline
from clinecli.transport.dial import Socket, TlsFacts, connect, handshake, resolve
from clinecli.transport.route import Stage
from clinecli.transport.tunnel import open_tunnel


def tunnel(context: Context) -> None:
    """A tunnel through the proxy. Raises `ClinecliError`."""
    _tunnelled(context).close()


def handshake_with(context: Context) -> tuple[str, bytes]:
    """Protocol and certificate (DER) of a handshake with the API. Raises `ClinecliError`."""
    dialled = context.transport.dial(Deadline(context.left()))
    dialled.socket.close()
    facts = dialled.tls or TlsFacts("TLS", b"")
    return facts.version, facts.certificate


def unverified_certificate(context: Context, *, with_proxy: bool) -> bytes:
    """The certificate (DER) that the API, or the proxy, shows to whoever comes.

    Raises `ClinecliError`. The proxy gets its credentials after the handshake with it: on the way
    to the API's certificate, that one stays verified.
    """
    host = context.settings.base_url.host
    if with_proxy and context.proxy:
        plain, host = _connected(context), context.proxy.host
    elif context.proxy:
        plain = _tunnelled(context)
    else:
        plain = _connected(context)
    lenient = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lenient.check_hostname = False
    lenient.verify_mode = ssl.CERT_NONE
    try:
        plain, facts = handshake(plain, lenient, host, _limit(context), Stage.TLS)
        return facts.certificate
    finally:
        plain.close()


def _tunnelled(context: Context) -> Socket:
    connected = _connected(context)
    route = context.transport.route
    try:
        if context.proxy and context.proxy.scheme == "https":
            trust = context.transport.trust()
            host = context.proxy.host
            connected, _ = handshake(connected, trust, host, _limit(context), Stage.PROXY_TLS)
        open_tunnel(connected, route, _limit(context))
    except BaseException:
        connected.close()
        raise
    return connected


def _connected(context: Context) -> Socket:
    limit = _limit(context)
    return connect(context.hop, resolve(context.hop, limit), limit)[0]


def _limit(context: Context) -> Deadline:
    return Deadline(context.stage())
