"""Work in a process of its own, which ends when its time is over."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from clinecli.chat.schema import Checker
from clinecli.streams.worker import Worker
from tests.helpers.process import PATIENCE


@pytest.fixture
def schema_worker() -> Iterator[Worker]:
    worker = Worker("clinecli.chat.schema", "answer")
    yield worker
    worker.close()


SLOW = {"properties": {"a": {"pattern": "^(a+)+$"}}}
BOMB = '{"a":"' + "a" * 60 + '!"}'


def test_a_pattern_that_takes_for_ever_is_ended(schema_worker: Worker) -> None:
    checker = Checker(SLOW, "s.json", schema_worker.ask, PATIENCE)
    failure = checker.mismatch(BOMB, 0.2)
    assert failure
    assert "takes more than 0.2 s (--timeout)" in failure.message
    # The next one has a process again.
    assert checker.mismatch('{"a":"aa"}', PATIENCE) is None
    assert checker.mismatch('{"a":"ab"}', PATIENCE)


def test_what_is_deep_is_checked_there(schema_worker: Worker) -> None:
    checker = Checker({"items": {"$ref": "#"}}, "s.json", schema_worker.ask, PATIENCE)
    assert checker.mismatch("[" * 400 + "]" * 400, PATIENCE) is None


def test_a_large_reply_goes_there(schema_worker: Worker) -> None:
    checker = Checker({"type": "string"}, "s.json", schema_worker.ask, PATIENCE)
    assert checker.mismatch('"' + "x" * 5_000_000 + '"', PATIENCE) is None


def test_many_threads_share_one_process(schema_worker: Worker) -> None:
    checker = Checker({"type": "integer"}, "s.json", schema_worker.ask, PATIENCE)
    wrong: list[int] = []

    def check(number: int) -> None:
        for _ in range(20):
            is_text = number % 2 == 0
            failure = checker.mismatch(f'"{number}"' if is_text else str(number), PATIENCE)
            if (failure is not None) != is_text:
                wrong.append(number)

    threads = [threading.Thread(target=check, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_process_that_dies_is_told_and_replaced(schema_worker: Worker) -> None:
    checker = Checker({}, "s.json", schema_worker.ask, PATIENCE)
    assert schema_worker._process  # noqa: SLF001
    os.kill(schema_worker._process.pid, signal.SIGKILL)  # noqa: SLF001
    schema_worker._process.wait()  # noqa: SLF001
    failure = checker.mismatch("{}", PATIENCE)
    assert failure
    assert "has failed" in failure.message
    assert checker.mismatch("{}", PATIENCE) is None


def test_a_function_that_is_not_there() -> None:
    with pytest.raises(EOFError):
        Worker("clinecli.chat.schema", "no_such_function").ask(b"", PATIENCE)


def test_no_process_is_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    with pytest.raises(EOFError):
        Worker("clinecli.chat.schema", "answer").ask(b"", PATIENCE)


def test_the_process_ends_with_its_parent(schema_worker: Worker) -> None:
    schema_worker.start()
    process = schema_worker._process  # noqa: SLF001
    assert process
    assert process.stdin
    process.stdin.close()
    assert process.wait(PATIENCE) == 0


def environment(_: bytes) -> bytes:
    """What a worker sees."""
    return repr(dict(os.environ)).encode()


def test_the_process_knows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINE_API_KEY", "sk-test-0123456789abcdef")
    worker = Worker(__name__, "environment")
    seen = worker.ask(b"", PATIENCE)
    worker.close()
    assert seen.startswith(b"{")
    assert b"sk-test" not in seen
