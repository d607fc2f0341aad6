"""Trust, and what a failed handshake means."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path

from clinecli.errors import ClinecliError, ConfigError, TlsError

CLOCK_HINT = "check this machine's clock; else the server's operator must renew the certificate"
# X.509 verification codes of OpenSSL (x509_vfy.h): what each says, and what to do.
_VERIFY: dict[int, tuple[str, str | None]] = {
    9: ("is not valid yet", CLOCK_HINT),
    10: ("has expired", CLOCK_HINT),
    18: ("is self-signed", None),
    19: ("is signed by a CA that this machine does not trust", None),
    20: ("is signed by a CA that this machine does not trust", None),
    21: ("is signed by a CA that this machine does not trust", None),
    62: ("is for another host name", "check the base URL; something may be intercepting"),
    64: ("is for another IP address", "use the host's name in the base URL"),
    85: ("lacks the Authority Key Identifier that Python 3.13 asks for", None),
}


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
    import truststore

    if has_system_store():
        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    import certifi

    return _private_trust(certifi.where(), None, "certifi")


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
        raise TlsError(f"SSL_CERT_DIR is not a directory: {capath}", hint="correct or unset it")
    if capath and not cafile and not _has_hashed(capath):
        raise TlsError(
            f"SSL_CERT_DIR holds no certificate that OpenSSL would find: {capath}",
            hint="run `openssl rehash` on it, or put the CAs into one file: SSL_CERT_FILE",
        )
    try:
        context.load_verify_locations(cafile, capath)
    except FileNotFoundError:
        raise kind(f"the CA file of {source} does not exist: {cafile}", hint=_CA_HINT) from None
    except ssl.SSLError:
        raise kind(
            f"the CA file of {source} holds no PEM certificate: {cafile}", hint=_CA_HINT
        ) from None
    except OSError as error:
        raise kind(
            f"cannot read the CA file of {source}: {cafile}: {error.strerror}", hint=_CA_HINT
        ) from None
    return context


def _has_hashed(directories: str) -> bool:
    """Whether a certificate is there under the hash of its subject, which is how OpenSSL looks."""
    return any(
        re.fullmatch(r"[0-9a-f]{8}\.[0-9]+", entry.name)
        for directory in directories.split(os.pathsep)
        if Path(directory).is_dir()
        for entry in Path(directory).iterdir()
    )


_CA_HINT = "point it at a PEM file of CA certificates, or unset it to trust the system's"


def has_system_store() -> bool:
    """Whether the operating system brings CA certificates that OpenSSL or truststore finds."""
    if os.name == "nt" or os.uname().sysname == "Darwin":
        return True
    from truststore import _openssl

    paths = ssl.get_default_verify_paths()
    files = (paths.openssl_cafile, *_openssl._CA_FILE_CANDIDATES)
    return any(Path(file).is_file() for file in files) or any(
        Path(paths.openssl_capath).glob("*.0")
    )


def tls_failure(error: BaseException | None, host: str) -> ClinecliError:
    """What an exception of a TLS handshake with `host` means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        what, hint = _VERIFY.get(error.verify_code, (f"is refused: {error.verify_message}", None))
        return TlsError(
            f"the certificate of {host} {what}", code=f"verify_{error.verify_code}", hint=hint
        )
    reason = getattr(error, "reason", None) or ""
    if reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}:
        return TlsError(
            f"{host} does not speak TLS on this port",
            code="plain_text",
            hint="check the port of the base URL; https:// needs a TLS port",
        )
    if reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED":
        return TlsError(
            f"{host} asks for a client certificate, which clinecli does not have",
            code="client_certificate",
            hint="check the base URL: the API itself asks for none",
        )
    if isinstance(error, ssl.SSLError) and reason and "EOF" not in reason:
        return TlsError(f"the TLS handshake with {host} failed: {reason}", code="handshake")
    return TlsError(
        f"{host} cut the TLS handshake",
        code="handshake_cut",
        hint="a firewall or a server without TLS may be in the way: check host and port",
    )
