"""Checks of the variables that decide about the network: proxies and trust."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from clinecli.config.proxy import (
    bypassed,
    no_proxy,
    parse_proxy,
    proxy_variables,
)
from clinecli.config.settings import Settings
from clinecli.doctor.check import Finding, Findings, failed, ok, skip, warn
from clinecli.doctor.setup import Line, Setup
from clinecli.errors import ClinecliError
from clinecli.transport.client import Transport
from clinecli.transport.tls import has_system_store

# Variables by which other tools are told what to trust, and which mean nothing here.
FOREIGN_TRUST = (
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
)
_PROXY_NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


# Proxies


def proxy(setup: Setup, known: Findings) -> Finding:
    """The hop that is really used, and what in the variables is not as it seems."""
    environ, settings = setup.environ, known[Settings]
    details = [*_listed(settings, environ)]
    try:
        transport = Transport(settings, environ)
    except ClinecliError as error:
        return failed(error, *details)
    chosen = transport.route.proxy
    line = Line(settings, transport, environ)
    doubts = [*_contradictions(environ), *_useless_entries(environ)]
    details += _entries_httpx_fails_at(environ)
    if chosen:
        credentials = ", with credentials" if chosen.username is not None else ""
        summary = f"{chosen} from {chosen.source}{credentials}"
    else:
        summary = why_direct(settings, environ)
    if doubts:
        remedy = "set each variable once, and NO_PROXY to names, addresses and networks"
        return warn(summary, *doubts, *details, remedy=remedy).knowing(line)
    return ok(summary, *details).knowing(line)


def why_direct(settings: Settings, environ: Mapping[str, str]) -> str:
    """Why no proxy is used."""
    base_url = settings.base_url
    if settings.proxy is not None:
        return "a direct connection: --proxy is empty"
    variables = [name for name, _ in proxy_variables(base_url.scheme, environ)]
    variables += ["proxy of the config file"] if settings.config_proxy else []
    variable, entries = no_proxy(environ)
    if variables and bypassed(base_url.host, base_url.port, entries):
        return f"a direct connection: {variable} covers {base_url.host}, {variables[0]} is set"
    return "a direct connection: no proxy is set"


def _listed(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    """Every variable about proxies, without credentials."""
    counting = [name for name, _ in proxy_variables(settings.base_url.scheme, environ)]
    if settings.proxy is not None:
        counting = []
    for name in _set_variables(environ):
        value = environ[name].strip()
        if name.lower() == "no_proxy":
            yield f"{name}: {value}"
            continue
        try:
            shown = str(parse_proxy(value, name))
        except ClinecliError as error:
            shown = error.message
        role = "" if name in counting[:1] else " (does not count for this base URL)"
        yield f"{name}: {shown}{role}"


def _set_variables(environ: Mapping[str, str]) -> list[str]:
    names = [spelled for name in _PROXY_NAMES for spelled in (name, name.upper())]
    return [name for name in names if environ.get(name, "").strip()]


def _contradictions(environ: Mapping[str, str]) -> Iterator[str]:
    for name in _PROXY_NAMES:
        lower, upper = environ.get(name), environ.get(name.upper())
        if lower is not None and upper is not None and lower.strip() != upper.strip():
            yield f"{name} and {name.upper()} differ: {name} counts"


def _useless_entries(environ: Mapping[str, str]) -> Iterator[str]:
    """Entries of NO_PROXY that cover nothing."""
    variable, entries = no_proxy(environ)
    for entry in entries:
        if "://" in entry or re.search(r"(?<!^)\*", entry):
            yield f"{variable}: {entry} is no name, address or network, and covers nothing"
        elif "/" in entry and not _is_network(entry):
            yield f"{variable}: {entry} is not a network, and covers nothing"


def _entries_httpx_fails_at(environ: Mapping[str, str]) -> Iterator[str]:
    variable, entries = no_proxy(environ)
    for entry in entries:
        is_network = "/" in entry and _is_network(entry)
        if entry.startswith("[") or (is_network and ":" in entry):
            yield f"{variable}: {entry} works here, but ends other programs that use httpx"
        elif is_network:
            yield f"{variable}: {entry} works here, but not in other programs that use httpx"


def _is_network(entry: str) -> bool:
    from ipaddress import ip_network

    try:
        ip_network(entry, strict=False)
    except ValueError:
        return False
    return True


# Trust


def ca(setup: Setup, known: Findings) -> Finding:
    """Where trust comes from, and whether it can be had."""
    finding = _authorities(setup, known)
    cert = known[Settings].cert
    if not cert or finding.status == "fail":
        return finding
    from clinecli.doctor.certificate import client_certificate_of

    certificate = client_certificate_of(cert)
    if certificate and certificate.not_after.timestamp() < setup.now():
        return warn(
            f"the client certificate (--cert) expired on {certificate.not_after:%Y-%m-%d}",
            *finding.details,
            remedy="get a current one from who issued it",
        ).knowing(*finding.facts)
    return finding


def _authorities(setup: Setup, known: Findings) -> Finding:
    settings, environ, line = known[Settings], setup.environ, known.get(Line)
    route = line.route if line else None
    needed = route.needs_trust if route else settings.base_url.scheme == "https"
    details = [*_overruled(settings, environ)]
    if not needed:
        return _unused_trust(settings, environ, details)
    try:
        if line:
            line.transport.trust()
    except ClinecliError as error:
        return failed(error, *details)
    source = trust_source(settings, environ)
    if source:
        return ok(f"trusts the CAs of {source}", *details)
    return _system_trust(environ, details)


def _unused_trust(settings: Settings, environ: Mapping[str, str], details: list[str]) -> Finding:
    # Not by loading it, which takes longer than all other checks together.
    files = [("--ca-file", settings.ca_file), ("SSL_CERT_FILE", environ.get("SSL_CERT_FILE"))]
    missing = [f"{name} {file}" for name, file in files if file and not Path(file).is_file()]
    if missing:
        return warn(
            f"not used over http://, but not a file: {', '.join(missing)}",
            *details,
            remedy="point it at a PEM file of CA certificates, or unset it",
        )
    return skip("not used: no https:// is involved", *details)


def _system_trust(environ: Mapping[str, str], details: list[str]) -> Finding:
    if not has_system_store():
        return warn(
            "this machine has no store of CAs: certifi's is used instead",
            *details,
            remedy="install the package ca-certificates, or set SSL_CERT_FILE",
        )
    foreign = [name for name in FOREIGN_TRUST if environ.get(name)]
    if foreign:
        return warn(
            f"trusts the system's CAs; {', '.join(foreign)} is for other tools",
            *details,
            remedy=f'if a private CA is needed here: export SSL_CERT_FILE="${foreign[0]}"',
        )
    return ok("trusts the system's CAs", *details)


def trust_source(settings: Settings, environ: Mapping[str, str]) -> str:
    """The settings that replace the system's CAs; empty when there are none."""
    if settings.ca_file:
        return f"--ca-file {settings.ca_file}"
    names = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)]
    return " and ".join(f"{name} {environ[name]}" for name in names)


def _overruled(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if name in environ and not environ[name]:
            yield f"{name} is empty, as if it were not set"
        elif name in environ and settings.ca_file:
            yield f"{name} does not count: --ca-file does"
    for directory in environ.get("SSL_CERT_DIR", "").split(os.pathsep):
        if directory and not Path(directory).is_dir():
            yield f"SSL_CERT_DIR: {directory} is not a directory"
    for name in FOREIGN_TRUST:
        if environ.get(name):
            yield f"{name} is for other tools and does not count here"
