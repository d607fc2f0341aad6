"""API keys as values: read strictly, shown to nobody."""

from __future__ import annotations

import copy
import html
import json
import pickle
import traceback
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.config.keys import Key
from clinecli.config.secret import Redactor, Secret, parse_key
from clinecli.errors import ConfigError
from tests.helpers.env import KEY

# Secrets


SHOWN: dict[str, Callable[[Secret], str]] = {
    "repr": repr,
    "str": str,
    "f-string": lambda secret: f"{secret}",
    "conversion": lambda secret: f"{secret!r} {secret!s} {secret!a}",
    "format": "{}".format,
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
    "in-a-list": lambda secret: str([secret]),
    "in-a-tuple": lambda secret: repr(Key(secret, "here")),
    "in-an-error": lambda secret: str(ValueError(secret)),
}


@pytest.mark.parametrize("name", SHOWN)
def test_secret_does_not_show(name: str) -> None:
    shown = SHOWN[name](Secret(KEY))
    assert shown
    assert KEY not in shown


@pytest.mark.parametrize("dump", [pickle.dumps, copy.deepcopy, json.dumps])
def test_secret_is_not_serialised(dump: Any) -> None:
    with pytest.raises(TypeError) as caught:
        dump(Secret(KEY))
    assert KEY not in str(caught.value)


def test_secret_has_no_attributes_to_walk() -> None:
    with pytest.raises(TypeError):
        vars(Secret(KEY))


def test_secret_is_not_in_a_traceback_that_shows_variables() -> None:
    def use(secret: Secret) -> None:
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom") as caught:
        use(Secret(KEY))
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(shown.format())
    assert "secret" in text
    assert KEY not in text


def test_secret_compares_and_reveals() -> None:
    assert Secret(KEY).reveal() == KEY
    assert Secret(KEY) == Secret(KEY)
    assert Secret(KEY) != Secret("other")
    assert Secret(KEY) != KEY
    assert hash(Secret(KEY)) == hash(Secret(KEY))
    assert str(Secret(KEY)) == repr(Secret(KEY)) == "Secret(…)"


# The key


@pytest.mark.parametrize(
    "text",
    [KEY, f"{KEY}\n", f" \t{KEY}\r\n", "workos:eyJh.bGc_-+/=~", "x"],
    ids=["bare", "newline", "space-around", "token", "short"],
)
def test_key(text: str) -> None:
    assert parse_key(text, "here") == Secret(text.strip())


