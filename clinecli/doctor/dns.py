"""The check of the name of the first hop: its addresses, or why it has none."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from ipaddress import ip_address

from clinecli.doctor.addresses import (
    Addresses,
    doubt_about,
    has_default_route,
    name_servers,
    remedy_for,
    resolver_details,
    version,
)
from clinecli.doctor.check import Finding, Findings, failed, ok, warn
from clinecli.doctor.setup import Line, Setup
from clinecli.errors import ClinecliError, Code, ConnectionFailed
from clinecli.transport.deadline import Deadline
from clinecli.transport.dial import refuse_far_hosts, resolve
from clinecli.transport.route import Hop

_SLOW_SECONDS = 1.5
_CONTROL_SECONDS, _AGAIN_SECONDS = 1.0, 3.0
# What the look-up of both families gets once that of one has ended.
_AFTER_IPV4 = 0.5
# Names that exist, to tell "this name is blocked" from "no name resolves".
_CONTROLS = ("example.com", "cloudflare.com")


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
    if not line.route.is_encrypted:
        refuse_far_hosts(line.route, list(addresses))
    if addresses == (hop.host,):
        return ok(f"{hop.host} is an address and needs no DNS").knowing(Addresses(addresses, 0.0))
    # A proxy has a private address as a rule.
    doubt = "" if line.route.proxy else doubt_about(hop.host, addresses)
    fact = Addresses(addresses, seconds, doubt, remedy_for(hop.host) if doubt else "")
    more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    details = [f"IPv{version(address)}: {address}" for address in addresses]
    if any(ip_address(address.partition("%")[0]).is_unspecified for address in addresses):
        said = doubt or f"{hop.host} is {addresses[0]}, which leads nowhere"
        return warn(said, *details, remedy=remedy_for(hop.host)).knowing(fact)
    # Odd addresses may be meant, as those of a tunnel: what comes of them is told where it fails.
    summary = f"{hop.host} is {addresses[0]}{more}"
    details += [doubt] if doubt else []
    if seconds > _SLOW_SECONDS:
        remedy = "check the name servers: the first of them may be dead"
        said = f"{summary}, but DNS took {seconds:.1f} s, which every call waits for"
        return warn(said, *details, *resolver_details(), remedy=remedy).knowing(fact)
    return ok(summary, *details).knowing(fact)


def _unresolved(line: Line, error: ConnectionFailed) -> Finding:
    """Why a name has no address: this name alone, or none at all."""
    details = [*resolver_details()]
    remedy = error.hint
    slow = _once_more(line, error) if error.code is Code.DNS_TIMEOUT else None
    if slow:
        return slow
    control = _control(line.hop)
    if control:
        error = error.but(message=f"{error.message}; DNS works: {control} has an address")
        if error.code is Code.DNS_NOT_FOUND:
            where = _where(line)
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
        said = "no other name resolves either"
        error = error.but(message=f"{error.message}; {said}")
        details.append("DNS is down, or this machine is offline")
        remedy = "check the network and the name servers; behind a proxy: export HTTPS_PROXY=…"
    from clinecli.doctor.proxies import with_proxies

    return with_proxies(line, failed(error, *details, remedy=remedy))


def _where(line: Line) -> str:
    proxy = line.route.proxy
    return f"the proxy's URL (from {proxy.source})" if proxy else line.base_url


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


def _once_more(line: Line, error: ConnectionFailed) -> Finding | None:
    """Why a name was not answered in time, where it is answered when asked otherwise."""
    hop, limit = line.hop, Deadline(_AGAIN_SECONDS)
    both, only = _LookUp(hop, socket.AF_UNSPEC), _LookUp(hop, socket.AF_INET)
    only.wait(limit)
    both.wait(limit if not only.found else Deadline(min(_AFTER_IPV4, limit.remaining())))
    if both.found:
        error = error.but(message=f"{error.message}, but later: {both.found}")
        remedy = "the name servers are slow: raise --connect-timeout (connect_timeout)"
        return failed(error, *resolver_details(), remedy=remedy)
    if only.found:
        said = f"an IPv4 look-up alone is answered ({only.found}), one of both families is not"
        error = error.but(message=f"{error.message}: {said}")
        remedy = (
            "the name server drops look-ups of IPv6 (AAAA): wait longer with --connect-timeout 30, "
            "name another server in /etc/resolv.conf, or put `options no-aaaa` there"
        )
        return failed(error, *resolver_details(), remedy=remedy)
    return None


class _LookUp:
    """A look-up in a thread, which is left behind when it stalls. `found` is an address."""

    def __init__(self, hop: Hop, family: int) -> None:
        self.found = ""
        self._hop, self._family = hop, family
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        host, port = self._hop.host.encode(), self._hop.port
        with suppress(OSError):
            entries = socket.getaddrinfo(host, port, family=self._family)
            self.found = str(entries[0][4][0])

    def wait(self, limit: Deadline) -> None:
        """Until it has ended, or the time has."""
        self._thread.join(max(limit.remaining(), 0.0))
