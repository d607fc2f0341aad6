"""Trust, and TLS within TLS."""

from __future__ import annotations

import os
import re
import ssl
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from clinecli.errors import Code, ConfigError, TlsError
from clinecli.reading import MIB, TooLarge, read_file
from clinecli.transport.deadline import Deadline

if TYPE_CHECKING:
    from clinecli.transport.dial import Socket

_T = TypeVar("_T")
_READ_BYTES = 65536


def trust(ca_file: str | None, environ: Mapping[str, str]) -> ssl.SSLContext:
    """The client's TLS settings: `ca_file`, SSL_CERT_FILE and SSL_CERT_DIR, else the system.

    Raises `TlsError` for a CA file or directory that cannot be used, and `ConfigError` when
    `ca_file` is the fault.
    """
    cafile, source = ca_file, "--ca-file"
    capath = None
    if not cafile:
        cafile, source = environ.get("SSL_CERT_FILE") or None, "SSL_CERT_FILE"
        capath = environ.get("SSL_CERT_DIR") or None
    if cafile or capath:
        return _private_trust(cafile, capath, source)
    if _VERIFIES_ITSELF:
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if has_system_store():
        # What truststore does here, but once and now, beside the connection: it loads the files
        # anew for every handshake, 20 ms of it.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        cafile, capath = _system_store()
        for place in ((cafile, None), (None, capath)):
            # As OpenSSL: a place that is missing or damaged has no CAs.
            with suppress(OSError, TypeError):
                context.load_verify_locations(*place)
        return context
    import certifi

    return _private_trust(certifi.where(), None, "certifi")


def identify(context: ssl.SSLContext, cert: str | None, key: str | None) -> None:
    """Have a client certificate shown to servers that ask for one. Raises `ConfigError`."""
    hint = "name PEM files: --cert FILE, and --cert-key FILE if the key is apart"
    try:
        with ExitStack() as files:
            paths = [_readable(path, files) if path else None for path in (cert, key)]
            # Else OpenSSL asks on the terminal for the passphrase of a key that is encrypted.
            context.load_cert_chain(paths[0] or "", paths[1], password="")
        return
    except FileNotFoundError:
        missing = [path for path in (cert, key) if path and not Path(path).exists()]
        reason = f"does not exist: {', '.join(missing)}"
    except (TimeoutError, TooLarge):
        reason = f"was not read within {_CA_SECONDS:g} s, or is too large"
    except ssl.SSLError as error:
        reasons = {"KEY_VALUES_MISMATCH": "does not belong to its key"}
        unusable = "cannot be used: no PEM of certificate and key, or an encrypted key"
        reason = reasons.get(error.reason or "", unusable)
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    raise ConfigError(
        f"the client certificate (--cert) {reason}", code=Code.CLIENT_CERTIFICATE, hint=hint
    )


def _readable(path: str, files: ExitStack) -> str:
    """A path that OpenSSL can read without waiting: for a pipe, a copy that is the user's alone."""
    if Path(path).is_file() or not Path(path).exists():
        return path
    from tempfile import NamedTemporaryFile

    data = read_file(path, limit=_CA_BYTES, seconds=_CA_SECONDS)
    copy = files.enter_context(NamedTemporaryFile())  # noqa: SIM115 - `files` closes it
    copy.write(data)
    copy.flush()
    return copy.name


def _private_trust(cafile: str | None, capath: str | None, source: str) -> ssl.SSLContext:
    # Not create_default_context: from Python 3.13 on it refuses CA certificates without an
    # Authority Key Identifier (verify code 85), which the system's own store accepts.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    kind = ConfigError if source == "--ca-file" else TlsError
    # Anchors that the user names are trusted as they are, also an intermediate CA: as curl does,
    # and Python 3.13 by default.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # OpenSSL takes a list of directories.
    if capath and not any(Path(path).is_dir() for path in capath.split(os.pathsep)):
        raise TlsError(
            f"SSL_CERT_DIR is not a directory: {capath}",
            code=Code.TRUST,
            hint="correct or unset it",
        )
    if capath and not cafile and not _has_hashed(capath):
        raise TlsError(
            f"SSL_CERT_DIR holds no certificate that OpenSSL would find: {capath}",
            code=Code.TRUST,
            hint="run `openssl rehash` on it, or put the CAs into one file: SSL_CERT_FILE",
        )
    reason = None
    try:
        _load(context, cafile, capath)
    except FileNotFoundError:
        reason = f"the CA file of {source} does not exist: {cafile}"
    except (ssl.SSLError, ValueError, TooLarge):
        reason = f"the CA file of {source} holds no PEM certificate: {cafile}"
    except TimeoutError:
        reason = f"the CA file of {source} was not read within {_CA_SECONDS:g} s: {cafile}"
    except OSError as error:
        reason = f"cannot read the CA file of {source}: {cafile}: {error.strerror}"
    if reason:
        raise kind(reason, code=Code.TRUST, hint=_CA_HINT)
    return context


