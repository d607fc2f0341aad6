"""The check of the key that `ask` would use."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

from clinecli.config.files import mode_for_others
from clinecli.config.hints import is_cline
from clinecli.config.keys import (
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    Key,
    KeyPlace,
    find_key,
    key_places,
)
from clinecli.config.secret import Secret
from clinecli.config.settings import Settings
from clinecli.doctor.check import Finding, Findings, Planned, ok, warn
from clinecli.doctor.doubts import Doubt, Doubts, doubts_about
from clinecli.doctor.setup import Setup
from clinecli.errors import Code, ConfigError

# Digits of the SHA-256 of a key, to compare two machines: they tell nothing of the key.
_HASH_DIGITS = 8
# A guess of a shorter key could be proved right by its hash.
_HASHED_FROM = 16
# What CLINE_API_KEY is called by mistake.
_MISSPELT = re.compile(
    rf"(?!{KEY_VARIABLE}$|{KEY_FILE_VARIABLE}$)(?i:CLINE(?:CLI)?_?(?:API)?_?(?:KEY|TOKEN|SECRET))"
)
# How to do without a key, by where it is from.
_WITHOUT = {
    KEY_VARIABLE: f"unset {KEY_VARIABLE}",
    KEY_FILE_VARIABLE: f"unset {KEY_FILE_VARIABLE}",
    "--key-file": "leave --key-file out",
    "key_command": "take key_command out of the config file",
    "key_file of the config file": "take key_file out of the config file",
}


def key(setup: Setup, known: Findings) -> Finding:
    """The key that `ask` would use; the others are only compared with it."""
    settings = known[Settings]
    places = key_places(settings, setup.environ)
    found, file = _first(places)
    if not found:
        found = _missing(settings, setup.environ)
    others, details = [], []
    for place in places:
        if place.is_command:
            # It may ask for a fingerprint: it is not run for a comparison.
            unused = ["key_command of the config file"] * bool(settings.key_command)
            details += [f"not used, and not run: {name}" for name in unused]
            continue
        try:
            others += [other for other in [place.read()] if other]
        except ConfigError as error:
            details.append(f"not used, and of no use: {error.message}")
    secret, on_cline = found.secret.reveal(), is_cline(settings.base_url)
    doubts = Doubts(
        (*_another(found, others), *doubts_about(secret, setup.now(), is_cline=on_cline))
    )
    details += [f"the same key: {other.source}" for other in others if _same(found, other)]
    decides = "api.auth" in known[Planned].checks
    return _judged(found, file, details, doubts, decides=decides).knowing(found, doubts)


def _first(places: Iterator[KeyPlace]) -> tuple[Key | None, str | None]:
    for place in places:
        found = place.read()
        if found:
            return found, place.file
    return None, None


def _missing(settings: Settings, environ: Mapping[str, str]) -> Key:
    """Raises what `ask` raises, and names a variable that was meant."""
    try:
        return find_key(settings, environ)
    except ConfigError as error:
        names = [name for name in environ if _MISSPELT.fullmatch(name) and environ[name].strip()]
        if error.code is not Code.NO_KEY or settings.profile or not names:
            raise
        raise error.but(
            message=f"{error.message}: {names[0]} is set, but the name is {KEY_VARIABLE}",
            hints=(f'export {KEY_VARIABLE}="${names[0]}"',),
        ) from None


def _another(found: Key, others: list[Key]) -> Iterator[Doubt]:
    """Another key, which would count if this one were not there."""
    different = [other.source for other in others if not _same(found, other)]
    if not different:
        return
    sources = [found.source]
    for other in others:
        if not _same(found, other):
            break
        sources.append(other.source)
    steps = "; ".join(
        _WITHOUT.get(source.partition(" (")[0], f"remove {source}") for source in sources
    )
    yield Doubt(
        f"another key, which is not used, is in {', '.join(different)}",
        f"{steps}: then that of {different[0]} counts",
    )


def _judged(
    found: Key, file: str | None, details: list[str], doubts: Doubts, *, decides: bool
) -> Finding:
    """`decides` is whether the API will be asked, which may refute a doubt."""
    summary = "; ".join([f"from {found.source}, {_described(found.secret)}", *_said(doubts)])
    remedies = [each.remedy for each in doubts.found if each.lasting or not decides]
    mode = mode_for_others(file) if file else None
    if mode:
        import shlex

        summary += f"; others can read {file} (mode {mode:04o})"
        remedies.insert(0, f"chmod 600 {shlex.quote(str(file))}")
    if not remedies:
        return ok(summary, *details)
    return warn(summary, *details, remedy="; ".join(dict.fromkeys(remedies)))


def _said(doubts: Doubts) -> list[str]:
    return [each.said for each in doubts.found]


def _same(one: Key, other: Key) -> bool:
    return one.secret == other.secret


def _described(secret: Secret) -> str:
    """Which key it is, without a character of it."""
    key = secret.reveal()
    if len(key) < _HASHED_FROM:
        return f"{len(key)} characters"
    digest = hashlib.sha256(key.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{len(key)} characters, SHA-256 {digest}…"
