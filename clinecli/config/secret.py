"""API keys: read strictly, shown to nobody, and taken out of what servers quote."""

from __future__ import annotations

import re

from clinecli.errors import ConfigError

KEY_HINT = "set CLINE_API_KEY: create a key at https://app.cline.bot, Settings > API Keys"
_SHORT_SECRET = 8
_TOLD = 4


class Secret:
    """A string that shows itself only when asked by name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself: for the request header, and nothing else."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


def redact(text: str, secret: Secret) -> str:
    """`text`, which may come from a server, without the secret or a beginning of it.

    Messages are cut to a length, and the cut may stand within the secret. A short secret, such
    as the dummy key of a local server, counts only as a word of its own.
    """
    value = secret.reveal()
    if len(value) < _SHORT_SECRET:
        return re.sub(rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])", "[key]", text)
    text = text.replace(value, "[key]")
    for length in range(len(value) - 1, _TOLD - 1, -1):
        if f"{value[:length]}…" in text:
            text = text.replace(f"{value[:length]}…", "[key]…")
        if text.endswith(value[:length]):
            text = text[:-length] + "[key]"
    return text


def parse_key(text: str, source: str) -> Secret:
    """The API key in `text`, without surrounding white space.

    Raises `ConfigError`, which quotes none of it, when it is empty or could not stand in an
    Authorization header (RFC 6750: visible ASCII) or is visibly not what was meant.
    """
    key = text.strip()
    hint = f"put the bare key into {source}: no quotes, no 'Bearer', one line"
    if not key:
        raise ConfigError(f"the API key from {source} is empty", hint=KEY_HINT)
    faults = (
        (not key.isascii(), "has non-ASCII characters"),
        (key[0] in "'\"" or key[-1] in "'\"", "is wrapped in quotes"),
        (key.lower().startswith("bearer "), "starts with 'Bearer'"),
        (any(c.isspace() for c in key), "has white space in it"),
        (not key.isprintable(), "has control characters"),
    )
    for is_faulty, what in faults:
        if is_faulty:
            raise ConfigError(f"the API key from {source} {what}", hint=hint)
    return Secret(key)
