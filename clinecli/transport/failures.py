"""What a stage of a call raises, and the error that it means: one table.

Imported when something has failed, since a call that goes well needs none of it.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Callable
from typing import NamedTuple

import h11

from clinecli.chat.api_errors import not_the_api
from clinecli.errors import (
    ClinecliError,
    Code,
    ConnectionFailed,
    IncompleteError,
    Retry,
    TlsError,
    TransientError,
)
from clinecli.transport.route import Hop, Stage

CLOCK_HINT = "check this machine's clock; else the server's operator must renew the certificate"
_STRONGER = "the server's operator must use a key of 2048 bits or more, and SHA-256"
_OPERATOR = "the server's operator must correct its certificate, or that of its CA"
_UNKNOWN_CA = "is signed by a CA that this machine does not trust"
# Verification codes of OpenSSL (x509_vfy.h): what each says, and what to do.
_VERIFY: dict[int, tuple[Code, str, str | None]] = {
    9: (Code.VERIFY_9, "is not valid yet", CLOCK_HINT),
    10: (Code.VERIFY_10, "has expired", CLOCK_HINT),
    18: (Code.VERIFY_18, "is self-signed", None),
    19: (Code.VERIFY_19, _UNKNOWN_CA, None),
    20: (Code.VERIFY_20, _UNKNOWN_CA, None),
    21: (Code.VERIFY_21, _UNKNOWN_CA, None),
    62: (Code.VERIFY_62, "is for another host name", "check the host of the base URL"),
    64: (Code.VERIFY_64, "is for another IP address", "use the host's name in the base URL"),
    66: (Code.TLS_WEAK, "has a key that is too weak", _STRONGER),
    67: (Code.TLS_WEAK, "is signed by a CA whose key is too weak", _STRONGER),
    68: (Code.TLS_WEAK, "is signed with a digest that is too weak", _STRONGER),
    85: (Code.VERIFY_85, "lacks the Authority Key Identifier that Python 3.13 asks for", None),
}
_NOT_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}

_PROXY_HINT = "check the proxy's host and port, or ask its operator"
_SLOW_PROXY = f"{_PROXY_HINT}; if it is slow, raise --connect-timeout"
_UPDATE = "the server's operator must allow TLS 1.2 or 1.3; a proxy that inspects TLS may be old"
_VERSION = (Code.TLS_VERSION, "speaks no version of TLS from 1.2 on", _UPDATE)
_CIPHER = (
    Code.TLS_CIPHER,
    "shares no cipher with this machine, or refuses the host name",
    "check the host name; else the server's operator must allow current ciphers",
)
_TOO_WEAK = "uses a key or signature that this machine's OpenSSL takes for too weak"
_WEAK = (Code.TLS_WEAK, _TOO_WEAK, _STRONGER)
_NAMES = "check the host of the base URL: this server answers for other names"
_UNKNOWN_NAME = (Code.HANDSHAKE, "does not know this host name", _NAMES)
# An alert about a certificate is about the client's: it comes from the server.
_NOT_THIS_CERTIFICATE = (
    Code.CLIENT_CERTIFICATE,
    "refuses the client certificate",
    "pass a current one that its operator issued to you (--cert, --cert-key)",
)
# OpenSSL's reasons for a handshake that the two sides cannot agree on.
_UNSUITED: dict[str, tuple[Code, str, str]] = {
    "UNSUPPORTED_PROTOCOL": _VERSION,
    "TLSV1_ALERT_PROTOCOL_VERSION": _VERSION,
    "NO_PROTOCOLS_AVAILABLE": _VERSION,
    "NO_SHARED_CIPHER": _CIPHER,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": _CIPHER,
    "WRONG_CIPHER_RETURNED": _CIPHER,
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": _CIPHER,
    "DH_KEY_TOO_SMALL": _WEAK,
    "EE_KEY_TOO_SMALL": _WEAK,
    "CA_KEY_TOO_SMALL": _WEAK,
    "CA_MD_TOO_WEAK": _WEAK,
    "TLSV1_UNRECOGNIZED_NAME": _UNKNOWN_NAME,
    "TLSV1_ALERT_UNKNOWN_CA": _NOT_THIS_CERTIFICATE,
    "TLSV1_ALERT_ACCESS_DENIED": _NOT_THIS_CERTIFICATE,
    "SSLV3_ALERT_BAD_CERTIFICATE": _NOT_THIS_CERTIFICATE,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": _NOT_THIS_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_REVOKED": _NOT_THIS_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": _NOT_THIS_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _NOT_THIS_CERTIFICATE,
}


class _Case(NamedTuple):
    """One failure: the exception, at which hop or TLS host, and the seconds it had.

    `seconds` is None where only the deadline of the call bounds the wait.
    """

    error: Exception
    hop: Hop
    host: str
    seconds: float | None


_NOWHERE = Hop("", 0, "the server")


def failure(
    stage: Stage,
    error: Exception,
    *,
    hop: Hop = _NOWHERE,
    host: str = "",
    seconds: float | None = None,
) -> ClinecliError:
    """The error that an exception means at a stage."""
    case = _Case(error, hop, host, seconds)
    for stages, kinds, build in _TABLE:
        if stage in stages and isinstance(error, kinds):
            return build(case)
    raise error


def _dns(case: _Case) -> ClinecliError:
    temporary = isinstance(case.error, socket.gaierror) and case.error.errno == socket.EAI_AGAIN
    if temporary:
        return ConnectionFailed(
            f"DNS cannot resolve {case.hop.name} now (temporary failure)", code=Code.DNS_FAILED
        )
    return ConnectionFailed(
        f"no such host: {case.hop.name}",
        code=Code.DNS_NOT_FOUND,
        hint="check the name in the base URL or the proxy variables, and the network",
        retry=Retry.NEVER,
    )


def _dns_timeout(case: _Case) -> ClinecliError:
    return ConnectionFailed(
        f"DNS did not answer for {case.hop.name} within {rounded(case.seconds)} s",
        code=Code.DNS_TIMEOUT,
    )


def _refused(case: _Case) -> ClinecliError:
    return ConnectionFailed(
        f"{case.hop.name} refused the connection",
        code=Code.REFUSED,
        hint="check host and port; is the server running?",
    )


def _connect_timeout(case: _Case) -> ClinecliError:
    return ConnectionFailed(
        f"{case.hop.name} did not accept the connection within {rounded(case.seconds)} s "
        "(--connect-timeout)",
        code=Code.CONNECT_TIMEOUT,
    )


def _unreachable(case: _Case) -> ClinecliError:
    number = case.error.errno if isinstance(case.error, OSError) else None
    if number == errno.ETIMEDOUT:
        return _connect_timeout(case)
    reason = os.strerror(number) if number else "no address"
    return ConnectionFailed(f"cannot reach {case.hop.name}: {reason}", code=Code.UNREACHABLE)


def _tunnel_timeout(case: _Case) -> ClinecliError:
    return ConnectionFailed(
        f"{case.hop.name} did not answer to CONNECT within {rounded(case.seconds)} s",
        code=Code.PROXY,
        hint=_SLOW_PROXY,
    )


def _tunnel_no_http(case: _Case) -> ClinecliError:
    return ConnectionFailed(
        f"{case.hop.name} did not answer to CONNECT as an HTTP proxy does",
        code=Code.PROXY,
        hint=_PROXY_HINT,
    )


def _tunnel_closed(case: _Case) -> ClinecliError:
    return _hung_up(case, Code.PROXY, _PROXY_HINT)


def _closed(case: _Case) -> ClinecliError:
    return _hung_up(case, Code.CLOSED)


def _hung_up(case: _Case, code: Code, hint: str | None = None) -> ClinecliError:
    how = "reset" if isinstance(case.error, ConnectionResetError) else "closed"
    what = f"{case.hop.name} {how} the connection without an answer"
    return ConnectionFailed(what, code=code, hint=hint, retry=Retry.TWICE)


def _handshake_timeout(case: _Case) -> ClinecliError:
    return ConnectionFailed(
        f"the TLS handshake with {case.host} did not finish within {rounded(case.seconds)} s "
        "(--connect-timeout)",
        code=Code.CONNECT_TIMEOUT,
    )


def _handshake(case: _Case) -> ClinecliError:
    return tls_failure(case.error, case.host)


def _sent_nothing(case: _Case) -> ClinecliError:
    return _idle(case, "sent")


def _read_nothing(case: _Case) -> ClinecliError:
    return _idle(case, "read")


def _idle(case: _Case, what: str) -> ClinecliError:
    return TransientError(
        f"the server {what} nothing for {case.seconds or 0:g} s (--idle-timeout)",
        code=Code.TIMEOUT,
        hint="raise --idle-timeout, or try again later",
        retry=Retry.ONCE,
    )


def _no_http(_: _Case) -> ClinecliError:
    return not_the_api("something that is not HTTP")


def _cut(_: _Case) -> ClinecliError:
    return IncompleteError(
        "the connection was cut before the reply was complete", code=Code.CUT, retry=Retry.TWICE
    )


_TLS_STAGES = {Stage.PROXY_TLS, Stage.TLS}
_Row = tuple[set[Stage], tuple[type[Exception], ...], Callable[[_Case], ClinecliError]]

# The first row that fits counts: TimeoutError, ConnectionError and SSLError are OSErrors.
_TABLE: tuple[_Row, ...] = (
    ({Stage.RESOLVE}, (TimeoutError,), _dns_timeout),
    ({Stage.RESOLVE}, (OSError, UnicodeError), _dns),
    ({Stage.CONNECT}, (ConnectionRefusedError,), _refused),
    ({Stage.CONNECT}, (TimeoutError,), _connect_timeout),
    ({Stage.CONNECT}, (OSError,), _unreachable),
    ({Stage.TUNNEL}, (TimeoutError,), _tunnel_timeout),
    ({Stage.TUNNEL}, (h11.ProtocolError,), _tunnel_no_http),
    ({Stage.TUNNEL}, (EOFError, OSError), _tunnel_closed),
    (_TLS_STAGES, (TimeoutError,), _handshake_timeout),
    (_TLS_STAGES, (OSError,), _handshake),
    ({Stage.SEND}, (TimeoutError,), _read_nothing),
    ({Stage.WAIT, Stage.BODY}, (TimeoutError,), _sent_nothing),
    # TLS 1.3 refuses a client after the client's side of the handshake is done.
    ({Stage.WAIT}, (ssl.SSLEOFError,), _closed),
    ({Stage.WAIT}, (ssl.SSLError,), _handshake),
    ({Stage.WAIT}, (EOFError, OSError), _closed),
    ({Stage.WAIT}, (h11.ProtocolError,), _no_http),
    ({Stage.BODY}, (EOFError, OSError, h11.ProtocolError), _cut),
)


def tls_failure(error: BaseException | None, host: str) -> ClinecliError:
    """What an exception of a TLS handshake with `host` means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code, what, hint = _VERIFY.get(
            error.verify_code, (Code.VERIFY, f"is refused: {error.verify_message}", _OPERATOR)
        )
        return TlsError(f"the certificate of {host} {what}", code=code, hint=hint)
    reason = getattr(error, "reason", None) or ""
    if reason in _NOT_TLS:
        return TlsError(
            f"{host} does not speak TLS on this port",
            code=Code.PLAIN_TEXT,
            hint="check the port of the base URL; https:// needs a TLS port",
        )
    if reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED":
        return TlsError(
            f"{host} asks for a client certificate, which clinecli does not have",
            code=Code.CLIENT_CERTIFICATE,
            hint="pass the one that you were given (--cert, --cert-key), or check the base URL",
        )
    if reason in _UNSUITED:
        code, what, hint = _UNSUITED[reason]
        return TlsError(f"{host} {what} ({reason})", code=code, hint=hint)
    if isinstance(error, ssl.SSLError) and reason and "EOF" not in reason:
        return TlsError(f"the TLS handshake with {host} failed: {reason}", code=Code.HANDSHAKE)
    return TlsError(
        f"{host} cut the TLS handshake",
        code=Code.HANDSHAKE_CUT,
        hint="a firewall or a server without TLS may be in the way: check host and port",
    )


def rounded(seconds: float | None) -> str:
    """Seconds for a message: what earlier steps took of a timeout is of no interest."""
    return f"{max(round(seconds or 0, 1), 0.1):g}"
