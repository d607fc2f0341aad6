"""Certificates of every fault, and a server behind TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.helpers.servers import RawServer

HOST = "localhost"


class Authority:
    """A certificate authority. A client trusts it by the file that `write` makes."""

    def __init__(self, parent: trustme.CA | None = None) -> None:
        self._ca = parent.create_child_ca() if parent else trustme.CA()

    @property
    def pem(self) -> bytes:
        """The CA's own certificate."""
        return self._ca.cert_pem.bytes()

    def write(self, path: Path) -> str:
        """Put the CA's certificate into a file and give its name."""
        path.write_bytes(self.pem)
        return str(path)

    def child(self) -> Authority:
        """An intermediate CA."""
        return Authority(self._ca)

    def valid(self, *names: str) -> ssl.SSLContext:
        """For `localhost` and the loopback addresses, or for `names`."""
        return self._context(names or (HOST, "127.0.0.1", "::1"))

    def ending(self, moment: datetime) -> ssl.SSLContext:
        """Valid until a moment."""
        return self._context((HOST,), not_after=moment)

    def between(self, start: datetime, end: datetime) -> ssl.SSLContext:
        """Valid from one moment to another."""
        return self._context((HOST,), not_before=start, not_after=end)

    def expired(self) -> ssl.SSLContext:
        return self.ending(datetime(2010, 1, 1, tzinfo=UTC))

    def not_yet_valid(self) -> ssl.SSLContext:
        start = datetime(2090, 1, 1, tzinfo=UTC)
        return self.between(start, start + timedelta(days=90))

    def wrong_host(self) -> ssl.SSLContext:
        return self._context(("another.example",))

    def _context(
        self,
        names: Sequence[str],
        *,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf = self._ca.issue_cert(*names, not_before=not_before, not_after=not_after)
        leaf.configure_cert(context)
        return context


def self_signed(name: str = HOST) -> ssl.SSLContext:
    """The TLS settings of a server whose certificate vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2090, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


class TlsServer(RawServer):
    """A `RawServer` behind TLS. `url` names it `localhost`."""

    def __init__(
        self,
        answer: Callable[[socket.socket, int], None] | bytes,
        context: ssl.SSLContext,
        address: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        super().__init__(answer, address)
        self.context = context
        self.url = f"https://{HOST}:{self.port}"

    def _handle(self, connection: socket.socket) -> None:
        try:
            connection = self.context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()  # The client does not trust us, as some tests want it.
            return
        with contextlib.suppress(OSError):
            super()._handle(connection)
