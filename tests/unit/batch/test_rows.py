from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.batch.results import asked_digest
from clinecli.batch.rows import BadRow, Defaults, Place, Row, row_from_cells
from clinecli.batch.rows import row_from_json as from_json
from clinecli.batch.rows import row_from_text as from_text
from clinecli.batch.rowtext import cell_value
from clinecli.batch.template import row_template, template_of
from clinecli.errors import EmptyMessageError, UsageError
from clinecli.jsontext import Number, dumps, loads_exact

PLACE = Place("rows.jsonl", 4, 5)
DEFAULTS = Defaults({"model": "x/y", "temperature": 0.5}, ({"role": "system", "content": "Be."},))
SYSTEM = {"role": "system", "content": "Be."}
USER = {"role": "user", "content": "hi"}


def body(row: Row | BadRow) -> dict[str, Any]:
    assert isinstance(row, Row), row
    parsed: dict[str, Any] = json.loads(row.data)
    assert parsed.pop("stream") is False
    return parsed


IDS: dict[str, tuple[bytes, str]] = {
    "none": (b'{"prompt":"hi"}', "5"),
    "id": (b'{"id":"a","prompt":"hi"}', "a"),
    "custom-id": (b'{"custom_id":"a","prompt":"hi"}', "a"),
    "both": (b'{"id":"b","custom_id":"a","prompt":"hi"}', "a"),
    "number": (b'{"id":0,"prompt":"hi"}', "0"),
    "null": (b'{"id":null,"prompt":"hi"}', "5"),
    "many-digits": (b'{"id":-12345678901234567890123,"prompt":"hi"}', "-12345678901234567890123"),
    "unicode": ('{"id":"é\\n\\"","prompt":"hi"}'.encode(), 'é\n"'),
    "string": (b'"hi"', "5"),
}


@pytest.mark.parametrize(("data", "row_id"), IDS.values(), ids=IDS)
def test_ids(data: bytes, row_id: str) -> None:
    row = from_json(data, PLACE, DEFAULTS)
    assert (row.id, row.number, row.line) == (row_id, 4, 5)
    # Neither of the names is sent.
    assert body(row) == {"model": "x/y", "temperature": 0.5, "messages": [SYSTEM, USER]}


@pytest.mark.parametrize("value", ["1.5", "1.0", "1e3", "true", "[]", "{}", '""'])
def test_what_is_no_id(value: str) -> None:
    row = from_json(f'{{"id":{value},"prompt":"hi"}}'.encode(), PLACE, DEFAULTS)
    assert isinstance(row, BadRow)
    assert "its id is neither text nor a whole number" in row.error.message


def test_a_bad_row_keeps_its_id() -> None:
    row = from_json(b'{"id":"a","prompt":5}', PLACE, DEFAULTS)
    assert isinstance(row, BadRow)
    assert (row.id, row.number, row.line) == ("a", 4, 5)
    assert isinstance(row.error, UsageError)
    assert row.error.message == 'rows.jsonl, line 5: its "prompt" is no text'


@pytest.mark.parametrize("content", ["", " \n\t", [], [{"type": "text", "text": " "}], None])
def test_an_empty_message_has_a_kind_of_its_own(content: Any) -> None:
    data = json.dumps({"messages": [SYSTEM, {"role": "user", "content": content}]}).encode()
    row = from_json(data, PLACE, DEFAULTS)
    assert isinstance(row, BadRow)
    assert isinstance(row.error, EmptyMessageError)


def test_the_last_message_need_not_be_the_users() -> None:
    data = json.dumps({"messages": [USER, {"role": "assistant", "content": "{"}]}).encode()
    assert isinstance(from_json(data, PLACE, DEFAULTS), Row)


def test_examples_go_before_a_prompt_alone() -> None:
    earlier = ({"role": "user", "content": "1"}, {"role": "assistant", "content": "one"})
    defaults = DEFAULTS._replace(examples=earlier)
    assert body(from_text("hi", PLACE, defaults))["messages"] == [SYSTEM, *earlier, USER]
    data = json.dumps({"messages": [USER]}).encode()
    assert body(from_json(data, PLACE, defaults))["messages"] == [SYSTEM, USER]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_system_message_of_its_own_wins(role: str) -> None:
    own = {"role": role, "content": "Own."}
    data = json.dumps({"messages": [own, USER]}).encode()
    assert body(from_json(data, PLACE, DEFAULTS))["messages"] == [own, USER]


