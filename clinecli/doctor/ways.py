"""The check that compares ways: direct against the proxy, IPv4 against IPv6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from clinecli.config.proxy import Proxy, no_proxy
from clinecli.doctor.addresses import Addresses, version
from clinecli.doctor.check import Finding, Findings, ok, skip, warn
from clinecli.doctor.setup import Line, Setup
from clinecli.errors import ClinecliError, Code
from clinecli.transport.deadline import Deadline
from clinecli.transport.dial import connect, dial, handshake
from clinecli.transport.route import Route, Stage

# What another way gets to show that it works.
FAMILY_SECONDS = 1.0
_WAY_SECONDS = 4.0


class Ways(NamedTuple):
    """How another way fares where the one of `ask` fails. `remedy` takes the other one, and is
    empty where that fails as well."""

    summary: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {"works_otherwise": bool(self.remedy)}


def ways(_setup: Setup, known: Findings) -> Finding:
    """What the checks before found of other ways; and the other family where none failed."""
    found, line, addresses = known.get(Ways), known[Line], known.get(Addresses)
    if found and found.remedy:
        return warn(found.summary, remedy=found.remedy)
    if found:
        return skip(found.summary)
    if not addresses:
        return skip("there is nothing to compare")
    families = {version(address): address for address in reversed(addresses.addresses)}
    if len(families) == 1:
        way = "through the proxy" if line.route.proxy else "direct"
        return skip(f"there is only one way: {way}, by IPv{next(iter(families))}")
    return _families(line, families, first=version(addresses.addresses[0]))


def _families(line: Line, families: Mapping[int, str], first: int) -> Finding:
    """IPv4 against IPv6, by TCP."""
    deadline = Deadline(FAMILY_SECONDS)
    refusals = {number: refusal(line, families[number], deadline) for number in sorted(families)}
    dead = [number for number, error in refusals.items() if error]
    if len(dead) != 1:
        return ok("IPv4 and IPv6 both work") if not dead else skip("IPv4 and IPv6 both fail")
    (number,) = dead
    error = refusals[number]
    why = error.code.meaning if error and error.code else "no connection"
    summary = f"IPv{10 - number} works, IPv{number} ({families[number]}) fails: {why}"
    if number == first and error and error.code is Code.CONNECT_TIMEOUT:
        remedy = f"repair IPv{number}, or turn it off: it is tried first, and every call waits"
        return warn(summary, remedy=remedy)
    return ok(f"{summary}; `ask` takes what answers")


def refusal(line: Line, address: str, limit: Deadline) -> ClinecliError | None:
    """Why an address of the first hop does not accept; None when it does."""
    try:
        connect(line.hop, [address], limit)[0].close()
    except ClinecliError as error:
        return error
    return None


def other_family(line: Line, found: Addresses | None, failed: str) -> Ways | None:
    """Where TLS at one address fails: whether it works by the other family."""
    number = version(failed)
    other = next((a for a in (found.addresses if found else ()) if version(a) != number), None)
    if not other or line.route.proxy:
        return None
    summary = f"IPv{number} ({failed}) accepts, but fails at TLS"
    limit = line.whole(_WAY_SECONDS)
    try:
        plain = connect(line.hop, [other], limit)[0]
        handshake(plain, line.transport.trust(), line.route.origin.host, limit, Stage.TLS)[
            0
        ].close()
    except ClinecliError as error:
        return Ways(f"{summary}, and so does IPv{10 - number} ({other}): {error.message}")
    return Ways(
        f"IPv{10 - number} ({other}) works, {summary}",
        f"turn IPv{number} off, or lower the MTU: large packets get lost on that way",
    )


def beside_direct(line: Line, finding: Finding) -> Finding:
    """A failure on the way through the proxy, with how the direct one fares."""
    compared = _direct_way(line)
    if not compared:
        return finding
    if compared.remedy:
        finding = finding._replace(
            summary=f"{finding.summary}; directly it works",
            remedy=f"{finding.remedy}; or {compared.remedy}",
        )
    return finding.knowing(compared)


def _direct_way(line: Line) -> Ways | None:
    """Where the way through the proxy fails: whether it works without."""
    proxy, origin = line.route.proxy, line.route.origin
    # Who names socks5h:// does not want this machine to look the name up, or to go there.
    if not proxy or proxy.scheme == "socks5h":
        return None
    seconds = min(line.settings.connect_timeout, _WAY_SECONDS)
    try:
        made = dial(Route(origin), line.transport.trust, line.whole(_WAY_SECONDS), seconds)
    except ClinecliError as error:
        return Ways(f"fails through the proxy, and directly, too: {error.message}")
    made.socket.close()
    return Ways(
        f"works directly, fails through the proxy {proxy}",
        without_proxy(line.environ, origin.host, proxy.source),
    )


def without_proxy(environ: Mapping[str, str], host: str, source: str) -> str:
    """How to pass a proxy by for one host."""
    if source == "--proxy":
        return "leave out --proxy"
    variable, entries = no_proxy(environ)
    return f"pass the proxy by: export {variable}={','.join([*entries, host])}"


def through_proxy(line: Line, proxy: Proxy, remedy: str) -> Ways:
    """Where the direct way fails: whether it works through a proxy that is known elsewhere."""
    route = Route(line.route.origin, proxy)
    seconds = min(line.settings.connect_timeout, _WAY_SECONDS)
    try:
        made = dial(route, line.transport.trust, line.whole(_WAY_SECONDS), seconds)
    except ClinecliError as error:
        return Ways(f"fails directly, and through {route.hop.name}: {error.message}")
    made.socket.close()
    return Ways(f"works through {route.hop.name}, fails directly", remedy)
