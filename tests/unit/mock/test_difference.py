"""What is said of two JSON values that differ."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.mock.difference import describe, differences

LONG = "a" * 100


@pytest.mark.parametrize(
    ("there", "here", "said"),
    [
        ({"a": 1}, {"a": 2}, "a is 1 there and 2 here"),
        ({"a": 1}, {"a": True}, "a is 1 there and true here"),
        ({"a": 1}, {}, "a is 1 there and missing here"),
        ({}, {"a": None}, "a is missing there and null here"),
        ({"m": [{"c": "x"}]}, {"m": [{"c": "ö"}]}, 'm[0].c is "x" there and "ö" here'),
        ([1, 2], [1], "[1] is 2 there and missing here"),
        ({"a": {}}, {"a": []}, "a is {} there and [] here"),
        ("x", None, 'the body is "x" there and null here'),
        (
            {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1},
            {},
            "a is 1 there and missing here, b is 1 there and missing here, "
            "c is 1 there and missing here, and 2 more",
        ),
        (LONG + "b", LONG + "c", f'the body is "…{"a" * 20}b" there and "…{"a" * 20}c" here'),
        ("", LONG, f'the body is "" there and "{"a" * 60}…" here'),
        ([0] * 90, 1, f"the body is [{'0, ' * 19}0,… there and 1 here"),
        ("\ud83d", "x", 'the body is "\\ud83d" there and "x" here'),
    ],
    ids=str,
)
def test_said(there: Any, here: Any, said: str) -> None:
    assert describe(list(differences(there, here))) == said


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_nothing_differs_from_itself(value: Any) -> None:
    assert list(differences(value, value)) == []


@given(VALUES, VALUES)
def test_what_differs_is_found(there: Any, here: Any) -> None:
    found = list(differences(there, here))
    assert bool(found) == (json.dumps(there, sort_keys=True) != json.dumps(here, sort_keys=True))


def test_depth_has_an_end() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    assert describe(list(differences(deep, [deep]))).startswith("[0][0]")
