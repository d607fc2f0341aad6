"""Checks of what is on this machine: versions, settings and the key."""

from __future__ import annotations

import os
import shlex
import ssl
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from clinecli import __version__
from clinecli.config.keys import (
    KEY_FILE_VARIABLE,
    Key,
    config_path,
    find_key,
    key_readers,
    load_settings,
    providers_path,
)
from clinecli.config.secret import Secret
from clinecli.doctor.check import Outcome, ok, warn
from clinecli.doctor.context import Context
from clinecli.errors import ConfigError

# Where `key_readers` has the key command.
_COMMAND = 4
# The end of a key tells which one it is; of a short one it would tell too much.
_SHOWN_ABOVE = 12


def runtime(_context: Context) -> Outcome:
    """Versions and platform."""
    from importlib.metadata import version

    python = ".".join(map(str, sys.version_info[:3]))
    openssl = " ".join(ssl.OPENSSL_VERSION.split()[:2])
    system = os.uname()
    return ok(
        f"clinecli {__version__}, Python {python}, h11 {version('h11')}, {openssl}, "
        f"{system.sysname} {system.machine}",
        f"{system.sysname} is {system.release}",
        f"Python is {sys.executable}",
    )


def config(context: Context) -> Outcome:
    """The settings, as `ask` resolves them."""
    path = config_path(context.environ)
    options = context.options
    context.settings = settings = load_settings(
        options.network, context.environ, model=options.model
    )
    return ok(
        f"{settings.base_url}, model {settings.model}",
        f"base URL from {settings.base_url_source}",
        f"model from {settings.model_source}",
        f"config file {path}" + ("" if path.exists() else ", which does not exist"),
    )


class _Source(NamedTuple):
    """Where a key may be. `file` is the file that it is read from."""

    read: Callable[[], Key | None]
    file: str | None
    is_command: bool


def key(context: Context) -> Outcome:
    """The key that `ask` would use; the others are only compared with it."""
    sources = _sources(context)
    found, file = _first(sources)
    if not found:
        # Raises what `ask` raises.
        found = find_key(context.settings, context.environ)
    context.key = found
    context.secrets.append(found.secret)
    others, details = [], []
    for source in sources:
        if source.is_command:
            # It may ask for a fingerprint: it is not run for a comparison.
            unused = ["key_command of the config file"] * bool(context.settings.key_command)
            details += [f"not used, and not run: {name}" for name in unused]
            continue
        try:
            others += [other for other in [source.read()] if other]
        except ConfigError as error:
            details.append(f"not used, and of no use: {error.message}")
    return _judged(found, file, others, details)


def _sources(context: Context) -> Iterator[_Source]:
    """In order of precedence. Each is read once at most: a key file may be a pipe."""
    settings, environ = context.settings, context.environ
    files = (
        settings.key_file,
        None,
        environ.get(KEY_FILE_VARIABLE),
        settings.config_key_file,
        None,
        str(providers_path(environ)),
    )
    readers = zip(key_readers(settings, environ), files, strict=True)
    for position, (read, file) in enumerate(readers):
        yield _Source(read, file, position == _COMMAND)


def _first(sources: Iterator[_Source]) -> tuple[Key | None, str | None]:
    for source in sources:
        found = source.read()
        if found:
            return found, source.file
    return None, None


def _judged(found: Key, file: str | None, others: list[Key], details: list[str]) -> Outcome:
    summary = f"from {found.source}, {_described(found.secret)}"
    details += [f"the same key: {other.source}" for other in others if _same(found, other)]
    different = [other.source for other in others if not _same(found, other)]
    mode = _mode_for_others(file)
    warnings = []
    if different:
        warnings.append(
            (
                f"another key, which is not used, is in {', '.join(different)}",
                "remove the one that is out of date",
            )
        )
    if mode:
        warnings.append(
            (f"others can read {file} (mode {mode:04o})", f"chmod 600 {shlex.quote(str(file))}")
        )
    if found.secret.reveal().startswith("workos:"):
        warnings.append(
            (
                "it is an account token (workos:), which expires",
                "create an API key at https://app.cline.bot, Settings > API Keys",
            )
        )
    if not warnings:
        return ok(summary, *details)
    said, remedies = zip(*warnings, strict=True)
    return warn("; ".join([summary, *said]), *details, remedy="; ".join(remedies))


def _same(one: Key, other: Key) -> bool:
    return one.secret == other.secret


def _described(secret: Secret) -> str:
    key = secret.reveal()
    end = f", ending in {key[-4:]}" if len(key) > _SHOWN_ABOVE else ""
    return f"{len(key)} characters{end}"


def _mode_for_others(file: str | None) -> int | None:
    """The mode of a key file that others can read or write; None when they cannot."""
    if not file:
        return None
    try:
        mode = Path(os.path.expanduser(file)).stat().st_mode  # noqa: PTH111
    except OSError:
        return None
    return stat.S_IMODE(mode) if stat.S_ISREG(mode) and mode & 0o077 else None
