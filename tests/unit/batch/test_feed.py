"""A file that is asked is the file that was checked: what changes in between is noticed."""

from __future__ import annotations

import io

import pytest

from clinecli.batch.checkpoint import Checkpoint
from clinecli.batch.feed import FileFeed, survey
from clinecli.batch.rows import Defaults
from clinecli.batch.sieve import Names, Sieve
from clinecli.batch.source import Form, Input
from clinecli.batch.tasks import Pricing
from clinecli.errors import UsageError

DEFAULTS = Defaults({"model": "x/y"})
ROWS = [b'{"id":"%b","prompt":"?"}\n' % row_id for row_id in (b"a", b"b", b"c", b"d")]


def opened(data: bytes) -> Input:
    return Input(io.BytesIO(data), "rows", Form.JSON, DEFAULTS, bytes(16))


def asked(before: bytes, after: bytes) -> tuple[list[str], str]:
    """The ids that a file is asked for that was changed after its survey, and what is told then."""
    sieve = Sieve(Names("rows", "out"), Checkpoint(), lambda _: None)
    feed = FileFeed(opened(after), survey(opened(before), sieve, lambda _: None).plan, Pricing())
    ids: list[str] = []
    try:
        while request := feed.take():
            ids.append(request.row.id)
    except UsageError as error:
        assert feed.take() is None
        return ids, error.message
    assert feed.ended
    return ids, ""


CHANGES: dict[str, tuple[list[bytes], list[str], str]] = {
    "none": (ROWS, ["a", "b", "c", "d"], ""),
    "grown": ([*ROWS, ROWS[0]], ["a", "b", "c", "d"], ""),
    "shorter": (ROWS[:2], ["a", "b"], "2 rows of it are not there any more"),
    "shorter-by-one": (ROWS[:3], ["a", "b", "c"], "1 row of it is not there any more"),
    "emptied": ([], [], "4 rows of it are not there any more"),
    "torn": ([*ROWS[:2], ROWS[2][:5]], ["a", "b"], "line 3 is another one"),
    "a-row-twice": ([*ROWS[:2], ROWS[0], ROWS[3]], ["a", "b"], "line 3 is another one"),
    "edited": ([ROWS[0].replace(b"?", b"!"), *ROWS[1:]], [], "line 1 is another one"),
}


@pytest.mark.parametrize(("after", "ids", "message"), CHANGES.values(), ids=CHANGES)
def test_a_file_that_changes_after_it_was_checked(
    after: list[bytes], ids: list[str], message: str
) -> None:
    told = f"rows was changed while it was asked: {message}" if message else ""
    assert asked(b"".join(ROWS), b"".join(after)) == (ids, told)