def test_defaults_are_left_as_they_are() -> None:
    fields: dict[str, Any] = {"model": "x/y"}
    defaults = Defaults(fields, examples=(USER,))
    for _ in range(2):
        from_json(b'{"prompt":"hi","model":"a/b","top_p":1}', PLACE, defaults)
        from_text("hi", PLACE, defaults)
    assert fields == {"model": "x/y"}
    assert defaults.examples == (USER,)


CELLS: dict[str, tuple[str, str, Any]] = {
    "number": ("temperature", "0.50", Number("0.50")),
    "whole": ("seed", "7", 7),
    "boolean": ("logprobs", "true", True),
    "object": ("response_format", '{"type":"text"}', {"type": "text"}),
    "text": ("stop", "end.", "end."),
    "a-number-as-prompt": ("prompt", "42", "42"),
    "a-number-as-model": ("model", "4", "4"),
    "not-a-number": ("top_p", "NaN", "NaN"),
}


@pytest.mark.parametrize(("name", "cell", "value"), CELLS.values(), ids=CELLS)
def test_cells(name: str, cell: str, value: Any) -> None:
    assert cell_value(name, cell) == value


def test_empty_cells_are_left_out() -> None:
    cells = {"id": "", "prompt": "hi", "temperature": "", "seed": "3"}
    row = row_from_cells(cells, PLACE, DEFAULTS)
    assert row.id == "5"
    assert body(row)["temperature"] == 0.5
    assert body(row)["seed"] == 3


def test_a_template_takes_fields_and_sends_none() -> None:
    template = row_template(template_of("{{a}}-{{b.c}}-{{a}}"), {}, replaces_system=False)
    defaults = DEFAULTS._replace(template=template)
    row = from_json(b'{"id":"r","a":"{{b.c}}","b.c":[1.50],"body":{}}', PLACE, defaults)
    assert row.id == "r"
    assert body(row)["messages"] == [SYSTEM, {"role": "user", "content": "{{b.c}}-[1.50]-{{b.c}}"}]
    assert list(body(row)) == ["model", "temperature", "messages"]


SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False,
    allow_infinity=False) | st.text(st.characters(codec="utf-8"))
)  # fmt: skip
JSON = st.recursive(
    SCALARS, lambda of: st.lists(of, max_size=4) | st.dictionaries(st.text("abc.", max_size=3), of)
)
FIELDS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=4).filter(lambda name: name not in {"id", "body"}), JSON
)


@given(FIELDS, st.booleans(), st.booleans(), st.text(st.characters(codec="utf-8")))
def test_what_is_sent_is_what_was_written(
    fields: dict[str, Any], spaced: bool, nested: bool, text: str
) -> None:
    """Whichever parser takes a row, every value of it is sent as it was spelled."""
    prompt = f"a{text}"
    whole = {**fields, "messages": [{"role": "user", "content": prompt}]}
    row = {"custom_id": "r", "body": whole} if nested else whole
    data = json.dumps(row, separators=(", ", ": ") if spaced else (",", ":")).encode()
    parsed = from_json(data, PLACE, Defaults({"model": "x/y"}))
    assert isinstance(parsed, Row)
    exact = loads_exact(data.decode())
    expected = {"model": "x/y", **(exact["body"] if nested else exact), "stream": False}
    assert parsed.data == dumps(expected)


@given(st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_line_is_a_row_or_told_as_bad(data: bytes) -> None:
    row = from_json(data, PLACE, DEFAULTS)
    assert isinstance(row, Row | BadRow)
    if isinstance(row, BadRow):
        assert row.error.message.startswith("rows.jsonl, line 5: ")
    else:
        assert json.loads(row.data)["stream"] is False
        assert len(asked_digest(row.id, row.data)) == 8
