"""Which rows are still to be asked: against a model of what may have happened before."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.batch.checkpoint import MOVED_BYTES, Checkpoint, Extent, Moved, by_id, moved, scan
from clinecli.batch.id_table import Table
from clinecli.batch.results import Asked, Response, result_line
from clinecli.batch.rows import Defaults, Row
from clinecli.batch.sieve import Names, Sieve, Task
from clinecli.batch.source import Form, Input
from clinecli.errors import ClinecliError, RejectedError, UsageError

DEFAULTS = Defaults({"model": "x/y"})
Rows = list[tuple[str, str]]


def opened(rows: Rows, settings: bytes = bytes(16)) -> Input:
    """An input of (id, prompt)."""
    lines = (json.dumps({"id": row_id, "prompt": prompt}) + "\n" for row_id, prompt in rows)
    return Input(io.BytesIO("".join(lines).encode()), "rows", Form.JSON, DEFAULTS, settings)


def read(output: bytes, *, keep_failed: bool = False) -> tuple[Checkpoint, Extent]:
    checkpoint = Checkpoint()
    return checkpoint, scan(io.BytesIO(output), "out", checkpoint, keep_failed=keep_failed)


def sieve_of(output: bytes, checkpoint: Checkpoint) -> Sieve:
    table = Table(MOVED_BYTES)
    by_id(io.BytesIO(output), table)

    def find(row_id: bytes) -> Moved | None:
        return moved(table, row_id)

    return Sieve(Names("rows", "out"), checkpoint, find)


def tasks(rows: Rows, output: bytes, settings: bytes = bytes(16)) -> list[Task]:
    """What is left to be asked. Raises `UsageError`."""
    sieve = sieve_of(output, read(output)[0])
    return [task for _, task in sieve.tasks(opened(rows, settings)) if task]


def line(task: Task, *, fails: bool = False) -> bytes:
    row = task.row
    asked = Asked(row.id, row.line, task.asked, task.source)
    error = RejectedError("no") if fails else None
    return result_line(asked, Response(200, None, b'{"choices":[]}'), error)


ROWS = st.lists(st.tuples(st.sampled_from("abcdefg"), st.sampled_from("xy")), max_size=7)
RUNS = st.lists(st.tuples(ROWS, st.randoms(use_true_random=False)), min_size=1, max_size=5)


@given(RUNS)
def test_every_row_is_asked_until_it_has_an_answer_and_never_again(
    runs: list[tuple[Rows, st.DataObject]],
) -> None:
    output = b""
    answered: dict[str, str] = {}
    for rows, chance in runs:
        ids = [row_id for row_id, _ in rows]
        is_wrong = (
            len(set(ids)) < len(ids)
            or any(answered.get(row_id, prompt) != prompt for row_id, prompt in rows)
            or not answered.keys() <= set(ids)
        )
        if is_wrong:
            with pytest.raises(UsageError):
                tasks(rows, output)
            continue
        found = tasks(rows, output)
        assert [task.row.id for task in found] == [i for i in ids if i not in answered]
        chance.shuffle(found)  # type: ignore[attr-defined]
        prompts = dict(rows)
        for task in found[: len(found) * 2 // 3]:
            output += line(task)
            answered[task.row.id] = prompts[task.row.id]


# How the input differs from `a b c`, all of which are answered -> what is said
REFUSED: dict[str, tuple[Rows, str]] = {
    "another-question": ([("a", "1"), ("b", "?"), ("c", "3")], r"row 'b' \(line 2 of rows\)"),
    "a-row-is-gone": ([("a", "1"), ("c", "3")], "it has 1 row that rows does not have"),
    "twice": (
        [("a", "1"), ("b", "2"), ("c", "3"), ("b", "2")],
        "line 4: the id 'b' is there twice",
    ),
    "twice-and-moved": ([("b", "2"), ("a", "1"), ("b", "2"), ("c", "3")], "is there twice"),
    "new-and-twice": (
        [("a", "1"), ("b", "2"), ("c", "3"), ("d", ""), ("d", "")],
        "no user message",
    ),
}


@pytest.mark.parametrize(("rows", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(rows: Rows, message: str) -> None:
    output = b"".join(map(line, tasks([("a", "1"), ("b", "2"), ("c", "3")], b"")))
    with pytest.raises(ClinecliError, match=message):
        tasks(rows, output)


def test_settings_that_change_no_request_change_nothing() -> None:
    rows = [("a", "1"), ("b", "2")]
    output = b"".join(map(line, tasks(rows, b"")))
    assert tasks(rows, output, b"other settings!!") == []


# Files


def three() -> list[bytes]:
    return [line(task) for task in tasks([("a", "1"), ("b", "2"), ("c", "3")], b"")]


def test_a_torn_line_is_not_kept() -> None:
    first, second, third = three()
    for end in range(len(third)):
        output = first + second + third[:end]
        checkpoint, extent = read(output)
        assert extent == Extent(len(first + second), ())
        assert (len(checkpoint), checkpoint.answered) == (2, 2)


def test_an_only_line_may_be_torn_and_must_be_ours() -> None:
    first = three()[0]
    for end in range(len(first)):
        assert read(first[:end])[1] == Extent(0, ())
    assert read(bytes(50))[1] == Extent(0, ())
    for other in (b"x", b'{"id":"batsh', b"{}", first[1:60], b"\0x"):
        with pytest.raises(UsageError, match="line 1 of out is no result"):
            read(other)


def test_zeros_are_lost_lines() -> None:
    first, second, third = three()
    lost = bytes(30) + second[30:]
    checkpoint, extent = read(first + lost + third)
    assert extent == Extent(len(first + lost + third), ((len(first), len(first + lost)),))
    assert len(checkpoint) == 2


def gaps() -> list[bytes]:
    """A line of which some stretch reads as zeros: its begin, its middle, its end, all of it."""
    whole = three()[1]
    size = len(whole)
    cuts = ((0, 30), (5, 60), (60, 70), (70, size - 14), (90, size - 1), (90, size), (0, size))
    return [whole[:begin] + bytes(end - begin) + whole[end:] for begin, end in cuts]


@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
@pytest.mark.parametrize("lost", gaps()[1:])
def test_a_line_with_a_gap_is_lost(lost: bytes, first: bool) -> None:
    before, _, third = three()
    before = b"" if first else before
    rest = third if lost.endswith(b"\n") else b""
    checkpoint, _ = read(before + lost + rest)
    assert checkpoint.answered == len(checkpoint) == (not first) + bool(rest)


def test_another_line_between_is_an_error() -> None:
    first, second, _ = three()
    with pytest.raises(UsageError, match="line 2 of out is no result"):
        read(first + b"{}\n" + second)


@given(st.lists(st.booleans(), max_size=8))
def test_failed_lines_go_unless_they_are_kept(fails: list[bool]) -> None:
    rows = [(f"r{number}", "?") for number in range(len(fails))]
    found = tasks(rows, b"")
    lines = [line(task, fails=fail) for task, fail in zip(found, fails, strict=True)]
    output = b"".join(lines)
    checkpoint, extent = read(output)
    assert checkpoint.answered == len(checkpoint) == fails.count(False)
    rest = b""
    at = 0
    for begin, end in (*extent.dropped, (extent.end, extent.end)):
        rest += output[at:begin]
        at = end
    assert rest == b"".join(text for text, fail in zip(lines, fails, strict=True) if not fail)
    assert [task.row.id for task in tasks(rows, rest)] == [
        row_id for (row_id, _), fail in zip(rows, fails, strict=True) if fail
    ]
    checkpoint, extent = read(output, keep_failed=True)
    assert extent == Extent(len(output), ())
    assert checkpoint.failed.total() == fails.count(True)
    assert checkpoint.failed[9] == fails.count(True)


def test_rows_are_parsed_only_where_they_must_be() -> None:
    rows = [("a", "1"), ("b", "2")]
    output = b"".join(map(line, tasks(rows, b"")))
    parsed: list[str] = []
    checkpoint = read(output)[0]
    sieve = Sieve(
        Names("rows", "out"),
        checkpoint,
        lambda _: None,
        answered=lambda row: parsed.append(row.id),
    )
    assert [task for _, task in sieve.tasks(opened(rows))] == [None, None]
    assert parsed == ["a", "b"]
    assert isinstance(opened(rows).row(next(iter(opened(rows)))), Row)
