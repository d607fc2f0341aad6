"""Patterns of ECMA-262 as Python writes them."""

from __future__ import annotations

import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.chat.patterns import Pattern, to_python, with_patterns

# pattern, what it finds, what it does not find
MATCHES: dict[str, tuple[str, list[str], list[str]]] = {
    "letters": (r"^\p{L}+$", ["aé", "Ж日", "ǅ"], ["1", "a1", "_", ""]),
    "long-name": (r"^\p{Letter}$", ["é"], ["1"]),
    "gc": (r"^\p{gc=Lu}\p{General_Category=Ll}$", ["Éa"], ["éa"]),
    "upper-and-lower": (r"^\p{Lu}\p{Ll}$", ["Éa"], ["éA"]),
    "negative": (r"^\P{L}$", ["1", "_"], ["a"]),
    "in-a-class": (r"^[\p{L}\d_-]+$", ["é1_-"], [" ", "٣"]),
    "negative-in-a-class": (r"^[^\P{Lu}A]$", ["B"], ["A", "b"]),
    "digits": (r"^\d+$", ["12"], ["٣", "12\n"]),
    "words": (r"^\w\W$", ["a "], ["é ", "ab"]),
    "end": ("a$", ["ba"], ["a\n"]),
    "a-dollar-in-a-class": ("^[$]$", ["$"], ["a"]),
    "an-escaped-dollar": (r"^\$$", ["$"], [""]),
    "code": (r"^\u{1F600}\u00e9$", ["😀é"], ["é"]),
    "code-in-a-class": (r"^[\u{1F600}-\u{1F64F}]$", ["😁"], ["a"]),
    "group": (r"^(?<a>x)\k<a>$", ["xx"], ["x"]),
    "lookbehind": (r"(?<=a)b(?<!c)", ["ab"], ["b"]),
    "slash": (r"^a\/b$", ["a/b"], ["ab"]),
    "brackets-in-a-class": (r"^[[&~|]+$", ["[&~|"], ["]"]),
    "escaped-bracket": (r"^\[\]$", ["[]"], ["a"]),
    "class-with-an-escaped-end": (r"^[\]a]$", ["]", "a"], ["b"]),
}


@pytest.mark.parametrize(("pattern", "fits", "fails"), MATCHES.values(), ids=MATCHES)
def test_matches(pattern: str, fits: list[str], fails: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled = re.compile(to_python(pattern))
    assert all(compiled.search(text) for text in fits)
    assert not any(compiled.search(text) for text in fails)


@pytest.mark.parametrize("name", ["Script=Greek", "Emoji", "", "Lx1", "gc=", "x" * 1000])
def test_properties_that_are_not_supported(name: str) -> None:
    with pytest.raises(ValueError, match="not supported") as caught:
        to_python(rf"\p{{{name}}}")
    assert len(str(caught.value)) < 200


def test_a_pattern_shows_what_was_written() -> None:
    pattern = Pattern(r"^\d$")
    assert pattern == r"^[0-9]\Z"
    assert repr(pattern) == repr(r"^\d$")


SCHEMA = {
    "pattern": "a$",
    "properties": {
        "pattern": {"pattern": "b$"},
        "default": {"pattern": "c$"},
        "x": {"const": {"pattern": "d$"}, "enum": [{"pattern": "e$"}]},
    },
    "patternProperties": {"f$": {"items": [{"pattern": "g$"}]}},
    "default": {"pattern": "h$"},
    "maximum": 7,
}


def test_patterns_of_a_schema() -> None:
    found = with_patterns(SCHEMA)
    expected = {
        "pattern": r"a\Z",
        "properties": {
            "pattern": {"pattern": r"b\Z"},
            "default": {"pattern": r"c\Z"},
            "x": {"const": {"pattern": "d$"}, "enum": [{"pattern": "e$"}]},
        },
        "patternProperties": {r"f\Z": {"items": [{"pattern": r"g\Z"}]}},
        "default": {"pattern": "h$"},
        "maximum": 7,
    }
    assert found == expected


PIECES = st.sampled_from(
    [*r"ab1.*+?|()[]^$-&~{},", r"\d", r"\w", r"\s", r"\]", r"\\", r"\p{L}", r"\P{Nd}", r"\u{41}"]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_property_any_pattern_is_one_or_none(pattern: str) -> None:
    written = to_python(pattern)
    with warnings.catch_warnings():
        # What Python may read otherwise one day; a doubled dash is not changed.
        warnings.simplefilter("ignore")
        try:
            compiled = re.compile(written)
        except re.error:
            return
    compiled.search("ab1")
