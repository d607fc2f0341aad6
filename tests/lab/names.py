"""What the lab's resolver knows. Cases add names of their own, and cures mend them."""

from __future__ import annotations

# A list of addresses; None for no such name; a number for an error of DNS; "silence".
Answer = list[str] | str | int | None

NAMES: dict[str, Answer] = {
    "example.com": ["93.184.215.14"],
    "api.test": ["127.0.0.1"],
    "both.test": ["::1", "127.0.0.1"],
    "v4first.test": ["127.0.0.1", "::1"],
    "slow.test": ["127.0.0.1"],
}
# Seconds that an answer takes.
DELAYS = {"slow.test": 1.8, "late.com": 1.8}
# Names whose look-ups by IPv6 are dropped, as by some routers.
WITHOUT_AAAA: set[str] = set()
