"""The time by others, against this machine's."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

_DAY = 86400.0
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def http_date(text: str) -> datetime | None:
    """The moment that a Date header names (RFC 9110, section 5.6.7); None for what names none."""
    words = text.replace(":", " ").split()
    try:
        # Not by strptime, which takes 2 ms to import.
        _, day, month, year, hour, minute, second, zone = words
        if zone == "GMT":
            number = _MONTHS.index(month) + 1
            return datetime(
                *(int(year), number, int(day), int(hour), int(minute), int(second)), tzinfo=UTC
            )
    except ValueError:
        if not words:
            return None
    # The obsolete forms, for which an import of 10 ms is worth it.
    from email.utils import parsedate_to_datetime

    try:
        found = parsedate_to_datetime(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def files_from_later(now: float, home: str) -> datetime | None:
    """When files of this machine were written that are from later than its clock says; None where
    none is. It needs nobody else's word."""
    newest = 0.0
    for path in (__file__, "/etc", "/var/log", "/tmp", home):  # noqa: S108 - looked at alone
        with suppress(OSError, ValueError):
            newest = max(newest, Path(path).stat().st_mtime)
    return datetime.fromtimestamp(newest, UTC) if newest > now + _DAY else None


def skew_text(seconds: float) -> str:
    """How far this machine's clock is off, of which side: `3 days behind`, say."""
    direction = "ahead of" if seconds > 0 else "behind"
    seconds = abs(seconds)
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} {direction}"
    return f"{seconds:.0f} seconds {direction}"