def _load(context: ssl.SSLContext, cafile: str | None, capath: str | None) -> None:
    if cafile and not Path(cafile).is_file():
        # A pipe, or a device without an end: OpenSSL would read on for ever.
        context.load_verify_locations(cadata=_certificates(cafile))
        cafile = None
    if cafile or capath:
        context.load_verify_locations(cafile, capath)


def _certificates(path: str) -> str:
    """The certificates of a PEM file, without the text between them."""
    text = read_file(path, limit=_CA_BYTES, seconds=_CA_SECONDS).decode("ascii", "ignore")
    return "\n".join(_CERTIFICATE.findall(text))


def _has_hashed(directories: str) -> bool:
    """Whether a certificate is there under the hash of its subject, which is how OpenSSL looks."""
    return any(
        re.fullmatch(r"[0-9a-f]{8}\.[0-9]+", entry.name)
        for directory in directories.split(os.pathsep)
        if Path(directory).is_dir()
        for entry in Path(directory).iterdir()
    )


_CA_BYTES = 16 * MIB
_CA_SECONDS = 30.0
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----")
_CA_HINT = "point it at a PEM file of CA certificates, or unset it to trust the system's"


# Where the operating system keeps its CAs behind an interface of its own.
_VERIFIES_ITSELF = sys.platform in {"win32", "darwin"}
# Bundles of systems for which OpenSSL was not built: Alpine, Arch, BSD; Fedora, RHEL; Debian,
# Ubuntu; SUSE.
_BUNDLES = (
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
)


def has_system_store() -> bool:
    """Whether the operating system brings CA certificates that OpenSSL or truststore finds."""
    return _VERIFIES_ITSELF or any(_system_store())


def _system_store() -> tuple[str | None, str | None]:
    """File and directory of the system's CAs: OpenSSL's own places, else the first bundle."""
    paths = ssl.get_default_verify_paths()
    directory = paths.openssl_capath if _has_hashed(paths.openssl_capath) else None
    files = (paths.openssl_cafile, *(() if directory else _BUNDLES))
    return next((file for file in files if Path(file).is_file()), None), directory


class TlsInTls:
    """A TLS session with the API inside the TLS session with an https:// proxy.

    The handshake is done, within `limit`, when this is made. Raises `OSError`, of which
    `ssl.SSLError` and `TimeoutError` are kinds. `socket` is the session with the proxy.
    """

    def __init__(self, socket: Socket, context: ssl.SSLContext, host: str, limit: Deadline) -> None:
        self._socket = socket
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._session = context.wrap_bio(self._received, self._to_send, server_hostname=host)
        self._pump(self._session.do_handshake, limit)
        self.version = self._session.version() or "TLS"
        self.certificate = self._session.getpeercert(True) or b""

    def _pump(self, step: Callable[[], _T], limit: Deadline | None = None) -> _T:
        """Run a step of the session, moving bytes for it as long as it wants some."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                if limit:
                    if limit.remaining() <= 0:
                        raise TimeoutError from None
                    self._socket.settimeout(limit.remaining())
                data = self._socket.recv(_READ_BYTES)
                if data:
                    self._received.write(data)
                else:
                    self._received.write_eof()
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if self._to_send.pending:
            self._socket.sendall(self._to_send.read())

    def recv(self, size: int, /) -> bytes:
        """Received bytes, empty at the end."""
        try:
            return self._pump(partial(self._session.read, size))
        except ssl.SSLEOFError:
            return b""

    def sendall(self, data: bytes | memoryview, /) -> None:
        """Send everything."""
        view = memoryview(data)
        while view:
            view = view[self._pump(partial(self._session.write, view)) :]

    def settimeout(self, seconds: float | None, /) -> None:
        """The limit of each read and write of the socket below, in seconds."""
        self._socket.settimeout(seconds)

    def fileno(self) -> int:
        """The descriptor of the socket below."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket below."""
        self._socket.close()
