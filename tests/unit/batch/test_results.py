from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from clinecli.batch.results import (
    Asked,
    Head,
    Response,
    asked_digest,
    body_as_json,
    read_head,
    result_line,
    source_digest,
)
from clinecli.errors import RejectedError

TEXT = st.text(st.characters(codec="utf-8"))
DIGEST = st.binary(min_size=8, max_size=8)


ROWS = st.builds(Asked, TEXT.filter(bool), st.integers(1, 10**14), DIGEST, DIGEST)


@given(ROWS, TEXT, st.booleans(), st.booleans())
def test_a_line_says_what_it_is_of(row: Asked, text: str, failed: bool, copied: bool) -> None:
    # What a body holds must not be taken for what the line says of itself.
    body = json.dumps({"x": text, "error": None}, separators=(",", ":")).encode()
    error = RejectedError(text, request_id=text or None) if failed else None
    row_id, line, asked, source = row
    written = result_line(row, Response(200, text, body), error, copied=copied)
    assert written.count(b"\n") == 1
    assert read_head(written) == Head(row_id.encode(), line, asked, source, not failed, copied)
    parsed = json.loads(written)
    assert list(parsed) == ["id", "custom_id", "response", "error"]
    assert parsed["custom_id"] == row_id
    assert parsed["response"] == {
        "status_code": 200,
        "request_id": text,
        "body": {"x": text, "error": None},
    }
    # No part of a line is a line.
    assert all(read_head(written[:end]) is None for end in range(0, len(written), 7))


def test_a_line_without_a_response() -> None:
    line = result_line(Asked("a", 1, bytes(8), bytes(8)), None, RejectedError("no"))
    assert json.loads(line)["response"] is None
    head = read_head(line)
    assert head is not None
    assert not head.answered


def test_digests_tell_apart() -> None:
    assert asked_digest("a", b"b") != asked_digest("ab", b"")
    assert asked_digest("a", b"b") != asked_digest("a", b"c")
    assert source_digest(bytes(16))(b"a") != source_digest(b"1" * 16)(b"a")
    # They stand in files: they must never change.
    assert asked_digest("row-1", b'{"model":"x"}').hex() == "d78ec64d9088e4f5"
    assert source_digest(b"0123456789abcdef")(b'{"prompt":"hi"}\n').hex() == "64643e84feff1d28"


@given(st.binary())
def test_any_body_is_json_on_one_line(body: bytes) -> None:
    shown = body_as_json(body)
    assert b"\n" not in shown
    json.loads(shown)


def test_a_long_page_is_cut() -> None:
    shown = json.loads(body_as_json(b"<html>" + b"x" * 100_000))
    assert shown.startswith("<html>xxx")
    assert shown.endswith("x…")
    assert len(shown) < 20_000
