"""The check of a connection to the first hop, on which the checks after it go on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from clinecli.doctor.addresses import Addresses, has_default_route, version
from clinecli.doctor.check import Finding, Findings, failed, ok, warn
from clinecli.doctor.setup import Line, Setup
from clinecli.doctor.ways import FAMILY_SECONDS, refusal
from clinecli.errors import Code, ConnectionFailed
from clinecli.transport.deadline import Deadline
from clinecli.transport.dial import Dialled, Timings, connect

_SLOW_SECONDS = 1.5


class Peer(NamedTuple):
    """The address that accepted, and how long that took."""

    address: str
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return {"peer": self.address}


class Open(NamedTuple):
    """The connection, as far as the checks have brought it: one for all of them, as for `ask`."""

    dialled: Dialled


def tcp(_setup: Setup, known: Findings) -> Finding:
    """A connection to the first hop."""
    line, found = known[Line], known[Addresses]
    hop, addresses = line.hop, list(found.addresses)
    began = time.monotonic()
    try:
        connected, peer = connect(hop, addresses, line.step())
    except ConnectionFailed as error:
        return _unconnected(line, found, error)
    seconds = time.monotonic() - began
    timings = Timings(resolve=found.seconds, connect=seconds)
    facts = (Peer(peer, seconds), Open(Dialled(connected, peer, timings)))
    summary = f"{peer} accepts connections on port {hop.port}"
    if seconds > _SLOW_SECONDS:
        remedy = "the way is slow or loses packets: check the network"
        return warn(f"{summary}, after {seconds:.1f} s", remedy=remedy).knowing(*facts)
    return ok(summary).knowing(*facts)


def _unconnected(line: Line, found: Addresses, error: ConnectionFailed) -> Finding:
    hop, proxy = line.hop, line.route.proxy
    details = [*_each(line, found.addresses)]
    remedy = error.hint
    if found.doubt:
        error = error.but(message=f"{error.message}; {found.doubt}")
        remedy = found.remedy
    elif error.code in {Code.UNREACHABLE, Code.CONNECT_TIMEOUT} and has_default_route() is False:
        error = error.but(message=f"{error.message}: this machine has no default route")
        remedy = "connect to a network: there is no route to the outside"
    elif error.code is Code.UNREACHABLE and {version(a) for a in found.addresses} == {6}:
        error = error.but(message=f"{error.message}: {hop.host} has IPv6 addresses only")
        remedy = "this network has no IPv6: use another one, a proxy, or a name with IPv4"
    elif error.code is Code.CONNECT_TIMEOUT:
        remedy = f"a firewall may drop what goes to port {hop.port}: {_check(line)}"
    elif error.code is Code.UNREACHABLE:
        remedy = f"a router or firewall on the way refuses: {_check(line)}"
    elif error.code is Code.REFUSED:
        where = f"the proxy's URL (from {proxy.source})" if proxy else line.base_url
        remedy = f"check host and port of {where}; is the server running?"
    from clinecli.doctor.proxies import with_proxies

    return with_proxies(line, failed(error, *details, remedy=remedy))


def _check(line: Line) -> str:
    if line.route.proxy:
        return "ask who runs the network, or check the proxy's host and port"
    return f"ask who runs the network, go through its proxy, or check {line.base_url}"


def _each(line: Line, addresses: Sequence[str]) -> Iterator[str]:
    """Each address with its own error."""
    if len(addresses) == 1:
        yield f"tried {addresses[0]} on port {line.hop.port}"
        return
    deadline = Deadline(FAMILY_SECONDS * 2)
    for address in addresses[:8]:
        if deadline.remaining() <= 0:
            return
        error = refusal(line, address, deadline.within(FAMILY_SECONDS))
        said = error.code.meaning if error and error.code else "accepts now"
        yield f"tried {address} on port {line.hop.port}: {said}"
