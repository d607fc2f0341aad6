"""API keys: read strictly, shown to nobody, and taken out of what servers quote."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from clinecli.errors import ConfigError

_WHERE_KEYS_ARE = "https://app.cline.bot, Settings > API Keys"
KEY_HINT = (
    f"set CLINE_API_KEY, or put a key into ~/.config/clinecli/key: create one at {_WHERE_KEYS_ARE}"
)
_LONGEST_KEY = 8192
_SHORT_SECRET = 8
# Of a secret of twice as many characters, so many at its beginning or end count as it, too.
_END = 10


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


class Redactor:
    """Takes secrets out of text that comes from a server or a proxy; calling it returns the text
    without them.

    It knows each secret as it is, in any case, and as it may be spelled on the way: URL-encoded,
    base64 (with what may stand before it), hexadecimal, escaped for HTML or JSON, wholly or in
    part, more than once, and cut at either end. A short secret, such as the dummy key of a local
    server, counts only as a word of its own. Use it before a text is cut.
    """

    __slots__ = ("_secrets",)

    def __init__(self, secrets: tuple[Secret, ...] = ()) -> None:
        self._secrets = secrets

    def __call__(self, text: str) -> str:
        if not text or not self._secrets:
            return text
        # Not before there is text: most calls go well, and show none.
        text = _pattern(self._secrets).sub("[key]", text)
        for secret in self._secrets:
            text = _without_ends(text, secret.reveal())
        return text


@lru_cache(maxsize=8)
def _pattern(secrets: tuple[Secret, ...]) -> re.Pattern[str]:
    values = [secret.reveal() for secret in secrets]
    found = {word for value in values if value for word in _spellings(value)}
    words = sorted(found, key=len, reverse=True)
    return re.compile("|".join(words) or r"(?!)", re.IGNORECASE)


def _spellings(value: str) -> Iterator[str]:
    """Patterns for the ways in which a server may quote a secret."""
    if len(value) < _SHORT_SECRET:
        yield rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])"
        return
    from base64 import b64encode

    raw = value.encode("utf-8", "surrogateescape")
    yield "".join(map(_character, value))
    words = {raw.hex(), "".join(rf"\u{ord(character):04x}" for character in value)}
    for before in range(3):
        # Base64 packs three bytes into four characters: where the secret begins among them
        # decides its spelling, and the characters that it shares with its neighbours are left out.
        first = (4 * before + 2) // 3
        encoded = b64encode(b"." * before + raw).decode().rstrip("=")
        last = len(encoded) - (1 if (before + len(raw)) % 3 else 0)
        words |= {encoded[first:last], encoded[first:last].translate(_URL_SAFE)}
    yield from map(re.escape, words)


def _character(character: str) -> str:
    """A pattern for one character of a secret, escaped a few times at most. Nobody escapes what
    means nothing anywhere."""
    if character.isascii() and (character.isalnum() or character in "-._~"):
        return re.escape(character)
    octets = character.encode("utf-8", "surrogateescape")
    percent = "".join(f"%(?:25){{0,3}}{octet:02x}" for octet in octets)
    code = ord(character)
    name = _ENTITIES.get(character, "none")
    entity = f"&(?:amp;){{0,3}}(?:#0{{0,4}}{code}|#x0{{0,4}}{code:x}|{name});"
    plain = rf"\\{{0,7}}(?:{re.escape(character)}|u{code:04x}|x{code:02x})"
    return f"(?:{plain}|{percent}|{entity})"


def _without_ends(text: str, value: str) -> str:
    """A text without the beginning or the end of a secret, which a server has cut."""
    if len(value) < 2 * _END:
        return text
    # The end of a text is the beginning of its reverse.
    text = _without_beginning(text, value)
    return _without_beginning(text[::-1], value[::-1], "]yek[")[::-1]


def _without_beginning(text: str, value: str, mark: str = "[key]") -> str:
    pieces, done = [], 0
    while (start := text.find(value[:_END], done)) >= 0:
        pieces += [text[done:start], mark]
        done = start + _END
        while text[done : done + 1] == value[done - start : done - start + 1] != "":
            done += 1
    return "".join([*pieces, text[done:]])


# `html.entities` takes 3 ms to import.
_ENTITIES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_URL_SAFE = str.maketrans("+/", "-_")


def parse_key(text: str, source: str) -> Secret:
    """The API key in `text`, without surrounding white space.

    Raises `ConfigError`, which quotes none of it, when it is empty or could not stand in an
    Authorization header (RFC 6750: visible ASCII) or is visibly not what was meant.
    """
    key = text.strip()
    hint = f"put the bare key into {source}: no quotes, no 'Bearer', one line"
    if not key:
        hint = f"put a key into {source}: create one at {_WHERE_KEYS_ARE}"
        raise ConfigError(f"the API key from {source} is empty", hint=hint)
    fault = _fault_of(key)
    if fault:
        raise ConfigError(f"the API key from {source} {fault}", hint=hint)
    return Secret(key)


# What people and tools leave in a key's place. A reference is for another tool to replace.
_PLACEHOLDER = re.compile(
    r"""\*+|•+|<.*>|\$\{.*\}?|\$[A-Z_]+|%[A-Z_]+%|\{\{.*\}\}
    |(?:op|vault|keyring|aws-sm|gcp-sm|doppler|bws)://.*
    |(?:your|my|insert|put|enter|paste)[-_ ](?:[a-z]+[-_ ])*(?:key|token)(?:[-_ ]here)?
    |changeme|replace[-_]?me|todo""",
    re.VERBOSE | re.IGNORECASE,
)
_ASSIGNMENT = re.compile(r"(?:export\s+|set\s+)?[A-Za-z_]*(?:KEY|TOKEN|SECRET)[A-Za-z_]*\s*[=:]")


def _fault_of(key: str) -> str:  # noqa: PLR0911 - a table of faults, the first that fits
    """What is visibly wrong with a key; of it, at most the character at fault is told."""
    if len(key) > _LONGEST_KEY:
        return f"has more than the {_LONGEST_KEY:,} characters of any key"
    if _ASSIGNMENT.match(key):
        return "is a line of a .env file: only what stands after the = is the key"
    if _PLACEHOLDER.fullmatch(key):
        return "is a placeholder, which nothing has replaced by the key"
    if key[0] in "'\"" or key[-1] in "'\"":
        return "is wrapped in quotes"
    if key.lower().startswith("bearer "):
        return "starts with 'Bearer'"
    for position, character in enumerate(key, 1):
        for is_faulty, what in (
            (character.isspace(), "white space in it"),
            (not character.isascii(), "non-ASCII characters"),
            (not character.isprintable(), "control characters"),
        ):
            if is_faulty:
                return f"has {what}: U+{ord(character):04X} at position {position} of {len(key)}"
    return ""
