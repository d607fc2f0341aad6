"""What addresses, name servers and routes say about the network. Nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, NamedTuple

from clinecli.reading import MIB, TooLarge, read_file

RESOLV_CONF = Path("/etc/resolv.conf")
_HOSTS = Path("/etc/hosts")
_ROUTES_4, _ROUTES_6 = Path("/proc/net/route"), Path("/proc/net/ipv6_route")
# Names that a private network may well answer for by itself (RFC 6761, 6762, 8375, and habits).
_LOCAL_SUFFIXES = (
    *(".localhost", ".local", ".internal", ".lan", ".home", ".corp", ".intranet", ".private"),
    *(".test", ".home.arpa", ".svc", ".cluster.local", ".docker"),
)
# Addresses of carriers and of VPNs (RFC 6598), which are not private by the letter.
_SHARED = ip_network("100.64.0.0/10")


_FILE_BYTES, _FILE_SECONDS = MIB, 0.5


class Addresses(NamedTuple):
    """What DNS says of the first hop. `doubt` is what is odd about it and `remedy` what mends
    that, both empty when nothing is."""

    addresses: tuple[str, ...]
    seconds: float
    doubt: str = ""
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {"addresses": list(self.addresses), "doubt": self.doubt or None}


def doubt_about(host: str, addresses: Sequence[str]) -> str:
    """Why the addresses of a public name may not be its own; empty when nothing is odd."""
    name = host.lower().rstrip(".")
    if "." not in name or name.endswith(_LOCAL_SUFFIXES):
        return ""
    for address in addresses:
        found = ip_address(address.partition("%")[0])
        if found.is_unspecified:
            return f"{host} is {address}, which leads nowhere: an ad blocker{_hosts(host)}"
        if found.is_loopback:
            return f"{host} is {address}, this machine itself: an ad blocker{_hosts(host)}"
        if found.is_private or found in _SHARED or found.is_link_local:
            return f"{host} is {address}, a private address for a public name: a VPN{_hosts(host)}"
    line = _in_hosts_file(host)
    return f"{host} is {addresses[0]} by line {line} of {_HOSTS}" if line else ""


def remedy_for(host: str) -> str:
    """What mends addresses that are not a name's own."""
    line = _in_hosts_file(host)
    if line:
        return f"remove or correct line {line} of {_HOSTS}"
    return "ask who runs this network's DNS, or turn off the VPN or DNS filter"


def _hosts(host: str) -> str:
    line = _in_hosts_file(host)
    return f" or rather {_HOSTS}, line {line}" if line else ", a DNS filter or a captive portal"


def _in_hosts_file(host: str) -> int | None:
    """The line of the hosts file that names a host."""
    for number, line in enumerate(read_small(_HOSTS).splitlines(), 1):
        if host.lower() in line.partition("#")[0].lower().split()[1:]:
            return number
    return None


def read_small(path: Path) -> str:
    """The text of a file of this machine; empty for one that cannot be read, or not at once: what
    is only looked at must not hold anything up."""
    with suppress(OSError, ValueError, TooLarge):
        data = read_file(str(path), limit=_FILE_BYTES, seconds=_FILE_SECONDS)
        return data.decode("utf-8", "replace")
    return ""


def name_servers() -> list[str]:
    """The resolvers of this machine."""
    lines = (line.split() for line in read_small(RESOLV_CONF).splitlines())
    return [words[1] for words in lines if words[:1] == ["nameserver"] and len(words) > 1]


def resolver_details() -> Iterator[str]:
    """What there is to say of the name servers."""
    servers = name_servers()
    for server in servers:
        yield f"name server {server} (from {RESOLV_CONF})"
    if not servers:
        yield f"no name server is set in {RESOLV_CONF}"


def has_default_route() -> bool | None:
    """Whether this machine has a way to the outside; None where that cannot be told."""
    try:
        lines = _ROUTES_4.read_text("ascii").splitlines()[1:]
    except (OSError, UnicodeError):
        return None
    if any(line.split()[1:2] == ["00000000"] for line in lines):
        return True
    with suppress(OSError, UnicodeError):
        for line in _ROUTES_6.read_text("ascii").splitlines():
            words = line.split()
            if words[:2] == ["0" * 32, "00"] and words[-1:] != ["lo"]:
                return True
    return False


def version(address: str) -> int:
    """4 or 6."""
    return 6 if ":" in address else 4
