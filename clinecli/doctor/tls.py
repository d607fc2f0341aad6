"""The check of the TLS handshake with the API, on the connection that the checks before made."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from clinecli.config.host import is_loopback
from clinecli.doctor.addresses import Addresses
from clinecli.doctor.check import Finding, Findings, ok, skip, warn
from clinecli.doctor.setup import Line, Setup
from clinecli.doctor.tcp import Open
from clinecli.doctor.ways import beside_direct, other_family
from clinecli.errors import ClinecliError, Code, ConnectionFailed, TlsError
from clinecli.transport.dial import Dialled, handshake
from clinecli.transport.route import Stage

if TYPE_CHECKING:
    from clinecli.doctor.certificate import Certificate

_DAYS_LEFT = 7
_HTTPS_PORT = 443
_SLOW_SECONDS = 3.0
# Failures of the way rather than of the server.
_ON_THE_WAY = {Code.CONNECT_TIMEOUT, Code.HANDSHAKE_CUT, Code.CLOSED, Code.PLAIN_TEXT}


class Handshake(NamedTuple):
    """What was agreed on with the API, and the certificates that were sent, the API's first."""

    version: str
    chain: tuple[Certificate, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return {"tls_version": self.version, "chain": [one.as_dict() for one in self.chain]}


def tls(setup: Setup, known: Findings) -> Finding:
    """The handshake with the API."""
    line, dialled = known[Line], known[Open].dialled
    if not line.route.is_encrypted:
        return skip("not used: http:// has no encryption, and stays on this machine")
    host = line.route.origin.host
    began = time.monotonic()
    try:
        encrypted, facts = handshake(
            dialled.socket, line.transport.trust(), host, line.step(), Stage.TLS
        )
    except (TlsError, ConnectionFailed) as error:
        dialled.socket.close()
        return _failed(setup, known, error)
    seconds = time.monotonic() - began
    timings = dialled.timings._replace(tls=seconds)
    opened = Open(Dialled(encrypted, dialled.address, timings, facts))
    return _agreed(setup, line, *facts, seconds).knowing(opened)


def _agreed(setup: Setup, line: Line, version: str, der: bytes, seconds: float) -> Finding:
    """A handshake that went well, and the certificate that the API has shown."""
    from clinecli.doctor.certificate import read_certificate
    from clinecli.doctor.chain import described, save_chain
    from clinecli.doctor.interceptors import interceptor

    certificate = read_certificate(der)
    saved = save_chain(setup.options.save_chain, line, None)
    if not certificate:
        return ok(version, *saved).knowing(Handshake(version, (), seconds))
    made = Handshake(version, (certificate,), seconds)
    days = int((certificate.not_after.timestamp() - setup.now()) // 86400)
    summary = f"{version}, issued by {certificate.issuer}, {days} days left"
    product = interceptor(certificate)
    if product:
        summary += f"; {product} opens the connection, with a CA that is trusted here"
    details = (*described(certificate), *saved)
    if days < _DAYS_LEFT:
        remedy = "the server's operator must renew the certificate soon"
        return warn(summary, *details, remedy=remedy).knowing(made)
    if seconds > _SLOW_SECONDS:
        remedy = "the way is slow or loses packets: check the network"
        said = f"{summary}; the handshake took {seconds:.1f} s"
        return warn(said, *details, remedy=remedy).knowing(made)
    return ok(summary, *details).knowing(made)


def _plain_text(line: Line, error: ClinecliError) -> ClinecliError:
    """A port without TLS, or somebody's page in its place."""
    from clinecli.doctor.chain import page_title

    origin = line.route.origin
    title = page_title(line)
    if not title:
        return error
    error = error.but(message=f"{error.message}: it answers in plain HTTP ({title})")
    if is_loopback(origin.host):
        hint = f"write {origin._replace(scheme='http')} as {line.base_url}"
        return error.but(hints=(hint,))
    if origin.port == _HTTPS_PORT:
        hint = "a firewall or captive portal answers: log in to the network, or ask who runs it"
        return error.but(hints=(hint,))
    return error


def _failed(setup: Setup, known: Findings, error: ClinecliError) -> Finding:
    """A handshake that failed: by the server, or by something on the way."""
    line, found, address = known[Line], known.get(Addresses), known[Open].dialled.address
    if error.code is Code.PLAIN_TEXT:
        error = _plain_text(line, error)
    if line.route.proxy and error.code in _ON_THE_WAY:
        said = f"{error.message}, through {line.hop.name}: the proxy, or the host behind it, is why"
        error = error.but(message=said, hints=("ask the proxy's operator whether it allows this",))
    elif error.code in {Code.CONNECT_TIMEOUT, Code.CLOSED}:
        remedy = "a firewall, a VPN or an MTU that is too large drops TLS: ask who runs the network"
        error = error.but(hints=(remedy,))
    from clinecli.doctor.refusal import refused

    finding = refused(line, error, with_proxy=False, setup=setup)
    if found and found.doubt and finding.error:
        summary = f"{finding.summary}; {found.doubt}"
        return finding._replace(summary=summary, remedy=found.remedy)
    if line.route.proxy:
        return beside_direct(line, finding)
    compared = other_family(line, found, address) if error.code in _ON_THE_WAY else None
    if not compared:
        return finding
    summary = f"{finding.summary}; {compared.summary}"
    remedy = compared.remedy or finding.remedy
    return finding._replace(summary=summary, remedy=remedy).knowing(compared)
