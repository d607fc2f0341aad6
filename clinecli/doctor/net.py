"""Checks of the way to the API: DNS, TCP, the proxy's tunnel. Nothing is sent to it yet."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from clinecli.doctor.addresses import (
    Addresses,
    doubt_about,
    has_default_route,
    name_servers,
    resolver_details,
    version,
)
from clinecli.doctor.check import Finding, Findings, failed, ok, skip, warn
from clinecli.doctor.proxies import unused_proxies
from clinecli.doctor.setup import Line, Setup
from clinecli.doctor.tls import refused, tls
from clinecli.errors import ClinecliError, Code, ConnectionFailed, TlsError
from clinecli.transport.deadline import Deadline
from clinecli.transport.dial import connect, reach, resolve
from clinecli.transport.route import Hop

__all__ = ["dns", "name_proxy", "proxy", "tcp", "tls"]

# Above these, a stage is slow enough to be told.
_SLOW_SECONDS = 1.5
_FAMILY_SECONDS = 1.0
_CONTROL_SECONDS = 3.0
# Names that exist, to tell "this name is blocked" from "no name resolves".
_CONTROLS = ("example.com", "cloudflare.com")


class Peer(NamedTuple):
    """The address that accepted, and how long that took."""

    address: str
    seconds: float
    refused: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {"peer": self.address, "refused": list(self.refused)}


class Tunnel(NamedTuple):
    """The time that the proxy took to open a tunnel."""

    seconds: float


def dns(_setup: Setup, known: Findings) -> Finding:
    """Addresses of the first hop: of the proxy where there is one."""
    line = known[Line]
    hop = line.hop
    began = time.monotonic()
    try:
        addresses = tuple(resolve(hop, line.step()))
    except ConnectionFailed as error:
        return _unresolved(line, error)
    seconds = time.monotonic() - began
    if addresses == (hop.host,):
        return ok(f"{hop.host} is an address and needs no DNS").knowing(Addresses(addresses, 0.0))
    doubt = doubt_about(hop.host, addresses)
    fact = Addresses(addresses, seconds, doubt)
    more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    details = [f"IPv{version(address)}: {address}" for address in addresses]
    if doubt:
        remedy = "ask who runs this network's DNS, or correct the hosts file, VPN or DNS filter"
        return warn(doubt, *details, remedy=remedy).knowing(fact)
    summary = f"{hop.host} is {addresses[0]}{more}"
    if seconds > _SLOW_SECONDS:
        remedy = "check the name servers: the first of them may be dead"
        said = f"{summary}, but DNS took {seconds:.1f} s, which every call waits for"
        return warn(said, *details, *resolver_details(), remedy=remedy).knowing(fact)
    return ok(summary, *details).knowing(fact)


def _unresolved(line: Line, error: ConnectionFailed) -> Finding:
    """Why a name has no address: this name alone, or none at all."""
    details = [*resolver_details()]
    remedy = error.hint
    control = _control(line.hop)
    if control:
        details.append(f"DNS works: {control} has an address")
        if error.code is Code.DNS_NOT_FOUND:
            where = "the proxy's URL" if line.route.proxy else "the base URL"
            remedy = f"correct the name in {where}; if it is right, this network's DNS blocks it"
        else:
            remedy = "this name alone does not resolve: try again later, or another name server"
    elif not name_servers():
        error = error.but(message=f"{error.message}: this machine has no name server")
        remedy = "connect to a network, or name a DNS server in /etc/resolv.conf"
    elif has_default_route() is False:
        error = error.but(message=f"{error.message}: this machine is offline (no default route)")
        remedy = "connect to a network: there is no route to the outside"
    else:
        details.append("no other name resolves either: DNS is down, or this machine is offline")
        remedy = "check the network and the name servers; behind a proxy: export HTTPS_PROXY=…"
    return _with_proxies(line, failed(error, *details, remedy=remedy))


def _control(hop: Hop) -> str | None:
    deadline = Deadline(_CONTROL_SECONDS)
    for name in _CONTROLS:
        if name != hop.host and deadline.remaining() > 0:
            try:
                resolve(Hop(name, 443, name), deadline)
            except ClinecliError:
                continue
            return name
    return None


def _with_proxies(line: Line, finding: Finding) -> Finding:
    """The failure of a direct way, with the proxies that may be missing."""
    unused = unused_proxies(line)
    if not unused:
        return finding
    details = (*finding.details, *(found.where for found in unused))
    return finding._replace(details=details, remedy=f"{unused[0].remedy} ({unused[0].where})")


def tcp(_setup: Setup, known: Findings) -> Finding:
    """A connection to the first hop, and how its other address family fares."""
    line, found = known[Line], known[Addresses]
    hop, addresses = line.hop, list(found.addresses)
    deadline = line.step()
    began = time.monotonic()
    try:
        connected, peer = connect(hop, addresses, deadline)
    except ConnectionFailed as error:
        return _unconnected(line, found, error)
    seconds = time.monotonic() - began
    connected.close()
    summary = f"{peer} accepts connections on port {hop.port}"
    other = [address for address in addresses if version(address) != version(peer)]
    if seconds > _SLOW_SECONDS:
        remedy = "the way is slow or loses packets: check the network"
        return warn(f"{summary}, after {seconds:.1f} s", remedy=remedy).knowing(Peer(peer, seconds))
    if not other or deadline.remaining() <= 0:
        return ok(summary).knowing(Peer(peer, seconds))
    refusal = _refusal(hop, other[0], deadline)
    family = f"IPv{version(other[0])} ({other[0]})"
    if not refusal:
        return ok(summary, f"{family} works too").knowing(Peer(peer, seconds))
    fact = Peer(peer, seconds, (f"{other[0]}: {refusal.code}",))
    if addresses[0] in other and refusal.code is Code.CONNECT_TIMEOUT:
        return warn(
            f"{summary}, but {family} does not answer and is tried first",
            remedy=f"repair IPv{version(other[0])}, or turn it off: every call waits for it",
        ).knowing(fact)
    return ok(summary, f"{family} does not work: {refusal.text}").knowing(fact)


def _refusal(hop: Hop, address: str, deadline: Deadline) -> ConnectionFailed | None:
    try:
        connect(hop, [address], deadline.within(_FAMILY_SECONDS))[0].close()
    except ConnectionFailed as error:
        return error
    return None


def _unconnected(line: Line, found: Addresses, error: ConnectionFailed) -> Finding:
    hop = line.hop
    details = [*_each(line, found.addresses)]
    remedy = error.hint
    if found.doubt:
        error = error.but(message=f"{error.message}; {found.doubt}")
        remedy = "ask who runs this network's DNS, or correct the hosts file, VPN or DNS filter"
    elif error.code in {Code.UNREACHABLE, Code.CONNECT_TIMEOUT} and has_default_route() is False:
        error = error.but(message=f"{error.message}: this machine has no default route")
        remedy = "connect to a network: there is no route to the outside"
    elif error.code is Code.UNREACHABLE and {version(a) for a in found.addresses} == {6}:
        error = error.but(message=f"{error.message}: {hop.host} has IPv6 addresses only")
        remedy = "this network has no IPv6: use another one, a proxy, or a name with IPv4"
    elif error.code is Code.CONNECT_TIMEOUT:
        remedy = f"a firewall may drop what goes to port {hop.port}: {error.hint}"
    return _with_proxies(line, failed(error, *details, remedy=remedy))


def _each(line: Line, addresses: Sequence[str]) -> Iterator[str]:
    """Each address with its own error."""
    if len(addresses) == 1:
        yield f"tried {addresses[0]} on port {line.hop.port}"
        return
    deadline = Deadline(_FAMILY_SECONDS * 2)
    for address in addresses[:8]:
        if deadline.remaining() <= 0:
            return
        error = _refusal(line.hop, address, deadline)
        said = error.code.meaning if error and error.code else "accepts now"
        yield f"tried {address} on port {line.hop.port}: {said}"


def proxy(_setup: Setup, known: Findings) -> Finding:
    """The tunnel through the proxy."""
    line = known[Line]
    route = line.route
    if not route.proxy:
        return skip("not used: the connection is direct")
    if not route.is_tunnelled:
        return skip("no tunnel is needed for http://")
    began = time.monotonic()
    try:
        reached = reach(route, line.transport.trust, line.whole(), line.settings.connect_timeout)
        reached.socket.close()
    except (TlsError, ConnectionFailed) as error:
        return _no_tunnel(line, name_proxy(line, error))
    seconds = time.monotonic() - began
    target = route.origin
    summary = f"{route.proxy} lets through to {target.host}:{target.port}"
    if seconds > 2 * _SLOW_SECONDS:
        remedy = "the proxy is slow: ask its operator"
        return warn(f"{summary}, after {seconds:.1f} s", remedy=remedy).knowing(Tunnel(seconds))
    return ok(summary).knowing(Tunnel(seconds))


def _no_tunnel(line: Line, error: ClinecliError) -> Finding:
    finding = (
        refused(line, error, with_proxy=True) if isinstance(error, TlsError) else failed(error)
    )
    if not _works_directly(line):
        return finding
    host = line.route.origin.host
    return finding._replace(
        details=(*finding.details, f"without the proxy, {host} accepts connections"),
        remedy=f"{finding.remedy}; or pass the proxy by: export NO_PROXY={host}",
    )


def _works_directly(line: Line) -> bool:
    origin = line.route.origin
    hop = Hop(origin.host, origin.port, origin.host)
    deadline = Deadline(2 * _FAMILY_SECONDS)
    try:
        connect(hop, resolve(hop, deadline), deadline)[0].close()
    except ClinecliError:
        return False
    return True


def name_proxy(line: Line, error: ClinecliError) -> ClinecliError:
    """The same error, told of the proxy, and what may be wrong with how it is named."""
    proxy = line.route.proxy
    if not proxy or line.hop.name in error.message:
        return error
    named = error.but(message=f"{line.hop.name}: {error.message}")
    untrusted = (error.code or "").startswith("verify")
    if proxy.scheme == "https" and error.http_status is None and not untrusted:
        hint = (
            f"is {line.hop.port} the port of the proxy's own TLS? Most proxies speak plain "
            "HTTP: name it with http://"
        )
        return named.but(hints=(hint,))
    return named
