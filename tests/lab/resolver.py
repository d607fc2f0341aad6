"""A resolver on 127.0.0.1:53 that answers by table."""

from __future__ import annotations

import socket
import struct
import threading

from tests.lab.names import DELAYS, NAMES, WITHOUT_AAAA

_NXDOMAIN, _SERVFAIL = 3, 2
_A, _AAAA = 1, 28


class Resolver:
    """Names to addresses; `None` is no such name, a number is an error of DNS, "silence" none at
    all. Every other name does not exist."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(4096)
            threading.Thread(target=self._reply, args=(query, client), daemon=True).start()

    def _reply(self, query: bytes, client: tuple[str, int]) -> None:
        labels, position = [], 12
        while query[position]:
            length = query[position]
            labels.append(query[position + 1 : position + 1 + length].decode())
            position += length + 1
        kind = struct.unpack("!H", query[position + 1 : position + 3])[0]
        name = ".".join(labels).lower()
        found = NAMES.get(name)
        if found == "silence" or (name in WITHOUT_AAAA and kind == _AAAA):
            return
        threading.Event().wait(DELAYS.get(name, 0))
        code = found if isinstance(found, int) else _NXDOMAIN if found is None else 0
        addresses = found if isinstance(found, list) else []
        answers = b""
        count = 0
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            if kind != (_AAAA if ":" in address else _A):
                continue
            data = socket.inet_pton(family, address)
            answers += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 1, len(data)) + data
            count += 1
        head = query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, count, 0, 0)
        self._socket.sendto(head + query[12 : position + 5] + answers, client)
