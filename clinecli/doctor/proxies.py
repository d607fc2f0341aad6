"""Proxies that this machine knows of and this call does not use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from clinecli.config.paths import home
from clinecli.config.proxy import (
    CONFIG_PROXY,
    Proxy,
    bypassed,
    no_proxy,
    parse_proxy,
    proxy_variables,
)
from clinecli.doctor.addresses import read_small
from clinecli.doctor.check import Finding
from clinecli.doctor.setup import Line
from clinecli.doctor.ways import Ways, beside_direct, through_proxy
from clinecli.errors import ClinecliError

_GSETTINGS_SECONDS = 2.0
# So many of the proxies that are found are tried.
_TRIED = 3


class Unused(NamedTuple):
    """A proxy that is configured somewhere, and what makes this call use it. `proxy` is None where
    it is not known, or wants a login."""

    where: str
    remedy: str
    proxy: Proxy | None = None


def _unused_proxies(line: Line) -> list[Unused]:
    """What may be missing when the direct way fails; nothing where a proxy is used."""
    if line.settings.proxy is not None:
        return []
    return [*_of_variables(line), *_of_files(line), *_of_desktop(line.environ)]


def with_proxies(line: Line, finding: Finding) -> Finding:
    """A failure of the first hop: how the direct way fares where that is a proxy; else the proxies
    that may be missing, the one first through which the API is reached."""
    if line.route.proxy:
        remedy = pac_remedy(line) or finding.remedy
        return beside_direct(line, finding._replace(remedy=remedy))
    unused = _unused_proxies(line)
    if not unused:
        return finding
    compared: Ways | None = None
    for found in unused[:_TRIED]:
        if found.proxy and not (compared and compared.remedy):
            compared = through_proxy(line, found.proxy, found.remedy)
            if compared.remedy:
                unused.sort(key=lambda other, best=found: other is not best)  # type: ignore[misc]
    details = (*finding.details, *(found.where for found in unused))
    finding = finding._replace(details=details, remedy=f"{unused[0].remedy} ({unused[0].where})")
    return finding.knowing(compared) if compared else finding


def _of_variables(line: Line) -> Iterator[Unused]:
    environ, base_url = line.environ, line.settings.base_url
    variable, entries = no_proxy(environ)
    named = [name for name, _ in proxy_variables(base_url.scheme, environ)]
    if named and bypassed(base_url.host, base_url.port, entries):
        yield Unused(
            f"{named[0]} is set, but {variable} covers {base_url.host}",
            f"take {base_url.host} out of {variable}",
            _usable(environ[named[0]], named[0]),
        )
    other = next((name for name in ("http_proxy", "HTTP_PROXY") if environ.get(name)), None)
    if other and not named and base_url.scheme == "https":
        yield Unused(
            f"{other} is set, which does not count for https://",
            f'export HTTPS_PROXY="${other}"',
            _usable(environ[other], other),
        )
    if environ.get("auto_proxy"):
        yield Unused("auto_proxy names a PAC file", _PAC_REMEDY)


def pac_remedy(line: Line) -> str:
    """What to do where a PAC file is named as if it were a proxy; empty where that is not so."""
    used, settings = line.route.proxy, line.settings
    if not used:
        return ""
    given = {"--proxy": settings.proxy, CONFIG_PROXY: settings.config_proxy}
    url = given.get(used.source) or line.environ.get(used.source) or ""
    if not url.partition("?")[0].rstrip("/").lower().endswith(_PAC_ENDS):
        return ""
    return f"{used.source} names a PAC file and no proxy: open it, and set the proxy it names"


_PAC_ENDS = (".pac", ".dat")
_PAC_REMEDY = "open the PAC file, and export HTTPS_PROXY with the proxy that it names"
_GIT, _APT, _PIP = (
    re.compile(r"^\s*proxy\s*=\s*(\S+)", re.MULTILINE),
    re.compile(r'^\s*(?:Acquire::https?::|[^#/]*\{\s*)?Proxy\s+"([^"]+)"', re.M | re.I),
    re.compile(r"^\s*proxy\s*=\s*(\S+)", re.MULTILINE),
)
_ENVIRONMENT = re.compile(
    r"""^\s*(?:export\s+)?(?:https?|all)_proxy\s*=\s*["']?([^"'\s]+)""",
    re.MULTILINE | re.IGNORECASE,
)
_SHELLS = (".profile", ".bash_profile", ".bashrc", ".zshrc", ".wgetrc")
_DOCKER = re.compile(r'"https?Proxy"\s*:\s*"([^"]+)"')
_NPM = re.compile(r"^\s*(?:https-)?proxy\s*=\s*(\S+)", re.MULTILINE)


