"""Scalars, aliases and limits of the YAML that a user writes."""

from __future__ import annotations

from typing import Any

import pytest

from clinecli.chat.yaml_text import MAX_DEPTH, parse
from clinecli.errors import UsageError
from clinecli.jsontext import Number

SCALARS: dict[str, Any] = {
    # By the core schema of YAML 1.2, section 10.3.2.
    "": None,
    "~": None,
    "NULL": None,
    "nUll": "nUll",
    "True": True,
    "FALSE": False,
    "yes": "yes",
    "off": "off",
    "7": 7,
    "-0": Number("-0"),
    "+7": 7,
    "007": 7,
    "0o17": 15,
    "0xfF": 255,
    "0b1": "0b1",
    "0o8": "0o8",
    "1_000": "1_000",
    "1.10": Number("1.10"),
    "1.": 1.0,
    ".5": 0.5,
    "+1.5": 1.5,
    "01e2": 100.0,
    "1E2": Number("1E2"),
    "1e": "1e",
    ".": ".",
    ".inf": ".inf",
    "2024-01-01": "2024-01-01",
    "12:30:00": "12:30:00",
    "'7'": "7",
    '"true"': "true",
    "!!str 7": "7",
    "! 7": "7",
    "!!int 7": 7,
    "!!int '7'": 7,
    "|-\n  7": "7",
}


@pytest.mark.parametrize("text", SCALARS)
def test_scalar(text: str) -> None:
    data = parse(f"a: {text}\n", "x.yml").data
    assert data == {"a": SCALARS[text]}
    assert type(data["a"]) is type(SCALARS[text])


def test_an_empty_text_is_null() -> None:
    for text in ("", "# a comment\n", "---\n...\n"):
        node = parse(text, "x.yml")
        assert (node.data, node.is_null) == (None, True)


def test_a_quoted_nothing_is_text() -> None:
    node = parse("''", "x.yml")
    assert (node.data, node.is_null) == ("", False)


def test_the_deepest_nesting() -> None:
    for opening, closing in (("[", "]"), ("{a: ", "}")):
        deepest = opening * MAX_DEPTH + "1" + closing * MAX_DEPTH
        assert parse(deepest, "x.yml").data
        with pytest.raises(UsageError, match="nested too deeply") as caught:
            parse(f"{opening}{deepest}{closing}", "x.yml")
        assert str(MAX_DEPTH) in caught.value.hint


def test_aliases_within_the_budget_and_beyond() -> None:
    # Each alias costs the 1,001 of a text of 1,000; free are 10,000 and ten times the file.
    text = f"a: &a {'x' * 1000}\nb:\n"
    fits = (10_000 + 10 * len(text)) // 1001
    many = "".join("- *a\n" for _ in range(fits))
    assert parse(text + many, "x.yml").data["b"] == ["x" * 1000] * fits
    with pytest.raises(UsageError, match=r"^x\.yml:[0-9]+:3: aliases make the file too large"):
        parse(text + "- *a\n" * 100, "x.yml")


def test_aliases_of_aliases_count_as_what_they_become() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    for maker in (lines, [line.replace("[", "{k: [").replace("]", "]}") for line in lines]):
        with pytest.raises(UsageError, match="aliases make the file too large"):
            parse("\n".join(maker), "x.yml")


MISTAKES: dict[str, tuple[str, str]] = {
    "list-as-key": ("a: 1\n[b]: 2\n", "x.yml:2:1: a key is a list"),
    "mapping-as-key": ("? {a: 1}\n: 2\n", "x.yml:1:3: a key is a mapping"),
    "twice": ("a: 1\nb: 2\na: 3\n", "x.yml:3:1: 'a' is given twice (first in line 1)"),
    "tag": ("a: !!python/name:os.system x\n", "x.yml:1:4: the tag "),
    "alias-of-nothing": ("a: *b\n", "x.yml:1:4: "),
    "second-document": ("a: 1\n---\nb: 2\n", "x.yml:2:1: a second document begins"),
    "control-character": ("a: 1\nbc: \x01\n", "x.yml:2:5: not YAML: a control character"),
    "merge-of-text": ("<<: text\n", "x.yml:1:5: << takes a mapping"),
    "open": ("a: [1,\n", "x.yml:2:1: not YAML: "),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, "x.yml")
    assert caught.value.message.startswith(message)
    assert caught.value.hint
    assert len(caught.value.message) > len(message) or not message.endswith(": ")


def test_own_keys_win_over_merged_ones_and_the_first_merged_over_later_ones() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  c: 3\n  <<: [*x, *y]\n"
    assert parse(text, "x.yml").data["z"] == {"a": 1, "b": 1, "c": 3}
