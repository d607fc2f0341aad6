from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.batch import source
from clinecli.batch.rows import BadRow, Defaults, Row
from clinecli.batch.source import Form, Input
from clinecli.batch.template import row_template, template_of
from clinecli.errors import UsageError

DEFAULTS = Defaults({"model": "x/y"})


def opened(data: bytes, form: Form, defaults: Defaults = DEFAULTS) -> Input:
    return Input(io.BytesIO(data), "rows", form, defaults, bytes(16))


# input, form -> line and raw bytes of each record
RECORDS: dict[str, tuple[bytes, Form, list[tuple[int, bytes]]]] = {
    "json": (b'"a"\n\n \r\n"b"', Form.JSON, [(1, b'"a"\n'), (4, b'"b"')]),
    "json-bom": (b'\xef\xbb\xbf"a"\n', Form.JSON, [(1, b'"a"\n')]),
    "bom-alone": (b"\xef\xbb\xbf", Form.JSON, [(1, b"")]),
    "lines": (b"a\n\nb\r\n", Form.LINES, [(1, b"a\n"), (2, b"\n"), (3, b"b\r\n")]),
    "csv": (
        b'p,q\r\n"a\nb",c\r\n\r\n"d ""e""",f',
        Form.CSV,
        [(2, b'"a\nb",c\r\n'), (5, b'"d ""e""",f')],
    ),
    "csv-bom": (b"\xef\xbb\xbfp\na\n", Form.CSV, [(2, b"a\n")]),
    "csv-nothing": (b"", Form.CSV, []),
    "csv-after-a-fault": (b'p\n"a"b\nc\n', Form.CSV, [(2, b'"a"b\n'), (3, b"c\n")]),
}


@pytest.mark.parametrize(("data", "form", "records"), RECORDS.values(), ids=RECORDS)
def test_records(data: bytes, form: Form, records: list[tuple[int, bytes]]) -> None:
    found = list(opened(data, form))
    assert [(record.line, record.raw) for record in found] == records
    assert [record.number for record in found] == list(range(len(records)))


def test_a_row_that_is_too_long_is_bad_and_the_next_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(source, "MAX_ROW_BYTES", 20)
    rows = opened(b'"' + b"a" * 50 + b'"\n"b"\n"' + b"c" * 100, Form.JSON)
    found = [rows.row(record) for record in rows]
    assert [row.line for row in found] == [1, 2, 3]
    assert isinstance(found[0], BadRow)
    assert "it is longer than" in found[0].error.message
    assert isinstance(found[1], Row)
    assert isinstance(found[2], BadRow)


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\r")), st.integers()),
        max_size=5,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_csv_gives_back_what_was_written(cells: list[tuple[str, int]], end: str) -> None:
    import csv

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end)
    writer.writerow(["text", "n"])
    writer.writerows(cells)
    template = row_template(template_of("{{n}}: {{text}}"), {}, replaces_system=False)
    rows = opened(text.getvalue().encode(), Form.CSV, DEFAULTS._replace(template=template))
    found = [rows.row(record) for record in rows]
    assert [row.body["messages"][0]["content"] for row in found if isinstance(row, Row)] == [
        f"{number}: {value}" for value, number in cells
    ]


def test_columns_without_a_name_are_passed_over() -> None:
    rows = opened(b",prompt\n0,hi\n", Form.CSV)
    (row,) = [rows.row(record) for record in rows]
    assert isinstance(row, Row)
    assert json.loads(row.data) == {
        "model": "x/y",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": False,
    }


def test_the_names_of_columns_are_settings() -> None:
    names = [b"prompt,a", b"prompt,b"]
    first, second = (opened(columns + b"\n", Form.CSV).settings for columns in names)
    assert first != second
    assert first == opened(names[0] + b"\nhi,1\n", Form.CSV).settings


def test_a_header_that_is_no_text() -> None:
    with pytest.raises(UsageError, match="rows, line 1: it is not UTF-8"):
        opened(b"pr\xffompt\n", Form.CSV)
