"""Tool calls from pieces: which piece belongs to which call."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.chat.tool_calls import MAX_BYTES, ToolCall, ToolCallPiece, ToolCalls
from clinecli.errors import Code, IncompleteError

Piece = tuple[int | None, str, str, str]


def fold(*pieces: Piece) -> ToolCalls:
    calls = ToolCalls()
    for piece in pieces:
        calls.add(ToolCallPiece(*piece))
    return calls


F, G = ToolCall("a", "f", "{}"), ToolCall("b", "g", '{"x":1}')
FOLDED: dict[str, tuple[list[Piece], list[ToolCall]]] = {
    "none": ([], []),
    "openai": (
        [(0, "a", "f", ""), (0, "", "", "{"), (0, "", "", "}"), (1, "b", "g", '{"x":1}')],
        [F, G],
    ),
    "interleaved-and-out-of-order": (
        [(1, "b", "g", '{"x"'), (0, "a", "f", "{"), (1, "", "", ":1}"), (0, "", "", "}")],
        [F, G],
    ),
    "id-and-name-come-late": ([(0, "", "", "{}"), (0, "", "f", ""), (0, "a", "", "")], [F]),
    "id-and-name-sent-again": ([(0, "a", "f", "{"), (0, "a", "f", "}")], [F]),
    "the-same-call-again": ([(0, "a", "f", "{}"), (0, "a", "f", "{}")], [F]),
    "the-whole-call-after-its-pieces": (
        [(0, "a", "f", ""), (0, "", "", "{"), (0, "", "", "}"), (0, "a", "f", "{}")],
        [F],
    ),
    "an-id-made-up-for-each-piece": ([(0, "a", "f", "{"), (0, "z", "", "}")], [F]),
    # What Gemini-compatible servers send: no index, or 0 for all.
    "no-index": ([(None, "a", "f", "{}"), (None, "b", "g", '{"x":1}')], [F, G]),
    "index-zero-for-all": ([(0, "a", "f", "{}"), (0, "b", "g", '{"x":1}')], [F, G]),
    "the-same-function-twice": (
        [(0, "a", "f", "{}"), (0, "b", "f", "{}")],
        [F, ToolCall("b", "f", "{}")],
    ),
    "no-index-in-pieces": (
        [
            (None, "a", "f", ""),
            (None, "", "", "{}"),
            (None, "b", "g", ""),
            (None, "", "", '{"x":1}'),
        ],
        [F, G],
    ),
    "no-index-told-apart-by-id": (
        [
            (None, "a", "f", "{"),
            (None, "b", "g", '{"x"'),
            (None, "a", "", "}"),
            (None, "b", "", ":1}"),
        ],
        [F, G],
    ),
    "no-id-another-name": (
        [(0, "", "f", "{}"), (0, "", "g", '{"x":1}')],
        [ToolCall("", "f", "{}"), ToolCall("", "g", '{"x":1}')],
    ),
    "no-id-the-same-name-and-whole-arguments": (
        [(0, "", "f", '{"a":1}'), (0, "", "f", '{"a":2}')],
        [ToolCall("", "f", '{"a":1}'), ToolCall("", "f", '{"a":2}')],
    ),
    "no-id-the-same-name-in-each-piece": (
        [(0, "", "f", ""), (0, "", "f", '{"a'), (0, "", "f", '":1}')],
        [ToolCall("", "f", '{"a":1}')],
    ),
    "one-id-at-two-places": (
        [(0, "call_0", "f", "{}"), (1, "call_0", "g", "{}")],
        [ToolCall("call_0", "f", "{}"), ToolCall("call_0", "g", "{}")],
    ),
    "nothing-in-it": ([(0, "", "", "")], []),
    "no-name": ([(0, "a", "", "{}")], []),
    "blank-name": ([(0, "a", " ", "{}")], []),
    "one-of-two-has-a-name": ([(0, "z", "", "{}"), (1, "a", "f", "{}")], [F]),
}


@pytest.mark.parametrize(("pieces", "expected"), FOLDED.values(), ids=FOLDED)
def test_folding(pieces: list[Piece], expected: list[ToolCall]) -> None:
    calls = fold(*pieces)
    assert calls.calls() == expected
    assert calls.has_any == bool(expected)


@pytest.mark.parametrize(
    ("pieces", "nameless"),
    [([(0, "", "", "")], 0), ([(0, "a", "", "{}")], 1), ([(0, "", "", "{}"), (1, "", "f", "")], 1)],
    ids=["nothing", "one", "one of two"],
)
def test_calls_without_a_name_are_counted(pieces: list[Piece], nameless: int) -> None:
    assert fold(*pieces).nameless == nameless


def test_many_pieces_take_the_memory_of_their_text() -> None:
    piece = ToolCallPiece(0, "", "", "x")
    calls = fold((0, "a", "f", ""))
    tracemalloc.start()
    for _ in range(200_000):
        calls.add(piece)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000
    (call,) = calls.calls()
    assert call.arguments == "x" * 200_000


@pytest.mark.parametrize("position", [0, None], ids=["index", "no index"])
def test_ids_made_up_for_each_piece_are_not_kept(position: int | None) -> None:
    calls = fold((position, "a", "f", ""))
    tracemalloc.start()
    for number in range(50_000):
        calls.add(ToolCallPiece(position, f"id-{number}", "", ""))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000
    assert len(calls.calls()) == 1


def test_empty_pieces_are_free() -> None:
    calls = fold(*[(number, "", "", "") for number in range(100_000)])
    assert calls.calls() == []


@pytest.mark.parametrize(
    "pieces",
    [
        [(0, "a", "f", "x" * (MAX_BYTES // 2 + 1))] * 2,
        [(number, "a", "f", "") for number in range(MAX_BYTES // 500)],
        [(0, "a", "f", ""), (0, "", "g" * MAX_BYTES, "")],
    ],
    ids=["arguments", "calls", "name"],
)
def test_calls_do_not_grow_without_end(pieces: list[Piece]) -> None:
    with pytest.raises(IncompleteError, match="tool calls of the reply exceed 32 MiB") as caught:
        fold(*pieces)
    assert caught.value.code is Code.TOO_LARGE


NAMED = st.tuples(
    st.sampled_from(["f", "g"]), st.dictionaries(st.text(max_size=3), st.text(max_size=9))
)


@given(st.lists(NAMED, max_size=5), st.sampled_from([0, None]), st.data())
def test_property_calls_without_an_index_stay_apart(
    named: list[tuple[str, dict[str, str]]], position: int | None, data: st.DataObject
) -> None:
    pieces: list[Piece] = []
    expected = []
    for number, (name, arguments) in enumerate(named):
        text = json.dumps(arguments)
        cut = data.draw(st.integers(0, len(text)))
        pieces += [(position, f"c{number}", name, text[:cut]), (position, "", "", text[cut:])]
        expected.append(ToolCall(f"c{number}", name, text))
    assert fold(*pieces).calls() == expected
