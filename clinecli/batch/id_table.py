"""A table of ids that stays small: 64-bit hashes, in bytes.

A Python set of a million ids takes 100 MB, this takes 8 MB, plus what is remembered of each. Two
ids with one hash are one id here: among a million, that happens once in thirty million runs.
"""

from __future__ import annotations

_PARTS = 1 << 14
_KEY_BYTES = 8


class Table:
    """Values of `width` bytes by key. Hashes are Python's own, which hold within one process."""

    def __init__(self, width: int = 0) -> None:
        self._parts = [bytearray() for _ in range(_PARTS)]
        self._size = _KEY_BYTES + width
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: bytes, value: bytes = b"") -> None:
        """Take in a key that is not there yet."""
        number = hash(key)
        self._parts[number & (_PARTS - 1)] += number.to_bytes(8, "little", signed=True) + value
        self._count += 1

    def __contains__(self, key: bytes) -> bool:
        return self._place(key)[1] >= 0

    def get(self, key: bytes) -> bytes | None:
        """The value of a key; None when it is not there."""
        part, at = self._place(key)
        return None if at < 0 else bytes(part[at + _KEY_BYTES : at + self._size])

    def _place(self, key: bytes) -> tuple[bytearray, int]:
        number = hash(key)
        part = self._parts[number & (_PARTS - 1)]
        wanted = number.to_bytes(_KEY_BYTES, "little", signed=True)
        at = part.find(wanted)
        # A value may look like a key, and so may the end of one record with the next one's begin.
        while at > 0 and at % self._size:
            at = part.find(wanted, at + 1)
        return part, at
