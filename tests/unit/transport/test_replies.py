"""Streams, read to their end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clinecli.config.secret import Redactor
from clinecli.transport.replies import reply_events
from tests.helpers.replies import STOP, delta


class Pieces:
    """An answer whose body comes in pieces."""

    status = 200
    request_id = None
    redact = Redactor()

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.headers = {"content-type": "text/event-stream"}
        self.pieces = pieces

    def read(self, idle: float | None = None) -> bytes:
        return next(self.pieces, b"")

    def body(self) -> bytes:
        return b"".join(self.pieces)


def text_of(answer: Pieces) -> str:
    return "".join(event.delta.text for events in reply_events(answer) for event in events)


def test_comments_do_not_hold_a_reply_that_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clinecli.transport.replies._USAGE_SECONDS", 0)
    answer = Pieces(iter([delta("hi"), STOP, *([b": still here\n\n"] * 1000)]))
    assert text_of(answer) == "hi"
    assert next(answer.pieces)


def test_comments_hold_a_reply_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clinecli.transport.replies._USAGE_SECONDS", 0)
    answer = Pieces(iter([delta("hi"), *([b": still here\n\n"] * 1000), delta("!"), STOP]))
    assert text_of(answer) == "hi!"