BAD_KEYS: dict[str, tuple[str, str]] = {
    "empty": ("", "is empty"),
    "blank": (" \n", "is empty"),
    "non-ascii": (f"{KEY}ü", "non-ASCII"),
    "typographic-quote": (f"“{KEY}”", "non-ASCII"),
    "bom": (f"\ufeff{KEY}", "non-ASCII"),
    "undecodable": (f"{KEY}\udcff", "non-ASCII"),
    "double-quotes": (f'"{KEY}"', "wrapped in quotes"),
    "single-quotes": (f"'{KEY}'", "wrapped in quotes"),
    "quote-before": (f'"{KEY}', "wrapped in quotes"),
    "quote-after": (f"{KEY}'", "wrapped in quotes"),
    "bearer": (f"Bearer {KEY}", "'Bearer'"),
    "two-lines": (f"{KEY}\n{KEY}", "white space"),
    "header-injection": (f"{KEY}\r\nX-Evil: 1", "white space"),
    "space": (f"{KEY} {KEY}", "white space"),
    "placeholder": ("YOUR_API_KEY", "is a placeholder"),
    "placeholder-cline": ("your-cline-api-key-here", "is a placeholder"),
    "stars": ("***", "is a placeholder"),
    "angle": ("<key>", "is a placeholder"),
    "variable": ("${CLINE_API_KEY}", "is a placeholder"),
    "reference": ("op://vault/item/field", "is a placeholder"),
    "env-line": (f"CLINE_API_KEY={KEY}", "is a line of a .env file"),
    "exported": (f"export CLINE_API_KEY='{KEY}'", "is a line of a .env file"),
    "position": (f"abc {KEY}", "U+0020 at position 4 of "),
    "control-character": (f"{KEY}\x07x", "control characters"),
    "escape-sequence": (f"\x1b[31m{KEY}", "control characters"),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_bad_key_is_refused_and_not_quoted(name: str) -> None:
    text, words = BAD_KEYS[name]
    with pytest.raises(ConfigError) as caught:
        parse_key(text, "CLINE_API_KEY")
    error = caught.value
    assert error.message.startswith("the API key from CLINE_API_KEY ")
    assert words in error.message
    assert "CLINE_API_KEY" in error.hint
    assert KEY not in error.message + error.hint


# Secrets in text of a server


def test_of_two_secrets_the_longer_is_taken_out_whole() -> None:
    short, long = "sk-0123456789", "sk-0123456789-and-more"
    for secrets in ((short, long), (long, short)):
        redact = Redactor(tuple(map(Secret, secrets)))
        assert redact(f"a {long} b {short} c") == "a [key] b [key] c"


LONG = "sk-0123+/&<é>abcdef"
SPELLINGS: dict[str, str] = {
    "as it is": LONG,
    "upper case": LONG.upper(),
    "lower case": LONG.lower(),
    "URL-encoded": quote(LONG, safe=""),
    "URL-encoded, in lower case": quote(LONG, safe="").lower(),
    "HTML": html.escape(LONG),
    "JSON": json.dumps(LONG)[1:-1],
    "JSON with slashes escaped": json.dumps(LONG)[1:-1].replace("/", r"\/"),
    "JSON as .NET has it": LONG.replace("+", r"\u002B").replace("&", r"\u0026"),
    "JSON in a string of JSON": json.dumps(json.dumps(LONG))[3:-3],
    "JSON, every character escaped": "".join(f"\\u{ord(each):04x}" for each in LONG),
    "URL-encoded twice": quote(quote(LONG, safe=""), safe=""),
    "URL-encoded in part": LONG.replace("+", "%2B"),
    "HTML by numbers": LONG.replace("<", "&#60;").replace("&<", "&#x26;<"),
    "hexadecimal": LONG.encode().hex(),
    "hexadecimal in upper case": LONG.encode().hex().upper(),
    "base64": b64encode(LONG.encode()).decode(),
    "base64 without padding": b64encode(LONG.encode()).decode().rstrip("="),
    "base64 for URLs": urlsafe_b64encode(LONG.encode()).decode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_secret_is_taken_out_in_every_spelling(spelling: str) -> None:
    told = Redactor((Secret(LONG),))(f"bad {spelling} here")
    assert spelling.rstrip("=") not in told
    assert told.startswith("bad [key]")
    assert told.endswith(" here")


@given(
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60),
    before=st.binary(max_size=7),
    after=st.binary(max_size=7),
)
def test_property_a_secret_within_base64(secret: str, before: bytes, after: bytes) -> None:
    encoded = b64encode(before + secret.encode() + after).decode()
    told = Redactor((Secret(secret),))(encoded)
    assert "[key]" in told
    # At most two characters at either end are shared with the neighbours.
    rest = told.replace("[key]", "", 1)
    assert len(rest) <= len(encoded) - (len(secret) * 4 // 3 - 2)


def test_every_secret_is_taken_out() -> None:
    redact = Redactor((Secret("sk-0123456789"), Secret("password-1"), Secret("k")))
    told = redact("sk-0123456789 sk-0123456789abc password-1 (k) kk")
    assert told == "[key] [key]abc [key] ([key]) kk"


@pytest.mark.parametrize(
    "text",
    ["", "all is well", "sk- is how keys begin", "sk-012345678", "request id of 12"],
    ids=ascii,
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor((Secret("sk-0123456789"),))(text) == text
    assert Redactor()(text) == text
    assert Redactor((Secret(""),))(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("key k, like (k): ok", "key [key], like ([key]): ok"),
        ("k", "[key]"),
        ("K", "[key]"),
        ("kk k8 ak", "kk k8 ak"),
    ],
    ids=ascii,
)
def test_a_short_key_is_taken_out_as_a_word(text: str, expected: str) -> None:
    assert Redactor((Secret("k"),))(text) == expected


def test_a_key_that_is_a_pattern_means_itself() -> None:
    redact = Redactor((Secret("a.*b|c(d"), Secret("x+")))
    assert redact("a.*b|c(d azzb|c(d x+ xx") == "[key] azzb|c(d [key] xx"


ODD = "k3y/+<&>\"'%\\end"


@pytest.mark.parametrize(
    "spelled",
    [html.escape(ODD), quote(ODD, safe=""), quote(ODD, safe="").lower(), json.dumps(ODD)[1:-1]],
    ids=["HTML", "URL", "URL in lower case", "JSON"],
)
def test_a_secret_of_special_characters(spelled: str) -> None:
    assert Redactor((Secret(ODD),))(f"<{spelled}>") == "<[key]>"


def test_escapes_without_end_are_looked_through_once() -> None:
    """Linear, whatever a server sends."""
    redact = Redactor((Secret("+/+/+/+/+/"),))
    for piece in ("\\", "%25", "&amp;", "&#0", "+", "+/"):
        text = piece * 200_000
        assert len(redact(text)) <= len(text)


@given(st.binary(max_size=7), st.binary(max_size=7))
def test_property_no_character_of_a_secret_stays_in_base64(before: bytes, after: bytes) -> None:
    """Every character that the key alone decides is gone, wherever it begins."""
    first, last = 8 * len(before), 8 * (len(before) + len(KEY))
    for encode in (b64encode, urlsafe_b64encode):
        text = encode(before + KEY.encode() + after).decode()
        own = "".join(text[n] for n in range(len(text)) if first <= 6 * n and 6 * n + 6 <= last)
        redacted = Redactor((Secret(KEY),))(text)
        assert "[key]" in redacted
        assert own not in redacted
        assert own[1:] not in redacted
        assert own[:-1] not in redacted


def test_equal_secrets_are_one_member_of_a_set() -> None:
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert hash(Secret("a")) != hash(Secret("b"))


WHOLE = "Ab+9/QzT%7xLm-04_wPq=="
CUT = {
    "its beginning": (f"Invalid key {WHOLE[:12]}…", "Invalid key [key]…"),
    "its end": (f"the key …{WHOLE[-12:]} is unknown", "the key …[key] is unknown"),
    "both": (f"{WHOLE[:12]}...{WHOLE[-10:]}", "[key]...[key]"),
    "again and again": (f"{WHOLE[:10]} {WHOLE[:11]} {WHOLE}", "[key] [key] [key]"),
    "in hexadecimal": (WHOLE.encode().hex(), "[key]"),
    "URL-encoded twice": ("Ab%252B9%252FQzT%25257xLm-04_wPq%253D%253D", "[key]"),
    "slashes escaped": ("Ab+9\\/QzT%7xLm-04_wPq==", "[key]"),
    "too little of it": (f"{WHOLE[:6]} {WHOLE[-6:]}", f"{WHOLE[:6]} {WHOLE[-6:]}"),
}


@pytest.mark.parametrize(("text", "expected"), CUT.values(), ids=CUT)
def test_a_secret_that_a_server_has_cut_or_spelled_oddly(text: str, expected: str) -> None:
    assert Redactor((Secret(WHOLE),))(text) == expected


def test_of_a_short_secret_a_part_is_no_secret() -> None:
    assert Redactor((Secret("short-secret-1"),))("short-secret") == "short-secret"