def _of_files(line: Line) -> Iterator[Unused]:
    own = home(line.environ)
    apt = [Path("/etc/apt/apt.conf"), *sorted(Path("/etc/apt/apt.conf.d").glob("*"))]
    files = [
        *((path, _GIT) for path in (own / ".gitconfig", own / ".config/git/config")),
        (Path("/etc/gitconfig"), _GIT),
        *((path, _APT) for path in apt),
        *((path, _PIP) for path in (own / ".config/pip/pip.conf", own / ".pip/pip.conf")),
        (Path("/etc/pip.conf"), _PIP),
        (Path("/etc/environment"), _ENVIRONMENT),
        (own / ".curlrc", re.compile(r"^\s*-?-?proxy\s*[=\s]\s*[\"']?([^\"'\s]+)", re.MULTILINE)),
        (own / ".npmrc", _NPM),
        (own / ".docker/config.json", _DOCKER),
        *((own / name, _ENVIRONMENT) for name in _SHELLS),
        *((path, _ENVIRONMENT) for path in sorted(Path("/etc/profile.d").glob("*.sh"))),
        *((Path(path), _PIP) for path in ("/etc/dnf/dnf.conf", "/etc/yum.conf")),
    ]
    for path, pattern in files:
        match = pattern.search(read_small(path))
        if match:
            yield _named(str(path), match[1])


def _named(where: str, url: str) -> Unused:
    try:
        found = parse_proxy(url, where)
    except ClinecliError:
        return Unused(f"{where} names a proxy", "export HTTPS_PROXY with that proxy")
    # Never with its password.
    login = " with its user and password" if found.username is not None else ""
    return Unused(
        f"{where} uses the proxy {found}{login}, this shell does not",
        f"export HTTPS_PROXY={found}{login}",
        _usable(url, where),
    )


def _usable(url: str, where: str) -> Proxy | None:
    """A proxy that can be tried: without a login, which is for who configured it."""
    with suppress(ClinecliError):
        found = parse_proxy(url, where)
        return found if found.username is None else None
    return None


def _of_desktop(environ: Mapping[str, str]) -> Iterator[Unused]:
    mode = _gsetting(environ, "org.gnome.system.proxy", "mode")
    if mode == "auto":
        url = _gsetting(environ, "org.gnome.system.proxy", "autoconfig-url")
        yield Unused(f"GNOME uses the PAC file {url}", _PAC_REMEDY)
    elif mode == "manual":
        for schema in ("https", "http"):
            host = _gsetting(environ, f"org.gnome.system.proxy.{schema}", "host")
            port = _gsetting(environ, f"org.gnome.system.proxy.{schema}", "port")
            if host:
                yield _named("GNOME", f"http://{host}:{port}")
                return


def _gsetting(environ: Mapping[str, str], schema: str, name: str) -> str:
    import shutil
    import subprocess

    program = shutil.which("gsettings", path=environ.get("PATH"))
    if not program:
        return ""
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            [program, "get", schema, name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GSETTINGS_SECONDS,
            check=False,
            env=dict(environ),
        )
        return done.stdout.decode("utf-8", "replace").strip().strip("'")
    return ""
