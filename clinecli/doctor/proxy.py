"""The check of the tunnel through the proxy, and what a proxy may be instead of one."""

from __future__ import annotations

import time
from typing import NamedTuple

from clinecli.config.proxy import CONFIG_PROXY, Proxy
from clinecli.doctor.check import Finding, Findings, failed, ok, skip, warn
from clinecli.doctor.setup import Line, Setup
from clinecli.doctor.tcp import Open
from clinecli.doctor.ways import beside_direct
from clinecli.errors import ClinecliError, Code, ConnectionFailed, TlsError
from clinecli.transport.dial import connect, resolve, through_proxy

_SLOW_SECONDS = 3.0
_PROBE_SECONDS = 1.0
_DNS = {Code.DNS_NOT_FOUND, Code.DNS_FAILED, Code.DNS_TIMEOUT}


class Tunnel(NamedTuple):
    """The time that the proxy took to open a tunnel."""

    seconds: float


def proxy(_setup: Setup, known: Findings) -> Finding:
    """The tunnel through the proxy."""
    line, dialled = known[Line], known[Open].dialled
    route = line.route
    if not route.proxy:
        return skip("not used: the connection is direct")
    if not route.is_tunnelled and route.proxy.scheme == "http":
        return skip("no tunnel is needed for http://")
    began = time.monotonic()
    limit, seconds = line.whole(), line.settings.connect_timeout
    try:
        dialled = through_proxy(route, dialled, line.transport.trust, limit, seconds)
    except (TlsError, ConnectionFailed) as error:
        return _no_tunnel(line, error)
    took = time.monotonic() - began
    target = f"{route.origin.host}:{route.origin.port}"
    summary = f"{route.proxy} lets through to {target}"
    if not route.is_tunnelled:
        summary = f"TLS with {route.proxy}; no tunnel is needed for http://"
    facts = (Tunnel(took), Open(dialled))
    if took > _SLOW_SECONDS:
        remedy = "the proxy is slow: ask its operator"
        return warn(f"{summary}, after {took:.1f} s", remedy=remedy).knowing(*facts)
    return ok(summary).knowing(*facts)


def _no_tunnel(line: Line, error: ClinecliError) -> Finding:
    from clinecli.doctor.refusal import refused

    named = named_proxy(line, error)
    finding = (
        refused(line, named, with_proxy=True) if isinstance(named, TlsError) else failed(named)
    )
    finding = finding._replace(remedy=instead_of_a_proxy(line, error) or finding.remedy)
    return beside_direct(line, finding)


def named_proxy(line: Line, error: ClinecliError) -> ClinecliError:
    """The same error, told of the proxy, and what may be wrong with how it is named."""
    used = line.route.proxy
    if not used or line.hop.name in error.message:
        return error
    named = error.but(message=f"{line.hop.name}: {error.message}")
    untrusted = (error.code or "").startswith("verify")
    if used.scheme == "https" and error.http_status is None and not untrusted:
        hint = (
            f"is {line.hop.port} the port of the proxy's own TLS? Most proxies speak plain "
            "HTTP: name it with http://"
        )
        return named.but(hints=(hint,))
    return named


def instead_of_a_proxy(line: Line, error: ClinecliError) -> str:
    """What to do where the proxy is named in a wrong way; empty where it is not."""
    from clinecli.doctor.proxies import pac_remedy

    used = line.route.proxy
    if not used:
        return ""
    if pac := pac_remedy(line):
        return pac
    if used.scheme == "socks5" and error.code in _DNS:
        said = "socks5:// resolves names on this machine; let the proxy resolve them"
        return f"{said}: {_setting(used, 'socks5h')}"
    is_refusal = error.http_status not in {None, 400}
    is_garbled = error.code in {Code.PROXY, Code.CLOSED} and not is_refusal
    return _other_protocol(line, used) if is_garbled else ""


def _other_protocol(line: Line, used: Proxy) -> str:
    if used.scheme == "http" and _greets(line, b"\x05\x01\x00", b"\x05"):
        return f"it is a SOCKS proxy: {_setting(used, 'socks5h')}"
    if used.is_socks and _greets(line, b"OPTIONS * HTTP/1.0\r\n\r\n", b"HTTP/"):
        return f"it is an HTTP proxy: {_setting(used, 'http')}"
    return ""


def _setting(used: Proxy, scheme: str) -> str:
    """The same setting with another scheme. Not with the password, which must not be shown."""
    login = "USER:PASSWORD@" if used.username is not None else ""
    url = str(used._replace(scheme=scheme)).replace("://", f"://{login}")
    if used.source == "--proxy":
        return f"--proxy {url}"
    if used.source == CONFIG_PROXY:
        return f'proxy = "{url}" in the config file'
    return f"export {used.source}={url}"


def _greets(line: Line, words: bytes, answer: bytes) -> bool:
    """Whether who listens at the proxy's port answers as another protocol has it."""
    limit = line.whole(_PROBE_SECONDS)
    try:
        with connect(line.hop, resolve(line.hop, limit), limit)[0] as connection:
            connection.settimeout(_PROBE_SECONDS)
            connection.sendall(words)
            return connection.recv(64).startswith(answer)
    except (ClinecliError, OSError):
        return False
