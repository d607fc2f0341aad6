"""The time by others."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clinecli.doctor.clock import files_from_later, http_date, skew_text

MOMENT = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
DATES = {
    "as servers write it": ("Thu, 26 Nov 2026 09:30:00 GMT", MOMENT),
    "RFC 850": ("Thursday, 26-Nov-26 09:30:00 GMT", MOMENT),
    "without a zone": ("Thu, 26 Nov 2026 09:30:00", MOMENT),
    "with an offset": ("Thu, 26 Nov 2026 10:30:00 +0100", MOMENT),
    "empty": ("", None),
    "words": ("yesterday", None),
    "a command": ('Thu, 26 Nov 2026 "; reboot', None),
    "no such day": ("Thu, 31 Feb 2026 09:30:00 GMT", None),
}


@pytest.mark.parametrize(("text", "moment"), DATES.values(), ids=DATES)
def test_dates(text: str, moment: datetime | None) -> None:
    assert http_date(text) == moment


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (150, "2 minutes ahead of"),
        (-150, "2 minutes behind"),
        (7200, "2 hours ahead of"),
        (-86400 * 400, "400 days behind"),
        (30, "30 seconds ahead of"),
    ],
)
def test_skews(seconds: float, text: str) -> None:
    assert skew_text(seconds) == text


def test_files_from_later(tmp_path: Path) -> None:
    later = datetime(2100, 1, 1, tzinfo=UTC)
    now = datetime(2099, 1, 1, tzinfo=UTC).timestamp()
    assert files_from_later(now, str(tmp_path)) is None
    os.utime(tmp_path, (later.timestamp(), later.timestamp()))
    assert files_from_later(now, str(tmp_path)) == later
    assert files_from_later(later.timestamp() - 3600, str(tmp_path)) is None
