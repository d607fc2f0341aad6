"""Secrets that a server quotes are taken out of every error, whatever shape tells of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clinecli.chat.api_errors import Origin, decode_error
from clinecli.chat.codec import StreamReader, decode_body, json_body
from clinecli.errors import ClinecliError

ORIGIN = Origin("text/event-stream", "req_1", lambda text: text.replace("S3CRET", "[key]"))
ERROR = {"message": "no such key: S3CRET", "code": "bad_S3CRET", "type": "type_S3CRET"}
SHAPES: dict[str, Any] = {
    "error": {"error": ERROR},
    "error-text": {"error": "no such key: S3CRET"},
    "envelope": {"success": False, "error": json.dumps(ERROR)},
    "nested": {"success": True, "data": {"error": ERROR}},
    "choice": {"choices": [{"index": 0, "finish_reason": "error", "error": ERROR}]},
}


def told(error: ClinecliError | None) -> str:
    """All that is shown of an error."""
    assert error is not None
    return json.dumps(error.as_dict()) + error.text + error.hint + str(error)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_in_a_whole_reply(shape: Any) -> None:
    body = json.dumps(shape).encode()
    with pytest.raises(ClinecliError) as caught:
        decode_body(body, ORIGIN)
    text = told(caught.value)
    assert "[key]" in text
    assert "S3CRET" not in text


def shown(body: bytes) -> str:
    reader = StreamReader(ORIGIN)
    reader.feed(body)
    reader.close()
    return told(reader.failure)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_in_a_stream(shape: Any) -> None:
    raw = json.dumps(shape).encode()
    for text in (shown(b"data: %s\n\n" % raw), shown(raw)):
        assert "[key]" in text
        assert "S3CRET" not in text


@pytest.mark.parametrize("data", [json.dumps(ERROR), json.dumps({"error": ERROR})])
def test_in_an_error_event(data: str) -> None:
    text = shown(f"event: error\ndata: {data}\n\n".encode())
    assert "[key]" in text
    assert "S3CRET" not in text


def test_in_an_error_event_of_text() -> None:
    text = shown(b"event: error\ndata: no such key: S3CRET\n\n")
    assert "no such key: [key]" in text


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_in_an_answer_that_failed(status: int) -> None:
    for body in (json.dumps(SHAPES["error"]).encode(), b"no such key: S3CRET"):
        text = told(decode_error(status, body, ORIGIN._replace(content_type="text/plain")))
        assert "[key]" in text
        assert "S3CRET" not in text


def test_in_a_document() -> None:
    with pytest.raises(ClinecliError) as caught:
        json_body(json.dumps(SHAPES["envelope"]).encode(), ORIGIN)
    assert "no such key: [key]" in told(caught.value)
