from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.batch.merge import read_shards, write_shards
from clinecli.batch.results import Asked, Response, error_object, result_line
from clinecli.batch.shard import Shard
from clinecli.batch.tally import Tally
from clinecli.errors import (
    ClinecliError,
    ExitStatus,
    IncompleteError,
    RejectedError,
    TransientError,
    UsageError,
)

BODY = b'{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"cost":0.1}}'


def line(row_id: str, error: ClinecliError | None = None, *, copied: bool = False) -> bytes:
    asked = Asked(row_id, 7, b"\0\1\2\3\4\5\6\7", b"\7\6\5\4\3\2\1\0")
    return result_line(asked, Response(200, "req-1", BODY), error, copied=copied)


class Sink:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


def outputs(folder: Path, *contents: bytes) -> list[str]:
    paths = []
    for number, content in enumerate(contents):
        path = folder / f"out{number}.jsonl"
        path.write_bytes(content)
        paths.append(str(path))
    return paths


def merged(ids: list[str], paths: list[str]) -> tuple[bytes, Tally]:
    shards = read_shards(lambda: ids, "in.jsonl", paths)
    sink = Sink()
    write_shards(shards, sink)
    return sink.data, shards.tally


def refusal(ids: list[str], paths: list[str]) -> ClinecliError:
    with pytest.raises(ClinecliError) as caught:
        read_shards(lambda: ids, "in.jsonl", paths)
    return caught.value


def test_lines_come_in_the_order_of_the_input(tmp_path: Path) -> None:
    ids = ["c", "a", "b", 'd"\n', "é"]
    paths = outputs(tmp_path, line("é") + line("a"), b"", line('d"\n') + line("c") + line("b"))
    data, tally = merged(ids, paths)
    assert data == b"".join(map(line, ids))
    assert (tally.done, tally.failures) == (5, 0)
    assert (tally.prompt_tokens, tally.completion_tokens) == (25, 10)
    assert tally.cost == 500_000_000_000


@given(
    st.lists(st.text(st.characters(codec="utf-8"), min_size=1), unique=True, max_size=30),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
def test_what_shards_divide_is_whole_again(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], parts: int, random: object
) -> None:
    shards = [Shard(part, parts) for part in range(1, parts + 1)]
    contents = []
    for shard in shards:
        own = [row_id for row_id in ids if shard.takes(row_id)]
        random.shuffle(own)  # type: ignore[attr-defined]
        contents.append(b"".join(map(line, own)))
    paths = outputs(tmp_path_factory.mktemp("merge"), *contents)
    assert merged(ids, paths)[0] == b"".join(map(line, ids))


def test_more_outputs_than_may_be_open(tmp_path: Path) -> None:
    ids = [str(number) for number in range(600)]
    paths = outputs(tmp_path, *(line(row_id) + line(f"{row_id}+") for row_id in ids))
    # Each output is returned to after all others.
    order = [*ids, *(f"{row_id}+" for row_id in ids)]
    assert merged(order, paths)[0] == b"".join(map(line, order))


def test_failures_are_counted_by_kind_and_kept(tmp_path: Path) -> None:
    ids = ["1", "2", "3", "4"]
    errors = [TransientError("x"), RejectedError("y"), TransientError("z"), None]
    lines = [line(row_id, error) for row_id, error in zip(ids, errors, strict=True)]
    data, tally = merged(ids, outputs(tmp_path, b"".join(lines)))
    assert data == b"".join(lines)
    assert (tally.earlier, tally.failed) == (
        1,
        {ExitStatus.TRANSIENT: 2, ExitStatus.REJECTED: 1},
    )


def test_failed_rows_may_go_to_a_place_of_their_own(tmp_path: Path) -> None:
    failure = line("2", RejectedError("no"))
    shards = read_shards(
        lambda: ["1", "2", "3"], "in", outputs(tmp_path, line("3") + line("1"), failure)
    )
    good, bad = Sink(), Sink()
    write_shards(shards, good, bad)
    assert (good.data, bad.data) == (line("1") + line("3"), failure)


def test_copied_replies_cost_nothing(tmp_path: Path) -> None:
    _, tally = merged(["1", "2"], outputs(tmp_path, line("1") + line("2", copied=True)))
    assert (tally.prompt_tokens, tally.cost) == (5, 100_000_000_000)


