"""What a server's side of a handshake tells."""

from __future__ import annotations

import pytest

from clinecli.doctor.chain import _handshake_types


def record(*messages: tuple[int, bytes], kind: int = 22) -> bytes:
    body = b"".join(
        bytes([message]) + len(content).to_bytes(3, "big") + content
        for message, content in messages
    )
    return bytes([kind, 3, 3]) + len(body).to_bytes(2, "big") + body


HELLO, REQUEST, DONE = (2, b"x" * 40), (13, b"y" * 9), (14, b"")
HEARD = {
    "one record": (record(HELLO, REQUEST, DONE), [2, 13, 14]),
    "a record each": (record(HELLO) + record(REQUEST) + record(DONE), [2, 13, 14]),
    "an alert after it": (record(HELLO) + record((40, b""), kind=21), [2]),
    "cut": (record(HELLO, REQUEST)[:-4], [2, 13]),
    "HTTP": (b"HTTP/1.1 400 Bad Request\r\n\r\n", []),
    "nothing": (b"", []),
}


@pytest.mark.parametrize(("data", "types"), HEARD.values(), ids=HEARD)
def test_the_messages_of_a_handshake(data: bytes, types: list[int]) -> None:
    assert [*_handshake_types(data)] == types


def test_a_message_in_two_records() -> None:
    whole = record(REQUEST)[5:]
    halves = (whole[:6], whole[6:])
    data = b"".join(bytes([22, 3, 3]) + len(half).to_bytes(2, "big") + half for half in halves)
    assert [*_handshake_types(data)] == [13]
