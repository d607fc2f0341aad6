"""What a server shows to whoever comes: its certificates, unverified. Nothing but a handshake is
ever sent on the way: no key, and nothing of a request."""

from __future__ import annotations

import re
import shlex
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from clinecli.chat.api_errors import one_line
from clinecli.doctor.certificate import Certificate
from clinecli.doctor.setup import Line
from clinecli.errors import ClinecliError, OutputError
from clinecli.streams.output import FileSink
from clinecli.transport.dial import connect, handshake, reach, resolve
from clinecli.transport.route import Stage

# What the detail of a saved chain says.
SAVED = "certificate(s) saved to"
_PROBE_SECONDS = 3.0
_MOST_BYTES = 1 << 18
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,300})", re.IGNORECASE)
_SERVER = re.compile(rb"^Server:\s*([^\r\n]{1,300})", re.IGNORECASE | re.MULTILINE)
_HANDSHAKE_RECORD, _CERTIFICATE_REQUEST = 22, 13


class Shown(NamedTuple):
    """The version that was agreed on, and the certificates (DER)."""

    version: str
    ders: tuple[bytes, ...]


def shown(line: Line, *, with_proxy: bool = False) -> Shown:
    """What the API, or the proxy, shows; old versions and ciphers included. Raises
    `ClinecliError` and `OSError`."""
    host = line.route.proxy.host if with_proxy and line.route.proxy else line.route.origin.host
    plain = _reached(line, with_proxy=with_proxy)
    try:
        plain, facts = handshake(plain, _lenient(), host, line.step(), Stage.TLS)
        return Shown(facts.version, _chain(plain) or (facts.certificate,))
    finally:
        plain.close()


def _reached(line: Line, *, with_proxy: bool) -> Any:
    """A connection on which TLS is to begin. The proxy gets its credentials after the handshake
    with it: on the way to the API's certificate, that one stays verified."""
    if with_proxy and line.route.proxy:
        limit = line.step()
        return connect(line.hop, resolve(line.hop, limit), limit)[0]
    timeout = line.settings.connect_timeout
    return reach(line.route, line.transport.trust, line.whole(), timeout).socket


def _lenient() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    return context


def _chain(encrypted: Any) -> tuple[bytes, ...]:
    """What the peer sent, on Pythons that tell: 3.13 does officially."""
    source = encrypted if hasattr(encrypted, "get_unverified_chain") else None
    source = source or getattr(encrypted, "_sslobj", None)
    if source is None or not hasattr(source, "get_unverified_chain"):
        return ()
    chain = source.get_unverified_chain() or ()
    return tuple(one if isinstance(one, bytes) else one.public_bytes(2) for one in chain)


def wants_certificate(line: Line) -> bool:
    """Whether the server asks for a client certificate in TLS 1.2, where its refusal of a client
    without one does not tell. Its side of that handshake is readable (RFC 5246, section 7.4)."""
    return _CERTIFICATE_REQUEST in _handshake_types(_heard(line))


def page_title(line: Line) -> str:
    """What answers a TLS handshake in plain HTTP, as a firewall does: its title, or its Server;
    empty for what is no HTTP."""
    heard = _heard(line)
    if not heard.startswith(b"HTTP/"):
        return ""
    found = _TITLE.search(heard) or _SERVER.search(heard)
    return one_line(found[1].decode("utf-8", "replace"), 200) if found else "an HTTP answer"


def _heard(line: Line) -> bytes:
    """What the server says in a handshake, as it comes: at most TLS 1.2, of which most is clear."""
    context = _lenient()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(received, to_send, server_hostname=line.route.origin.host)
    heard = b""
    try:
        plain = _reached(line, with_proxy=False)
    except ClinecliError:
        return heard
    try:
        plain.settimeout(_PROBE_SECONDS)
        while len(heard) < _MOST_BYTES:
            with suppress(ssl.SSLWantReadError):
                session.do_handshake()
                break
            plain.sendall(to_send.read())
            piece = plain.recv(65536)
            if not piece:
                break
            heard += piece
            received.write(piece)
    except OSError:
        pass  # The refusal. What was said before it is what matters.
    finally:
        plain.close()
    return heard


def _handshake_types(data: bytes) -> Iterator[int]:
    """The types of the handshake messages in TLS records, as long as they are in clear."""
    messages = b""
    while len(data) >= 5 and data[0] == _HANDSHAKE_RECORD:
        length = int.from_bytes(data[3:5], "big")
        messages, data = messages + data[5 : 5 + length], data[5 + length :]
    while len(messages) >= 4:
        yield messages[0]
        messages = messages[4 + int.from_bytes(messages[1:4], "big") :]


def speaks_tls(line: Line) -> bool:
    """Whether a port that is asked in plain HTTP speaks TLS."""
    hop, limit = line.hop, line.whole(_PROBE_SECONDS)
    try:
        plain: Any = connect(hop, resolve(hop, limit), limit)[0]
    except ClinecliError:
        return False
    try:
        plain, _ = handshake(plain, _lenient(), hop.host, limit, Stage.TLS)
    except (OSError, ClinecliError):
        return False
    finally:
        plain.close()
    return True


def save_chain(path: str | None, line: Line, ders: tuple[bytes, ...] | None) -> list[str]:
    """Write the chain to the file of `--save-chain`, and say what to do with it."""
    if not path:
        return []
    if ders is None:
        with suppress(ClinecliError, OSError):
            ders = shown(line).ders
    if not ders:
        return []
    pem = "".join(ssl.DER_cert_to_PEM_cert(der) for der in ders)
    try:
        sink = FileSink(path, flag="--save-chain")
        sink.write(pem.encode())
        sink.commit()
    except OutputError as error:
        return [f"{error.message} (--save-chain)"]
    return [
        (
            f"{len(ders)} {SAVED} {path}; if you trust the network's operator: "
            f"clinecli ask --ca-file {shlex.quote(path)} …"
        )
    ]


def described(certificate: Certificate) -> Iterator[str]:
    """Who it is for, by whom, and for how long."""
    yield f"certificate of {certificate.subject}, issued by {certificate.issuer}"
    yield f"valid from {_moment(certificate.not_before)} to {_moment(certificate.not_after)} UTC"
    if certificate.names:
        more = f" and {len(certificate.names) - 8} more" if len(certificate.names) > 8 else ""
        yield f"for {', '.join(certificate.names[:8])}{more}"


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
