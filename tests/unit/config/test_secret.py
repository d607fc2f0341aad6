"""API keys as values: read strictly, shown to nobody."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from clinecli.config.keys import Key
from clinecli.config.secret import Secret, parse_key, redact
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

    try:
        use(Secret(KEY))
    except ValueError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    text = "".join(shown.format())
    assert "secret" in text
    assert KEY not in text


def test_secret_compares_and_reveals() -> None:
    assert Secret(KEY).reveal() == KEY
    assert Secret(KEY) == Secret(KEY)
    assert Secret(KEY) != Secret("other")
    assert Secret(KEY) != KEY
    assert hash(Secret(KEY)) == hash(Secret(KEY))


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
    "bearer": (f"Bearer {KEY}", "'Bearer'"),
    "two-lines": (f"{KEY}\n{KEY}", "white space"),
    "header-injection": (f"{KEY}\r\nX-Evil: 1", "white space"),
    "space": (f"{KEY} {KEY}", "white space"),
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


SECRET = Secret("sk-0123456789abcdef")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("bad sk-0123456789abcdef here", "bad [key] here", id="whole"),
        pytest.param("bad sk-0123456789abc…", "bad [key]…", id="cut-within"),
        pytest.param("bad sk-01… (HTTP 400)", "bad [key]… (HTTP 400)", id="cut-early"),
        pytest.param("code sk-0123456789", "code [key]", id="at-the-end"),
        pytest.param("sk- is how keys begin", "sk- is how keys begin", id="nothing-told"),
        pytest.param("all is well", "all is well", id="nothing"),
    ],
)
def test_redact(text: str, expected: str) -> None:
    assert redact(text, SECRET) == expected


def test_a_short_key_is_redacted_as_a_word() -> None:
    assert redact("key k, like (k): ok", Secret("k")) == "key [key], like ([key]): ok"
