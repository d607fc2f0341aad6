"""The check of the key that `ask` would use."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import UTC, datetime

from clinecli.config.files import mode_for_others
from clinecli.config.keys import Key, KeyPlace, find_key, key_places
from clinecli.config.secret import Secret
from clinecli.config.settings import Settings
from clinecli.doctor.check import Finding, Findings, ok, warn
from clinecli.doctor.setup import Setup
from clinecli.errors import ConfigError
from clinecli.jsontext import InvalidJson, loads

# Digits of the SHA-256 of a key, to compare two machines: they tell nothing of the key.
_HASH_DIGITS = 8
# A guess of a shorter key could be proved right by its hash.
_HASHED_FROM = 16


def key(setup: Setup, known: Findings) -> Finding:
    """The key that `ask` would use; the others are only compared with it."""
    settings = known[Settings]
    places = key_places(settings, setup.environ)
    found, file = _first(places)
    if not found:
        # Raises what `ask` raises.
        found = find_key(settings, setup.environ)
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
    doubts = _doubts(found.secret.reveal(), settings.base_url.host, setup.now())
    return _judged(found, file, others, details, [*doubts]).knowing(found)


def _first(places: Iterator[KeyPlace]) -> tuple[Key | None, str | None]:
    for place in places:
        found = place.read()
        if found:
            return found, place.file
    return None, None


def _judged(
    found: Key,
    file: str | None,
    others: list[Key],
    details: list[str],
    doubts: list[tuple[str, str]],
) -> Finding:
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
        import shlex

        warnings.append(
            (f"others can read {file} (mode {mode:04o})", f"chmod 600 {shlex.quote(str(file))}")
        )
    warnings += doubts
    if not warnings:
        return ok(summary, *details)
    said, remedies = zip(*warnings, strict=True)
    return warn("; ".join([summary, *said]), *details, remedy="; ".join(remedies))


# How the keys of other providers begin.
_FOREIGN_PREFIXES = {
    "sk-ant-": "Anthropic",
    "sk-or-": "OpenRouter",
    "sk-proj-": "OpenAI",
    "sk-svcacct-": "OpenAI",
    "gsk_": "Groq",
    "AIza": "Google",
    "ghp_": "GitHub",
    "github_pat_": "GitHub",
    "gho_": "GitHub",
    "glpat-": "GitLab",
    "hf_": "Hugging Face",
    "xai-": "xAI",
    "pplx-": "Perplexity",
    "r8_": "Replicate",
    "nvapi-": "NVIDIA",
    "fw_": "Fireworks",
    "AKIA": "AWS",
    "xoxb-": "Slack",
}
_API_DOMAIN = "cline.bot"


def _doubts(key: str, host: str, now: float) -> Iterator[tuple[str, str]]:
    """What makes it unlikely that the key is accepted, and the remedy."""
    create = "create an API key at https://app.cline.bot, Settings > API Keys"
    expiry = expiry_of(key)
    if expiry is not None and expiry < now:
        moment = datetime.fromtimestamp(expiry, UTC)
        yield f"it is a token that expired on {moment:%Y-%m-%d %H:%M} UTC", create
    elif key.startswith("workos:"):
        yield "it is an account token (workos:), which expires", create
    provider = next(
        (name for start, name in _FOREIGN_PREFIXES.items() if key.startswith(start)), ""
    )
    if provider and (host == _API_DOMAIN or host.endswith(f".{_API_DOMAIN}")):
        yield f"it looks like a key of {provider}, not of Cline", create


def expiry_of(key: str) -> float | None:
    """When a JSON web token (RFC 7519) expires, as Unix time; None for what is no such token."""
    parts = key.removeprefix("workos:").split(".")
    if len(parts) != 3:
        return None
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        expiry = loads(urlsafe_b64decode(padded))["exp"]
        datetime.fromtimestamp(expiry, UTC)
    except (InvalidJson, ValueError, KeyError, TypeError, OverflowError, OSError):
        return None
    return float(expiry)


def _same(one: Key, other: Key) -> bool:
    return one.secret == other.secret


def _described(secret: Secret) -> str:
    """Which key it is, without a character of it."""
    key = secret.reveal()
    if len(key) < _HASHED_FROM:
        return f"{len(key)} characters"
    digest = hashlib.sha256(key.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{len(key)} characters, SHA-256 {digest}…"
