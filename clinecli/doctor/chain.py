"""What a server shows to whoever comes: its certificates, unverified, and its clock. No key, and
nothing of a request, is sent on the way."""

from __future__ import annotations

import shlex
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from clinecli.doctor.certificate import Certificate
from clinecli.doctor.setup import Line
from clinecli.errors import ClinecliError, OutputError
from clinecli.transport.dial import connect, handshake, reach, resolve
from clinecli.transport.route import Stage

_DATE_SECONDS = 3.0
_HEAD_BYTES = 16384
_HANDSHAKE_RECORD, _CERTIFICATE_REQUEST = 22, 13


class Shown(NamedTuple):
    """The version that was agreed on, the certificates (DER), and the Date header if asked for."""

    version: str
    ders: tuple[bytes, ...]
    date: str = ""


def shown(line: Line, *, with_proxy: bool = False, asks_date: bool = False) -> Shown:
    """What the API, or the proxy, shows; old versions and ciphers included. Raises
    `ClinecliError` and `OSError`."""
    host = line.route.proxy.host if with_proxy and line.route.proxy else line.route.origin.host
    plain = _reached(line, with_proxy=with_proxy)
    try:
        plain, facts = handshake(plain, _lenient(), host, line.step(), Stage.TLS)
        ders = _chain(plain) or (facts.certificate,)
        return Shown(facts.version, ders, _date(plain, host) if asks_date else "")
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


def _date(encrypted: Any, host: str) -> str:
    """The Date header of whatever a server answers to a request for nothing; else empty."""
    data = b""
    with suppress(OSError):
        encrypted.settimeout(_DATE_SECONDS)
        encrypted.sendall(f"HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        while b"\r\n\r\n" not in data and len(data) < _HEAD_BYTES:
            piece = encrypted.recv(4096)
            if not piece:
                break
            data += piece
    for header in data.decode("latin-1").split("\r\n"):
        name, _, value = header.partition(":")
        if name.lower() == "date":
            return value.strip()
    return ""


def wants_certificate(line: Line) -> bool:
    """Whether the server asks for a client certificate in TLS 1.2, where its refusal of a client
    without one does not tell. Its side of that handshake is readable (RFC 5246, section 7.4)."""
    context = _lenient()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(received, to_send, server_hostname=line.route.origin.host)
    heard = b""
    try:
        plain = _reached(line, with_proxy=False)
    except ClinecliError:
        return False
    try:
        plain.settimeout(_DATE_SECONDS)
        while len(heard) < 1 << 18:
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
    return _CERTIFICATE_REQUEST in _handshake_types(heard)


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
    hop, limit = line.hop, line.whole(_DATE_SECONDS)
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
    """Write the chain to the file of `--save-chain`, and say what to do with it. Raises
    `OutputError`."""
    if not path:
        return []
    if ders is None:
        with suppress(ClinecliError, OSError):
            ders = shown(line).ders
    if not ders:
        return []
    pem = "".join(ssl.DER_cert_to_PEM_cert(der) for der in ders)
    try:
        Path(path).write_text(pem, "ascii")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from None
    return [
        (
            f"{len(ders)} certificate(s) saved to {path}; if you trust the network's operator: "
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
