"""Proxies that this machine knows of and this call does not use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from clinecli.config.paths import home
from clinecli.config.proxy import bypassed, no_proxy, parse_proxy, proxy_variables
from clinecli.doctor.setup import Line
from clinecli.errors import ClinecliError

_GSETTINGS_SECONDS = 2.0


class Unused(NamedTuple):
    """A proxy that is configured somewhere, and what makes this call use it."""

    where: str
    remedy: str


def unused_proxies(line: Line) -> list[Unused]:
    """What may be missing when the direct way fails; nothing where a proxy is used."""
    if line.route.proxy or line.settings.proxy is not None:
        return []
    return [*_of_variables(line), *_of_files(line), *_of_desktop(line.environ)]


def _of_variables(line: Line) -> Iterator[Unused]:
    environ, base_url = line.environ, line.settings.base_url
    variable, entries = no_proxy(environ)
    named = [name for name, _ in proxy_variables(base_url.scheme, environ)]
    if named and bypassed(base_url.host, base_url.port, entries):
        yield Unused(
            f"{named[0]} is set, but {variable} covers {base_url.host}",
            f"take {base_url.host} out of {variable}",
        )
    other = next((name for name in ("http_proxy", "HTTP_PROXY") if environ.get(name)), None)
    if other and not named and base_url.scheme == "https":
        yield Unused(
            f"{other} is set, which does not count for https://",
            f'export HTTPS_PROXY="${other}"',
        )
    if environ.get("auto_proxy"):
        yield Unused("auto_proxy names a PAC file", _PAC_REMEDY)


_PAC_REMEDY = "open the PAC file, and export HTTPS_PROXY with the proxy that it names"
_GIT, _APT, _PIP = (
    re.compile(r"^\s*proxy\s*=\s*(\S+)", re.MULTILINE),
    re.compile(r'^\s*Acquire::https?::Proxy\s+"([^"]+)"', re.MULTILINE | re.IGNORECASE),
    re.compile(r"^\s*proxy\s*=\s*(\S+)", re.MULTILINE),
)
_ENVIRONMENT = re.compile(
    r"""^\s*(?:export\s+)?(?:https?|all)_proxy\s*=\s*["']?([^"'\s]+)""",
    re.MULTILINE | re.IGNORECASE,
)
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
    ]
    for path, pattern in files:
        with suppress(OSError, UnicodeError):
            match = pattern.search(path.read_text("utf-8"))
            if match:
                yield _named(str(path), match[1])


def _named(where: str, url: str) -> Unused:
    try:
        # Never with its password.
        shown = str(parse_proxy(url, where))
    except ClinecliError:
        return Unused(f"{where} names a proxy", "export HTTPS_PROXY with that proxy")
    return Unused(
        f"{where} uses the proxy {shown}, this shell does not", f"export HTTPS_PROXY={shown}"
    )


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
