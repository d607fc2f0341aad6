"""Requests one after the other: from a file, read as they are needed; from a pipe, by a thread.

A file was surveyed before; what it has to be asked is known by number, and a file that is another
by then is noticed. A pipe is judged as its rows come.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterator
from queue import Empty, Queue
from typing import NamedTuple

from clinecli.batch.results import asked_digest, source_digest
from clinecli.batch.rows import Row
from clinecli.batch.sieve import Sieve, Task, as_repeated
from clinecli.batch.source import Input
from clinecli.batch.tasks import Pricing, Request, request_of
from clinecli.errors import UsageError
from clinecli.text import counted

# The mark of a record that is not to be asked.
_DONE = 0
_MARKS = (1 << 15) - 1


class Survey(NamedTuple):
    """What a file has to be asked: how many rows of it, and which, by a mark of two bytes for each
    record. That of a row to be asked comes of its digest, so that it tells when the row changes;
    it also says whether the row's id is another's."""

    rows: int
    plan: array[int]


def survey(source: Input, sieve: Sieve, each: Callable[[Task], object]) -> Survey:
    """Go over a file before anything is sent. `each` is called with every row that is to be asked.

    Raises `ClinecliError` for what is wrong with it.
    """
    plan = array("H")
    rows = 0
    for _, task in sieve.tasks(source):
        if task:
            each(task)
            rows += 1
        plan.append(_mark(task.source, repeated=task.is_repeated) if task else _DONE)
    return Survey(rows, plan)


def _mark(digest: bytes, *, repeated: bool) -> int:
    """What a row to be asked is recognised by."""
    return 1 + 2 * (int.from_bytes(digest) % _MARKS) + repeated


class FileFeed:
    """The rows of a file that its survey has found."""

    def __init__(self, source: Input, plan: array[int], pricing: Pricing) -> None:
        self._requests = self._read(source, plan, pricing)
        self.ended = False

    def take(self) -> Request | None:
        """The next request, None at the end. Raises `ClinecliError`."""
        request = next(self._requests, None)
        self.ended = request is None
        return request

    def _read(self, source: Input, plan: array[int], pricing: Pricing) -> Iterator[Request]:
        digest_of = source_digest(source.settings)
        met = 0
        for record in source:
            # A file that grows meanwhile is read as far as it was surveyed.
            if met >= len(plan):
                return
            met += 1
            if plan[record.number] == _DONE:
                continue
            digest = digest_of(record.raw)
            row = source.row(record)
            if plan[record.number] == _mark(digest, repeated=True):
                row = as_repeated(row, source.name)
            elif plan[record.number] != _mark(digest, repeated=False):
                raise _changed(source.name, f"line {record.line} is another one")
            data = row.data if isinstance(row, Row) else record.raw
            yield request_of(Task(row, asked_digest(row.id, data), digest), pricing)
        if met < len(plan):
            gone = len(plan) - met
            are = "is" if gone == 1 else "are"
            raise _changed(source.name, f"{counted(gone, 'row')} of it {are} not there any more")


def _changed(name: str, how: str) -> UsageError:
    return UsageError(
        f"{name} was changed while it was asked: {how}",
        hint="give the batch a file of its own, that nothing else writes",
    )


class PipeFeed:
    """The rows of a pipe, as they come; a few are read ahead, by a thread.

    `wake` is called when there is something to take again.
    """

    def __init__(
        self,
        source: Callable[[], Input],
        sieve: Sieve,
        pricing: Pricing,
        ahead: int,
        wake: Callable[[], None],
    ) -> None:
        self._source = source
        self._sieve = sieve
        self._pricing = pricing
        self._wake = wake
        self._queue: Queue[Request | BaseException | None] = Queue(ahead)
        self._is_waited_for = False
        self.ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def take(self) -> Request | None:
        """The next request, None when there is none now. Raises `ClinecliError`."""
        if self.ended:
            return None
        try:
            item = self._queue.get_nowait()
        except Empty:
            self._is_waited_for = True
            try:
                # It may have come before the reader could see that.
                item = self._queue.get_nowait()
            except Empty:
                return None
        if isinstance(item, Request):
            return item
        self.ended = True
        if item:
            raise item
        return None

    def _read(self) -> None:
        end: BaseException | None = None
        try:
            source = self._source()
            for _, task in self._sieve.tasks(source):
                if task:
                    self._put(request_of(task, self._pricing))
        except BaseException as error:  # noqa: BLE001 - raised again where somebody sees it
            end = error
        self._put(end)

    def _put(self, item: Request | BaseException | None) -> None:
        self._queue.put(item)
        if self._is_waited_for:
            self._is_waited_for = False
            self._wake()
