"""What errors say in prose, where no code says it: how long to wait, and a few causes.

Status and code decide. Prose is looked at for a better hint, for the wait, and for what servers
tell in no other way: a quota that resets in hours, a message that is too long, an unknown model.
"""

from __future__ import annotations

import re

# Patterns are texts: `re` compiles and keeps those that are asked for, and most errors need none.

# A text is searched as far as this: time grows with its length.
_SEARCHED = 4000

_UNITS = {
    "ms": 0.001,
    "millisecond": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "m": 60.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "w": 604800.0,
    "week": 604800.0,
}
_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))
_AMOUNT = (
    rf"(?:[0-9][0-9,]{{0,11}}(?:\.[0-9]{{1,9}})?\s{{0,2}}|(?:an?|one)\s)(?:{_UNIT})s?(?![a-z])"
)
_DURATION = rf"{_AMOUNT}(?:\s{{0,2}}(?:,|and)?\s{{0,2}}{_AMOUNT}){{0,3}}"
_AGAIN = (
    r"try(?:ing)?\s+(?:[a-z]+\s+){0,3}again|retry(?:ing)?|available(?:\s+again)?"
    r"|re(?:set|new|fresh)s?"
)
# Such as: try again in 45.622s; retry after 30; resets in 2 hours; wait 20 seconds.
_WAIT = (
    rf"(?:(?:{_AGAIN})(?:\s+(?:your|the|this)\s+request)?\s+(?:in|after)|wait(?:\s+for)?"
    r"|retry[-_ ]?(?:after|delay|in)[\"']?\s?[:=])"
    r"\s{0,2}(?:(?:about|approximately|another|at\s+least)\s|[~\"'])?"
    rf"(?:(?P<duration>{_DURATION})"
    r"|(?P<seconds>[0-9]{1,9}(?:\.[0-9]{1,9})?)(?![0-9:/-]|\.[0-9]|\s{0,2}[a-z]))"
)
_EACH = rf"(?P<number>[0-9][0-9,]*(?:\.[0-9]+)?|(?:an?|one)(?=\s))\s*(?P<unit>{_UNIT})s?(?![a-z])"


def told_wait(text: str) -> float | None:
    """The seconds that a text asks to wait; None when it names no time span."""
    match = re.search(_WAIT, text[:_SEARCHED], re.IGNORECASE)
    if not match:
        return None
    if match["seconds"]:
        return float(match["seconds"])
    return sum(
        _number(each["number"]) * _UNITS[each["unit"].lower()]
        for each in re.finditer(_EACH, match["duration"], re.IGNORECASE)
    )


def _number(text: str) -> float:
    return float(text.replace(",", "")) if text[0].isdigit() else 1.0


_QUOTA = r"free limit reached|reached your\s.{0,200}?ClinePass limit"
# From here on it is no rate limit that a script could sit out.
_QUOTA_SECONDS = 3600.0


def is_quota(text: str) -> bool:
    """Whether a text tells of a quota that resets in hours: no retry within minutes can succeed."""
    if re.search(_QUOTA, text[:_SEARCHED], re.IGNORECASE | re.DOTALL):
        return True
    wait = told_wait(text)
    return wait is not None and wait >= _QUOTA_SECONDS


def _any(*patterns: str) -> str:
    return "|".join(patterns)


def _says(pattern: str, text: str) -> bool:
    return re.search(pattern, text[:_SEARCHED], re.IGNORECASE) is not None


_OVERFLOW = _any(
    r"context_?(?:length|window)_?exceeded",
    r"context (?:length|window|size|limit)",
    r"max(?:imum)? (?:context|prompt length)",
    r"too many (?:input |prompt )?tokens",
    r"(?:prompt|input|message|request|conversation)s? (?:(?:is|are|was|were) )?too (?:long|large)",
    r"reduce the length",
    r"exceeds? .{0,40}(?:number of tokens|token limit|tokens allowed)",
    r"token (?:count|limit) .{0,40}exceed",
    r"(?:exceeds?|longer than) the (?:model'?s? )?(?:available )?context",
)
_RATE = _any(
    r"rate[ _-]?limit",
    r"per (?:minute|min|hour|hr|day|second)\b",
    r"\b[tr]p[md]\b",
    r"quota",
    r"throttl",
    r"too many requests",
    r"requests? limit",
)


def is_overflow(text: str) -> bool:
    """Whether a text tells that a message is longer than the model's context, and not of a limit
    in time."""
    return _says(_OVERFLOW, text) and not _says(_RATE, text)


_MODEL = _any(
    r"(?:no such|unknown|invalid|unrecognized|nonexistent) model\b",
    r"not a valid model",
    r"no (?:allowed )?(?:endpoints?|providers?) (?:found|available) for",
    r"model[ _]not[ _](?:found|exist|supported)",
    # What may stand between `model` and what is wrong with it is its id.
    r"models?(?:[ :/]{1,2}[`'\"]?[\w./:@+-]{1,200}[`'\"]?,?)? (?:"
    r"(?:(?:was|is|could|can) )?not (?:be )?(?:found|exist|(?:a )?(?:supported|available|valid"
    r"|recognized|known)\b)|do(?:es)? not exist|doesn'?t exist|is (?:unknown|invalid)\b)",
)


def is_unknown_model(text: str) -> bool:
    """Whether a text tells that there is no such model."""
    return _says(_MODEL, text)


_PATH = _any(
    r"^\s*(?:404:? ?)?(?:page )?not found\s*$",
    r"no such (?:endpoint|route|path|url|page)",
    r"(?:endpoint|route|path|page|url|resource)\b.{0,200}? not (?:be )?found",
    r"(?:unknown|invalid|unrecognized) (?:request )?(?:endpoint|url|path|route)",
    r"(?:cannot|no route) (?:get|post|found|matches)",
)


def is_unknown_path(text: str) -> bool:
    """Whether a text tells that nothing is at the URL, whatever the model."""
    return not text.strip() or _says(_PATH, text)


_CLINE = "https://app.cline.bot"
# Only a better hint: nothing else depends on them.
_HINTS: dict[str, str] = {
    r"not subscribed to required model plan": (
        f"this model needs a ClinePass subscription: see {_CLINE}, or choose another model (-m)"
    ),
    r"organization accounts cannot use individual model": (
        f"switch to the personal account at {_CLINE}, or choose a model outside ClinePass (-m)"
    ),
    r"latest version of Cline.{0,40}re-?authenticate": (
        "a login token stands where an API key belongs, or the reverse: create a key at "
        f"{_CLINE}, Settings > API Keys"
    ),
}


def better_hint(text: str) -> str | None:
    """What to do about a cause that is known by its wording."""
    head = text[:_SEARCHED]
    flags = re.IGNORECASE | re.DOTALL
    return next((hint for words, hint in _HINTS.items() if re.search(words, head, flags)), None)
