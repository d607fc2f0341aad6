"""Checks of what is on this machine: versions, settings and the key."""

from __future__ import annotations

import os
import shlex
import ssl
import sys
from collections.abc import Iterator

from clinecli import __version__
from clinecli.config.files import mode_for_others
from clinecli.config.keys import Key, KeyPlace, find_key, key_places
from clinecli.config.load import load_settings
from clinecli.config.paths import config_path
from clinecli.config.secret import Secret
from clinecli.doctor.check import Outcome, ok, warn
from clinecli.doctor.context import Context
from clinecli.errors import ConfigError

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


def key(context: Context) -> Outcome:
    """The key that `ask` would use; the others are only compared with it."""
    places = key_places(context.settings, context.environ)
    found, file = _first(places)
    if not found:
        # Raises what `ask` raises.
        found = find_key(context.settings, context.environ)
    context.key = found
    context.secrets.append(found.secret)
    others, details = [], []
    for place in places:
        if place.is_command:
            # It may ask for a fingerprint: it is not run for a comparison.
            unused = ["key_command of the config file"] * bool(context.settings.key_command)
            details += [f"not used, and not run: {name}" for name in unused]
            continue
        try:
            others += [other for other in [place.read()] if other]
        except ConfigError as error:
            details.append(f"not used, and of no use: {error.message}")
    return _judged(found, file, others, details)


def _first(places: Iterator[KeyPlace]) -> tuple[Key | None, str | None]:
    for place in places:
        found = place.read()
        if found:
            return found, place.file
    return None, None


def _judged(found: Key, file: str | None, others: list[Key], details: list[str]) -> Outcome:
    summary = f"from {found.source}, {_described(found.secret)}"
    details += [f"the same key: {other.source}" for other in others if _same(found, other)]
    different = [other.source for other in others if not _same(found, other)]
    mode = mode_for_others(file) if file else None
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
