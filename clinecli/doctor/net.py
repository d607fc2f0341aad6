"""Checks of the way to the API: DNS, TCP, the proxy's tunnel, TLS. Nothing is sent to it yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from clinecli.doctor.certificate import Certificate, read_certificate
from clinecli.doctor.check import Outcome, failed, ok, skip, warn
from clinecli.doctor.context import Context
from clinecli.doctor.env import FOREIGN_TRUST
from clinecli.doctor.probes import handshake_with, tunnel, unverified_certificate
from clinecli.errors import ClinecliError, Code, ConnectionFailed, TlsError
from clinecli.transport.deadline import Deadline
from clinecli.transport.dial import connect, resolve
from clinecli.transport.route import Hop

_FAMILY_SECONDS = 1.0
_DAYS_LEFT = 7
_UNKNOWN_CA = {Code.VERIFY_18, Code.VERIFY_19, Code.VERIFY_20, Code.VERIFY_21, Code.VERIFY_85}
_RESOLV_CONF = Path("/etc/resolv.conf")


def dns(context: Context) -> Outcome:
    """Addresses of the first hop: of the proxy where there is one."""
    hop = context.hop
    try:
        context.addresses = resolve(hop, Deadline(context.stage()))
    except ConnectionFailed as error:
        return failed(error, *_name_servers())
    if context.addresses == [hop.host]:
        return ok(f"{hop.host} is an address and needs no DNS")
    first, *others = context.addresses
    more = f" and {len(others)} more" if others else ""
    return ok(
        f"{hop.host} is {first}{more}",
        *(f"IPv{_version(address)}: {address}" for address in context.addresses),
    )


def _name_servers() -> Iterator[str]:
    with suppress(OSError, UnicodeError):
        for line in _RESOLV_CONF.read_text("utf-8").splitlines():
            words = line.split()
            if words[:1] == ["nameserver"] and len(words) > 1:
                yield f"name server {words[1]} (from {_RESOLV_CONF})"


def _version(address: str) -> int:
    return 6 if ":" in address else 4


def tcp(context: Context) -> Outcome:
    """A connection to the first hop, and how its other address family fares."""
    hop, addresses = context.hop, context.addresses
    deadline = Deadline(context.stage())
    try:
        connected, peer = connect(hop, addresses, deadline)
    except ConnectionFailed as error:
        return failed(error, f"tried {', '.join(addresses)} on port {hop.port}")
    connected.close()
    summary = f"{peer} accepts connections on port {hop.port}"
    other = [address for address in addresses if _version(address) != _version(peer)]
    if not other or deadline.remaining() <= 0:
        return ok(summary)
    refusal = _refusal(hop, other, deadline)
    family = f"IPv{_version(other[0])} ({other[0]})"
    if not refusal:
        return ok(summary, f"{family} works too")
    if addresses[0] in other and refusal.code is Code.CONNECT_TIMEOUT:
        return warn(
            f"{summary}, but {family} does not answer and is tried first",
            remedy=f"repair IPv{_version(other[0])}, or turn it off: every call waits for it",
        )
    return ok(summary, f"{family} does not work: {refusal.text}")


def _refusal(hop: Hop, addresses: list[str], deadline: Deadline) -> ConnectionFailed | None:
    try:
        connect(hop, addresses[:1], deadline.within(_FAMILY_SECONDS))[0].close()
    except ConnectionFailed as error:
        return error
    return None


def proxy(context: Context) -> Outcome:
    """The tunnel through the proxy."""
    if not context.proxy:
        return skip("not used: the connection is direct")
    if context.settings.base_url.scheme != "https":
        return skip("no tunnel is needed for http://")
    try:
        tunnel(context)
    except (TlsError, ConnectionFailed) as error:
        named = name_proxy(context, error)
        if isinstance(named, TlsError):
            return _refused(context, named, with_proxy=True)
        raise named from None
    target = context.settings.base_url
    return ok(f"{context.proxy} lets through to {target.host}:{target.port}")


def name_proxy(context: Context, error: ClinecliError) -> ClinecliError:
    """The same error, told of the proxy, and what may be wrong with how it is named."""
    if not context.proxy or context.hop.name in error.message:
        return error
    named = error.but(message=f"{context.hop.name}: {error.message}")
    untrusted = (error.code or "").startswith("verify")
    if context.proxy.scheme == "https" and error.http_status is None and not untrusted:
        hint = (
            f"is {context.hop.port} the port of the proxy's own TLS? Most proxies speak plain "
            "HTTP: name it with http://"
        )
        return named.but(hints=(hint,))
    return named


def tls(context: Context) -> Outcome:
    """The handshake with the API."""
    if context.settings.base_url.scheme != "https":
        return skip("not used: http:// has no encryption, and stays on this machine")
    try:
        protocol, der = handshake_with(context)
    except TlsError as error:
        return _refused(context, error, with_proxy=False)
    certificate = read_certificate(der)
    if not certificate:
        return ok(protocol)
    days = int((certificate.not_after.timestamp() - context.now()) // 86400)
    summary = f"{protocol}, issued by {certificate.issuer}, {days} days left"
    if days < _DAYS_LEFT:
        return warn(
            summary,
            *_described(certificate),
            remedy="the server's operator must renew the certificate soon",
        )
    return ok(summary, *_described(certificate))


def _refused(context: Context, error: TlsError, *, with_proxy: bool) -> Outcome:
    """A failed handshake, and what there is to see of the certificate."""
    if not (error.code or "").startswith("verify"):
        return failed(error)
    certificate = None
    with suppress(ClinecliError):
        certificate = read_certificate(unverified_certificate(context, with_proxy=with_proxy))
    if not certificate:
        return failed(error)
    details = [*_described(certificate)]
    remedy = error.hint
    if error.code in {Code.VERIFY_9, Code.VERIFY_10}:
        now = datetime.fromtimestamp(context.now(), UTC)
        details.append(f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC")
    elif error.code in _UNKNOWN_CA:
        error = error.but(message=f"{error.message}: {certificate.issuer}")
        foreign = next((name for name in FOREIGN_TRUST if context.environ.get(name)), None)
        if foreign:
            details.append(f"{foreign} is set, which does not count here")
            remedy = f'export SSL_CERT_FILE="${foreign}", or pass the CA with --ca-file'
    return failed(error, *details, remedy=remedy)


def _described(certificate: Certificate) -> Iterator[str]:
    yield f"certificate of {certificate.subject}, issued by {certificate.issuer}"
    yield (
        f"valid from {certificate.not_before:%Y-%m-%d %H:%M} "
        f"to {certificate.not_after:%Y-%m-%d %H:%M} UTC"
    )
    if certificate.names:
        more = f" and {len(certificate.names) - 8} more" if len(certificate.names) > 8 else ""
        yield f"for {', '.join(certificate.names[:8])}{more}"
