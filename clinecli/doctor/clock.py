"""The time by a server's Date header, against this machine's. Pure."""

from __future__ import annotations

from datetime import UTC, datetime


def http_date(text: str) -> datetime | None:
    """The moment that a Date header names (RFC 9110, section 5.6.7); None for what names none."""
    try:
        return datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        # The obsolete forms, for which an import of 10 ms is worth it.
        from email.utils import parsedate_to_datetime
    try:
        found = parsedate_to_datetime(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def skew_text(seconds: float) -> str:
    """How far this machine's clock is off, of which side: `3 days behind`, say."""
    direction = "ahead of" if seconds > 0 else "behind"
    seconds = abs(seconds)
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} {direction}"
    return f"{seconds:.0f} seconds {direction}"
