"""The input, a record at a time: its line and its own bytes, in flat memory.

A record is recognised by its raw bytes alone, and parsed only where it is to be asked.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from enum import Enum
from functools import partial
from typing import IO, NamedTuple

from clinecli.batch.rows import (
    BadRow,
    Defaults,
    Place,
    Row,
    bad_row,
    row_from_cells,
    row_from_json,
    row_from_text,
)
from clinecli.batch.rowtext import RowFault, decoded
from clinecli.errors import UsageError
from clinecli.text import counted

BOM = b"\xef\xbb\xbf"
MAX_ROW_BYTES = 64 * 1024 * 1024
SETTINGS_BYTES = 16
_MAX_CELL = 16 * 1024 * 1024


class Form(Enum):
    """How rows stand in the input."""

    JSON = "json"
    LINES = "lines"
    CSV = "csv"


class Record(NamedTuple):
    """A row that is not parsed yet: its number from 0, the line where it begins from 1."""

    number: int
    line: int
    raw: bytes


class Input:
    """One pass over an input; `name` is what messages call it, `settings` (16 bytes) stand for
    the flags.

    Raises `UsageError` for a CSV header that is at fault, and where it cannot be read.
    """

    def __init__(
        self, file: IO[bytes], name: str, form: Form, defaults: Defaults, settings: bytes
    ) -> None:
        self._file = file
        self.name = name
        self._form = form
        self._defaults = defaults
        self._lines = self._read_lines()
        self._columns = self._read_header() if form is Form.CSV else []
        # What the columns are called decides what a record asks.
        self._settings = hashlib.blake2b(
            settings + repr(self._columns).encode(), digest_size=SETTINGS_BYTES
        ).digest()

    @property
    def settings(self) -> bytes:
        """What stands for the flags, and for the columns' names."""
        return self._settings

    def __iter__(self) -> Iterator[Record]:
        is_csv = self._form is Form.CSV
        records = self._csv_records() if is_csv else self._lines
        # A line of text without any is no message, and told as that.
        skips_blanks = self._form is Form.JSON
        number = 0
        for line, raw in records:
            if skips_blanks and raw.isspace():
                continue
            yield Record(number, line, raw)
            number += 1

    def row(self, record: Record) -> Row | BadRow:
        """Parse a record."""
        place = Place(self.name, record.number, record.line)
        raw = record.raw
        try:
            if len(raw) > MAX_ROW_BYTES:
                raise RowFault(f"it is longer than {MAX_ROW_BYTES >> 20} MiB", "split it")
            if self._form is Form.JSON:
                return row_from_json(raw, place, self._defaults)
            text = decoded(raw)
            if self._form is Form.LINES:
                text = text.removesuffix("\n").removesuffix("\r")
                return row_from_text(text, place, self._defaults)
            return row_from_cells(self._cells(text), place, self._defaults)
        except RowFault as fault:
            return bad_row(fault, place)

    def _read_lines(self) -> Iterator[tuple[int, bytes]]:
        """Lines with their numbers and line feeds. Of one that is too long, the limit and a
        byte. Raises `UsageError` where the input cannot be read on."""
        read = partial(self._file.readline, MAX_ROW_BYTES + 1)
        try:
            for line, raw in enumerate(iter(read, b""), 1):
                yield line, raw if line > 1 else raw.removeprefix(BOM)
                if len(raw) > MAX_ROW_BYTES:
                    rest = raw
                    while rest and not rest.endswith(b"\n"):
                        rest = read()
        except OSError as error:
            raise UsageError(
                f"cannot read {self.name}: {error.strerror}", hint="check where it comes from"
            ) from None

    def _csv_records(self) -> Iterator[tuple[int, bytes]]:
        """Records, each with all its lines: a quoted cell may have line feeds."""
        taken: list[tuple[int, bytes]] = []

        def lines() -> Iterator[str]:
            for taken_line in self._lines:
                taken.append(taken_line)
                yield taken_line[1].decode("utf-8", "surrogateescape")

        csv.field_size_limit(_MAX_CELL)
        reader = csv.reader(lines(), strict=True)
        while True:
            taken.clear()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                # Told when the record is parsed.
                cells = [""]
            if cells:
                yield taken[0][0], b"".join(raw for _, raw in taken)

    def _read_header(self) -> list[str]:
        for line, raw in self._csv_records():
            try:
                columns = [cell.strip() for cell in _record(decoded(raw))]
            except RowFault as fault:
                raise UsageError(f"{self.name}, line {line}: {fault}", hint=fault.hint) from None
            named = [column for column in columns if column]
            if len(set(named)) < len(named):
                twice = next(column for column in named if named.count(column) > 1)
                raise UsageError(
                    f"{self.name}, line {line}: there are two columns '{twice}'",
                    hint="rename one of them: the first line of --csv has the columns' names",
                )
            return columns
        return []

    def _cells(self, text: str) -> dict[str, str]:
        cells = _record(text)
        if len(cells) != len(self._columns):
            raise RowFault(
                f"it has {counted(len(cells), 'cell')} where the header has {len(self._columns)}",
                'cells with commas or line feeds go into quotes: "a, b"',
            )
        return {name: cell for name, cell in zip(self._columns, cells, strict=True) if name}


def _record(text: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise RowFault(f"it is not CSV: {error}", 'a quote within quotes is written ""') from None
