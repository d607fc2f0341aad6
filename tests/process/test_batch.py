"""`batch` as a process: every row once, with the right kind, and an exit status that is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.batch import (
    WAYS,
    CountingServer,
    Said,
    always,
    by_id,
    kind_of,
    read_lines,
    write_rows,
)
from tests.helpers.process import no_traceback, run

STATUSES = {"rejected": 9, "transient": 10, "incomplete": 11, "connection": 7}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_answer(way: str, env: dict[str, str], tmp_path: Path) -> None:
    _, kind, status = WAYS[way]
    rows = write_rows(tmp_path / "in", ["a", "b"])
    output = tmp_path / "out"
    with CountingServer(always(way)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows, "-o", str(output), "--retries", "0", "--jobs", "1"], env)
    no_traceback(done)
    assert done.returncode == (STATUSES[kind] if kind else 0)
    lines = by_id(read_lines(output))
    assert set(lines) == {"a", "b"}
    for line in lines.values():
        assert kind_of(line) == kind
        assert (line["response"] or {"status_code": None})["status_code"] == status
    assert server.asked == {"ask a": 1, "ask b": 1}


def test_every_way_at_once(env: dict[str, str], tmp_path: Path) -> None:
    ids = [f"{way}-{number}" for number in range(20) for way in WAYS]
    rows = write_rows(tmp_path / "in", ids)
    output = tmp_path / "out"

    def say(prompt: str, _before: int) -> Said:
        return WAYS[prompt.removeprefix("ask ").rpartition("-")[0]].said

    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows, "-o", str(output), "--retries", "0", "--jobs", "16"], env)
    no_traceback(done)
    lines = by_id(read_lines(output))
    assert {row_id: kind_of(line) for row_id, line in lines.items()} == {
        row_id: WAYS[row_id.rpartition("-")[0]].kind for row_id in ids
    }
    assert set(server.asked.values()) == {1}
    assert done.returncode == 11
