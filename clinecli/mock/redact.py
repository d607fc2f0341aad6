"""What a recording must not tell: keys, and whose account it was made with.

Prompts and replies stay: they are what is recorded. Ids of users and organizations become others,
the same one for the same id wherever it stands, so that a replayed client finds its way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from clinecli.jsontext import InvalidJson, dumps, loads
from clinecli.mock.recording import Exchange

EMAIL = "user@example.com"
WORD = "redacted"
DATE = "2026-01-01T00:00:00Z"
# All else is about the account, as far as it is known, and so is what is not known.
_PUBLIC = re.compile(r".*/(chat/completions|models|recommended-models)(\?.*)?")
_OWNER = re.compile(r"/(?:users|organizations)/([^/?]+)")
_NOBODY = frozenset({"me", ""})

_ID = re.compile(r"(.*[a-z])?(Id|ID|Ids)|(.*_)?(id|ids|uid|uuid)")
_MONEY = re.compile(r"balance|cost|credit|usd|amount|limit|spent|price", re.IGNORECASE)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T.*")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)++")
# Words that tell no one account from another.
_COMMON = frozenset(
    {"roles", "role", "type", "status", "aiModelName", "aiModelTypeName", "aiInferenceProviderName"}
)
# In errors; the quotes are escaped where an error is JSON inside a string. All are linear.
_OWNER_FIELD = re.compile(
    r'(?<!\\)\\*+"(?:user|organization|org|member|account)_?[iI]d\\*+"\s*+:\s*+\\*+"([^"\\]+)'
)
_AMOUNT_FIELD = re.compile(
    r'((?<!\\)\\*+"(?:\w*balance|\w+_usd|\w+Usd)\\*+"\s*+:\s*+-?)'
    r"[0-9][0-9.]*+(?:[eE][+-]?[0-9]+)?"
)
_AMOUNT = re.compile(
    r"\$ ?[0-9][0-9,]*+(?:\.[0-9]+)?|(?<![0-9.,])[0-9][0-9.,]*+ ?(?:USD|credits)\b"
)
# Shorter words are too likely to mean something else.
_LONG_ENOUGH = 4

Redact = Callable[[str], str]


def redact(exchanges: Iterable[Exchange], key: Redact) -> list[Exchange]:
    """The exchanges without what they must not tell; `key` takes the key out of a text."""
    exchanges = list(exchanges)
    names = _Names()
    documents = [_account(exchange, names) for exchange in exchanges]
    return [
        _redacted(exchange, document, names, key)
        for exchange, document in zip(exchanges, documents, strict=True)
    ]


class _Names:
    """Stand-ins for what names a person or an organization."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._words: dict[str, str] = {}

    def id(self, value: str | int) -> str | int:
        """The stand-in of an id."""
        number = len(self._ids) + 1
        new = str(number) if isinstance(value, int) else f"id-{number}"
        known = self._ids.setdefault(str(value), new)
        return int(known) if isinstance(value, int) and known.isdecimal() else known

    def word(self, value: str) -> str:
        """The stand-in of a name or an address."""
        return self._words.setdefault(value, EMAIL if _EMAIL.fullmatch(value) else WORD)

    def in_path(self, path: str) -> str:
        """A path with the stand-ins of ids."""
        return "/".join(self._ids.get(part, part) for part in path.split("/"))

    def in_text(self, text: str, *, is_reply: bool) -> str:
        """A text with the stand-ins of what is known by now. In a reply of a model, a name may be
        any word; ids and addresses are nothing else."""
        words = {word: new for word, new in self._words.items() if "@" in word or not is_reply}
        known = {
            word: new for word, new in (self._ids | words).items() if len(word) >= _LONG_ENOUGH
        }
        if not known:
            return text
        pattern = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
        whole = rf"(?<![A-Za-z0-9])(?:{pattern})(?![A-Za-z0-9])"
        return re.sub(whole, lambda match: known[match[0]], text)


def _account(exchange: Exchange, names: _Names) -> Any:
    """The answer about an account with stand-ins; None for one that is about something else."""
    for owner in _OWNER.findall(exchange.path):
        if owner not in _NOBODY:
            names.id(owner)
    if exchange.status != 200:
        for owner in _OWNER_FIELD.findall(exchange.body.decode("latin-1")):
            names.id(owner)
        return None
    if _PUBLIC.fullmatch(exchange.path) or exchange.is_stream:
        return None
    try:
        return _stand_in("", loads(exchange.body), names)
    except InvalidJson:
        return None


def _stand_in(name: str, value: Any, names: _Names) -> Any:
    """A value of an answer about an account; `name` is the key that it stands at."""
    if isinstance(value, dict):
        return {key: _stand_in(key, item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_stand_in(name, item, names) for item in value]
    if isinstance(value, bool) or not value or name in _COMMON:
        return value
    if _ID.fullmatch(name) and isinstance(value, str | int):
        return names.id(value)
    if isinstance(value, int | float):
        return _amount(value) if _MONEY.search(name) else value
    return DATE if _DATE.fullmatch(value) else names.word(value)


def _amount(value: float) -> float:
    """Another amount of the same sign, which decides between credit and none."""
    amount = 10_000_000 if isinstance(value, int) else 0.01
    return amount if value > 0 else -amount


def _redacted(exchange: Exchange, document: Any, names: _Names, key: Redact) -> Exchange:
    path, request = key(names.in_path(exchange.path)), _within(exchange.request, key)
    exchange = exchange._replace(path=path, request=request)
    if document is not None:
        body = key(dumps(document).decode()).encode()
        return exchange._replace(body=body, chunks=(), seconds=exchange.total_seconds)
    # What is no UTF-8 keeps its bytes, but for what is redacted.
    coding = "utf-8" if _is_utf8(exchange.body) else "latin-1"
    is_reply = exchange.status == 200 and _PUBLIC.fullmatch(path) is not None
    text = names.in_text(key(exchange.body.decode(coding)), is_reply=is_reply)
    if not is_reply:
        text = _AMOUNT_FIELD.sub(r"\g<1>0.01", _AMOUNT.sub("$0.01", _EMAIL.sub(EMAIL, text)))
    return exchange._replace(body=text.encode(coding))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _within(value: Any, key: Redact) -> Any:
    """A body with the key taken out of its strings."""
    if isinstance(value, str):
        return key(value)
    if isinstance(value, dict):
        return {key(name): _within(item, key) for name, item in value.items()}
    if isinstance(value, list):
        return [_within(item, key) for item in value]
    return value
