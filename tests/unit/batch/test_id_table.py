from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clinecli.batch.id_table import Table


@given(st.dictionaries(st.binary(max_size=6), st.binary(min_size=3, max_size=3)), st.binary())
def test_it_is_a_dictionary(entries: dict[bytes, bytes], other: bytes) -> None:
    table = Table(3)
    for key, value in entries.items():
        table.add(key, value)
    assert len(table) == len(entries)
    assert {key: table.get(key) for key in entries} == entries
    assert table.get(other) == entries.get(other)
    assert (other in table) is (other in entries)


class _Hashed(bytes):
    """Bytes whose hash is their number, so that many share a part of the table."""

    def __hash__(self) -> int:
        return int.from_bytes(self, "little", signed=True)

    def __eq__(self, other: object) -> bool:
        return bytes(self) == other


def test_what_only_looks_like_a_key_is_none() -> None:
    # Hashes of one part of the table: their last 14 bits are zero.
    hashes = [number << 14 for number in range(1, 600)]
    keys = [_Hashed(number.to_bytes(8, "little")) for number in hashes]
    table = Table(2)
    for key in keys[:500]:
        table.add(key, bytes(key[1:3]))
    for key in keys[:500]:
        assert table.get(key) == bytes(key[1:3])
    for key in keys[500:]:
        assert key not in table
