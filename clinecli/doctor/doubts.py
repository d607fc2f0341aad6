"""What makes it unlikely that a key is accepted, by its looks alone. Pure; nothing quotes the key.

A server decides. So a doubt is a warning as long as none has been asked, part of the root cause
when the key is refused, and no more than a remark when it is accepted.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from clinecli.errors import ClinecliError
from clinecli.jsontext import InvalidJson, loads


class Doubt(NamedTuple):
    """`said` goes on after what is said of the key. A `lasting` one holds though the key is
    accepted now."""

    said: str
    remedy: str
    lasting: bool = False


class Doubts(NamedTuple):
    """All that there are about the key that is used."""

    found: tuple[Doubt, ...] = ()

    def explain(self, error: ClinecliError) -> ClinecliError:
        """The refusal of the key, with what is its likely cause."""
        if not self.found:
            return error
        said, remedies, _ = zip(*self.found, strict=True)
        hint = "; else ".join(dict.fromkeys(remedies))
        return error.but(message="; ".join([error.message, *said]), hints=(hint,))


CREATE = "create an API key at https://app.cline.bot, Settings > API Keys"
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
    "sk_live_": "Stripe",
    "sk_test_": "Stripe",
}


class _Look(NamedTuple):
    pattern: re.Pattern[str]
    said: str
    remedy: str


def _look(pattern: str, said: str, remedy: str) -> _Look:
    return _Look(re.compile(pattern, re.IGNORECASE | re.DOTALL), said, remedy)


# What stands in the place of a key by mistake, wherever it is sent.
_MISTAKES = (
    _look(r"https?://.*", "it is a web address", f"put the key itself there: {CREATE}"),
    _look(
        r"(?:~|\.{0,2})(?:/[\w.@ -]+){2,}|[a-z]:\\.*",
        "it looks like the path of a file",
        "a file is named by CLINE_API_KEY_FILE or --key-file, not by CLINE_API_KEY",
    ),
    _look(r"[{\[].*", "it is JSON", "put the key alone there, without what is around it"),
    _look(
        r".*\\[nrt]",
        r"it ends with a backslash and a letter, as of a line end (\n) that stayed text",
        "take these two characters off its end",
    ),
    _look(
        r".*%",
        "it ends with %, by which zsh marks output that has no line end",
        "take the % off its end",
    ),
)
_UNSET = "set the variable or the secret that it should come from, or " + CREATE
# The same, where it may be right for a server of one's own, which takes any key.
_PLACEHOLDERS = (
    _look(
        r"null|nil|none|undefined|nan|n/a|empty|true|false|object|\[object object\]",
        "it is a placeholder, which programs write where there is no value",
        _UNSET,
    ),
    _look(
        r".*\.{3}.*|(?:[a-z]{2,4}[-_])*(.)\1{5,}|(?:api[-_]?)?(?:key|token)|secret|dummy|test",
        "it is a placeholder, which nothing has replaced by the key",
        _UNSET,
    ),
)


def doubts_about(key: str, now: float, *, is_cline: bool) -> Iterator[Doubt]:
    """What there is to say of a key for Cline's API, or for another server."""
    expiry = expiry_of(key)
    if expiry is not None and expiry < now:
        moment = datetime.fromtimestamp(expiry, UTC)
        yield Doubt(f"it is a token that expired on {moment:%Y-%m-%d %H:%M} UTC", CREATE)
    elif key.startswith("workos:"):
        yield Doubt("it is an account token (workos:), which expires", CREATE, lasting=True)
    for look in (*_MISTAKES, *(_PLACEHOLDERS if is_cline else ())):
        if look.pattern.fullmatch(key):
            yield Doubt(look.said, look.remedy)
            return
    provider = next((name for start, name in _FOREIGN_PREFIXES.items() if key.startswith(start)), 0)
    if provider and is_cline:
        yield Doubt(f"it looks like a key of {provider}, not of Cline", CREATE)


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