def test_an_error_of_an_unknown_status_is_internal(tmp_path: Path) -> None:
    error = RejectedError("no")
    odd = line("1", error).replace(error_object(error), b'{"exit_status":99}')
    _, tally = merged(["1"], outputs(tmp_path, odd))
    assert tally.failed == {ExitStatus.INTERNAL: 1}


WHOLE = line("1") + line("2")
# ids, outputs -> class, message
FAULTS: dict[str, tuple[list[str], list[bytes], type[ClinecliError], str]] = {
    "missing": (
        ["1", "2", "3", "4"], [WHOLE], IncompleteError,
        "of the 4 rows of in.jsonl: 2 rows are in none of the outputs (3, 4)",
    ),
    "missing-many": (
        [str(number) for number in range(1, 10)], [WHOLE], IncompleteError,
        "of the 9 rows of in.jsonl: 7 rows are in none of the outputs (3, 4, 5, 6, 7, …)",
    ),
    "all-missing": (
        ["1"], [b""], IncompleteError,
        "of the 1 row of in.jsonl: 1 row is in none of the outputs (1)",
    ),
    "twice-in-one": (
        ["1", "2"], [WHOLE + line("2")], UsageError,
        "of the 2 rows of in.jsonl: 1 row is there twice (2)",
    ),
    "twice-in-two": (
        ["1", "2"], [WHOLE, WHOLE], UsageError,
        "of the 2 rows of in.jsonl: 2 rows are there twice (1, 2)",
    ),
    "of-another-input": (
        ["1"], [WHOLE], UsageError,
        "of the 1 row of in.jsonl: 1 row is not in the input (2)",
    ),
    "all-at-once": (
        ["1", "3"], [WHOLE, line("1")], UsageError,
        "of the 2 rows of in.jsonl: 1 row is not in the input (2); 1 row is there twice (1); "
        "1 row is in none of the outputs (3)",
    ),
    "torn": (
        ["1", "2"], [WHOLE[:-1]], IncompleteError,
        "of the 2 rows of in.jsonl: 1 row is in none of the outputs (2)",
    ),
    "zeros-of-a-power-cut": (
        ["1", "2"], [line("1") + b"\0" * 100 + line("2")], IncompleteError,
        "of the 2 rows of in.jsonl: 1 row is in none of the outputs (2)",
    ),
    "repeated-id": (
        ["1", "2", "1"], [WHOLE], UsageError, "in.jsonl: the id '1' stands there twice",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("ids", "contents", "kind", "message"), FAULTS.values(), ids=FAULTS)
def test_refused(
    tmp_path: Path, ids: list[str], contents: list[bytes], kind: type[ClinecliError], message: str
) -> None:
    error = refusal(ids, outputs(tmp_path, *contents))
    assert type(error) is kind
    assert error.message == message
    assert error.hint


@pytest.mark.parametrize("text", [b"{}\n", b"hello\n", b"\n", b'{"id":"batch_req_1"}\n'])
def test_what_is_no_output_is_named_with_its_line(tmp_path: Path, text: bytes) -> None:
    paths = outputs(tmp_path, line("1") + text)
    assert refusal(["1"], paths).message == f"{paths[0]}, line 2 is no line of a batch's output"


@pytest.mark.parametrize("path", ["/dev/zero", "/nowhere/out", "/", "a\0b"])
def test_what_cannot_be_read_twice(path: str) -> None:
    error = refusal(["1"], [path])
    assert isinstance(error, UsageError)
    assert error.message.startswith("cannot read ")


def test_an_output_that_is_being_written(tmp_path: Path) -> None:
    paths = outputs(tmp_path, WHOLE)
    with Path(paths[0]).open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert "still writing" in refusal(["1", "2"], paths).message
    assert merged(["1", "2"], paths)[0] == WHOLE


def test_an_output_that_changes_meanwhile(tmp_path: Path) -> None:
    paths = outputs(tmp_path, WHOLE)
    shards = read_shards(lambda: ["1", "2"], "in", paths)
    Path(paths[0]).write_bytes(b"")
    with pytest.raises(UsageError, match="has changed"):
        write_shards(shards, Sink())
