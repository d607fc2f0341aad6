"""Counts, decisions and words: what ends a batch, and what is said of it."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.batch.checkpoint import Checkpoint
from clinecli.batch.order import Places
from clinecli.batch.outputs import InOrder
from clinecli.batch.progress import Rate, duration, progress_line
from clinecli.batch.results import Asked, Response, result_line
from clinecli.batch.stops import Seen, Stop, Tolerance, stops_all
from clinecli.batch.summary import End, end_error, summary_line
from clinecli.batch.tally import Tally, batch_error, kinds
from clinecli.batch.tasks import Request
from clinecli.errors import (
    AuthError,
    ClinecliError,
    Code,
    ConfigError,
    ConnectionFailed,
    CreditError,
    ExitStatus,
    IncompleteError,
    RejectedError,
    Retry,
    TlsError,
    TransientError,
)

NOTHING, ANSWERS, MODELS = Seen(False, False), Seen(True, False), Seen(False, True)
DEAD = ANSWERS._replace(silent=600.0)
SHUT = DEAD._replace(shut=True)
# error, what has been seen -> whether it ends a batch whose rows may take 600 s
STOPS: dict[str, tuple[ClinecliError, Seen, bool]] = {
    "key": (AuthError("no", http_status=401), ANSWERS, True),
    "no-access": (AuthError("no", http_status=403), NOTHING, True),
    "no-access-for-some": (AuthError("no", http_status=403), ANSWERS, False),
    "no-access-to-a-model": (AuthError("no", http_status=403), MODELS, False),
    "a-key-that-a-code-tells-of": (AuthError("no"), ANSWERS, True),
    "credit": (CreditError("no", http_status=402), ANSWERS, True),
    "tls": (TlsError("no"), ANSWERS, True),
    "settings": (ConfigError("no"), ANSWERS, True),
    "unknown-host": (ConnectionFailed("no", retry=Retry.NEVER), ANSWERS, True),
    "refused": (ConnectionFailed("no", code=Code.REFUSED), ANSWERS, False),
    "closed": (ConnectionFailed("no", code=Code.CLOSED, retry=Retry.TWICE), ANSWERS, False),
    "rate-limit": (TransientError("no", http_status=429), ANSWERS, False),
    "a-shut-server": (TransientError("no", http_status=429), SHUT, True),
    "shut-for-a-while": (
        TransientError("no", http_status=429), SHUT._replace(silent=599.0), False
    ),
    "silent-but-not-shut": (TransientError("no", http_status=429), DEAD, False),
    "dead": (ConnectionFailed("no", code=Code.REFUSED), DEAD, True),
    "dead-for-a-while": (
        ConnectionFailed("no", code=Code.REFUSED), DEAD._replace(silent=599.0), False
    ),
    "a-short-wait": (TransientError("no", retry_after=599.0), ANSWERS, False),
    "a-long-wait": (TransientError("no", retry_after=600.0), ANSWERS, True),
    "rejected": (RejectedError("no", http_status=400), NOTHING, False),
    "incomplete": (IncompleteError("no"), NOTHING, False),
}  # fmt: skip


@pytest.mark.parametrize(("error", "seen", "ends"), STOPS.values(), ids=STOPS)
def test_stops_all(error: ClinecliError, seen: Seen, ends: bool) -> None:
    assert stops_all(error, seen, 600.0) is ends


TOLERANCES: dict[str, tuple[Tolerance, int, int, bool]] = {
    "any": (Tolerance(), 1000, 1000, False),
    "number": (Tolerance(number=3), 3, 3, False),
    "number-exceeded": (Tolerance(number=3), 4, 4, True),
    "share-of-all": (Tolerance(share=0.1, rows=100), 10, 10, False),
    "share-of-all-exceeded": (Tolerance(share=0.1, rows=100), 11, 11, True),
    "share-of-few": (Tolerance(share=0.1), 99, 99, False),
    "share-so-far": (Tolerance(share=0.1), 10, 100, False),
    "share-so-far-exceeded": (Tolerance(share=0.1), 11, 100, True),
    "none-at-all": (Tolerance(share=0.0, rows=10), 1, 1, True),
}


@pytest.mark.parametrize(
    ("tolerance", "failures", "done", "ends"), TOLERANCES.values(), ids=TOLERANCES
)
def test_tolerance(tolerance: Tolerance, failures: int, done: int, ends: bool) -> None:
    assert tolerance.is_exceeded(failures, done) is ends


@given(
    st.dictionaries(
        st.sampled_from([s.value for s in ExitStatus if s]), st.integers(1, 5), min_size=1
    )
)
def test_the_most_frequent_kind_decides(failed: dict[int, int]) -> None:
    error = batch_error(Counter(failed), "message", "hint")
    most = max(failed.values())
    assert failed[error.status] == most
    assert all(status >= error.status for status, count in failed.items() if count == most)
    assert [kind.rows for kind in kinds(Counter(failed))] == sorted(failed.values(), reverse=True)


def end(**changes: Any) -> End:
    tally = Tally(changes.pop("earlier", 0), Counter(changes.pop("failed", {})))
    for name in ("answered", "requests", "retried", "cost", "copied", "prompt_tokens"):
        setattr(tally, name, changes.pop(name, 0))
    whole: dict[str, Any] = {"stop": None, "rows": None, "seconds": 12.3, "resumes": True} | changes
    return End(tally, **whole)


LINES: dict[str, tuple[End, str]] = {
    "all": (end(answered=3, rows=3, requests=3), "3 of 3 rows answered, 3 requests, 12 s"),
    "one": (end(answered=1, rows=1, requests=1), "1 of 1 row answered, 1 request, 12 s"),
    "some": (
        end(answered=5, earlier=2, failed={9: 1, 11: 2}, rows=12, requests=9, retried=1),
        "7 of 12 rows answered (2 of them before), 3 failed (incomplete 2, rejected 1), 2 left, "
        "9 requests (1 of them again), 12 s",
    ),
    "a-pipe": (end(answered=2, failed={10: 1}, requests=3), "2 of 3 rows answered, "
               "1 failed (transient 1), 3 requests, 12 s"),
    "money": (
        end(answered=1200, copied=3, prompt_tokens=5000, cost=10**12, rows=1200, requests=1200),
        "1,200 of 1,200 rows answered, 3 copied, 5,000 prompt + 0 completion tokens, $1.00, "
        "1,200 requests, 12 s",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("finished", "line"), LINES.values(), ids=LINES)
def test_summary_line(finished: End, line: str) -> None:
    assert summary_line(finished) == line


ERRORS: dict[str, tuple[End, ExitStatus, str, str]] = {
    "failures": (
        end(answered=7, failed={9: 1, 11: 2}, rows=10),
        ExitStatus.INCOMPLETE,
        "3 of 10 rows failed: incomplete 2, rejected 1",
        "the same command asks them again",
    ),
    "failures-on-stdout": (
        end(answered=7, failed={9: 1}, resumes=False),
        ExitStatus.REJECTED,
        "1 of 8 rows failed: rejected 1",
        "its line says why",
    ),
    "stopped": (
        end(answered=7, rows=10, stop=Stop(CreditError("out of credits", http_status=402))),
        ExitStatus.CREDIT,
        "the batch stopped: out of credits; 7 rows are answered, 3 have no result (HTTP 402)",
        "add credits at https://app.cline.bot; the same command continues",
    ),
    "one-of-one": (
        end(failed={9: 1}, rows=1),
        ExitStatus.REJECTED,
        "1 of 1 row failed: rejected 1",
        "the same command asks it again",
    ),
    "one-left": (
        end(answered=1, rows=2, stop=Stop(CreditError("out of credits"))),
        ExitStatus.CREDIT,
        "the batch stopped: out of credits; 1 row is answered, 1 has no result",
        "add credits at https://app.cline.bot; the same command continues",
    ),
    "a-wait": (
        end(rows=10, stop=Stop(TransientError("busy", retry_after=70740.0, hint="wait"))),
        ExitStatus.TRANSIENT,
        "the batch stopped: busy; 0 rows are answered, 10 have no result",
        "wait; wait 19 h 39 min; then the same command continues",
    ),
    "too-many": (
        end(answered=1, failed={9: 3}, rows=10, stop=Stop()),
        ExitStatus.REJECTED,
        "too many rows failed (--max-failures): rejected 3; 1 row is answered, 6 have no result",
        "the same command continues",
    ),
}


@pytest.mark.parametrize(("finished", "status", "text", "hint"), ERRORS.values(), ids=ERRORS)
def test_end_error(finished: End, status: ExitStatus, text: str, hint: str) -> None:
    error = end_error(finished)
    assert error is not None
    assert (error.status, error.text, error.hint) == (status, text, hint)


def test_no_error() -> None:
    assert end_error(end(answered=7, rows=7)) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (200, "3 min 20 s"), (70740, "19 h 39 min"), (-1, "0 s")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_progress_line() -> None:
    tally = end(answered=40, failed={10: 2}, cost=2 * 10**10, prompt_tokens=1500).tally
    told = "0.5/s, 2 failed (transient 2), 1,500 tokens, $0.02"
    assert progress_line(tally, 100, 0.5) == f"42 of 100 rows, {told}, 1 min 56 s left"
    assert progress_line(tally, None, 0.5) == f"42 rows, {told}"
    assert progress_line(tally, 100, 0.5, hold=30.2) == f"42 of 100 rows, {told}, held for 30 s"
    assert "1,235/s" in progress_line(tally, None, 1234.6)


def test_rate_is_of_the_last_half_minute() -> None:
    rate = Rate(0.0, 100)
    assert rate.of(0.0, 100) == 0.0
    assert rate.of(10.0, 150) == 5.0
    found = [rate.of(float(second), 150 + 20 * (second - 10)) for second in range(11, 100)]
    assert found[-1] == pytest.approx(20.0)


# Order


@given(st.permutations(list(range(12))), st.integers(0, 12))
def test_in_order(order: list[int], finished: int) -> None:
    requests = [Request(Asked(str(n), n, b"", b""), n, b"", None, "") for n in range(12)]  # type: ignore[arg-type]
    written: list[bytes] = []

    class Feed:
        ended = False

        def take(self) -> Request | None:
            return requests.pop(0) if requests else None

    in_order = InOrder(Feed(), written.append, 4)
    while in_order.take():
        """All of them are in the air."""
    for number in order[:finished]:
        in_order.put(number, b"%d\n" % number)
        done = b"".join(written).split()
        assert done == [b"%d" % n for n in range(len(done))]
    in_order.close()
    # What has no result is left out in the end.
    assert b"".join(written).split() == [b"%d" % n for n in sorted(order[:finished])]


def test_not_too_much_is_held_back() -> None:
    class Feed:
        ended = False
        number = 0

        def take(self) -> Request | None:
            self.number += 1
            row = Asked("", 1, b"", b"")
            return Request(row, self.number, b"", None, "")  # type: ignore[arg-type]

    in_order = InOrder(Feed(), lambda _: None, 1)
    taken = 0
    while in_order.take():
        taken += 1
    assert taken == 256
    in_order.put(2, b"x")
    assert in_order.take() is None
    in_order.put(1, b"x")
    assert in_order.take() is not None
    big = InOrder(Feed(), lambda _: None, 1)
    for _ in range(3):
        big.take()
    big.put(2, bytes(40 << 20))
    assert big.take() is None


@given(st.lists(st.integers(1, 40), max_size=20))
def test_places_are_those_of_the_input(lines: list[int]) -> None:
    texts = [
        result_line(Asked(str(n), line, bytes(8), bytes(8)), Response(200, None, b"{}"), None)
        for n, line in enumerate(lines)
    ]
    whole = b"".join(texts)
    places = Places(io.BytesIO(whole), Checkpoint())
    assert places.is_in_order is (lines == sorted(lines))
    ordered = [whole[begin:last] for begin, last in places]
    assert ordered == [texts[n] for n in sorted(range(len(lines)), key=lambda n: (lines[n], n))]
