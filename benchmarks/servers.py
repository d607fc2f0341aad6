"""Servers for the benchmarks, each a process of its own: `with serving("reply") as url`.

reply                       one reply to each request, connections kept
stream EVENTS PER_CHUNK     a stream, so many events in each HTTP chunk
delay SECONDS               one reply after a while; one thread for any number of connections
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

EVENT = (
    b'data: {"id":"gen_1","object":"chat.completion.chunk","created":1774387736,'
    b'"model":"test/model","choices":[{"index":0,"delta":{"content":" token"},'
    b'"logprobs":null,"finish_reason":null}],"system_fingerprint":"fp_1"}\n\n'
)
LAST = (
    b'data: {"id":"gen_1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\ndata: [DONE]\n\n'
)
REPLY = (
    b'{"id":"gen_1","object":"chat.completion","created":1774387736,"model":"test/model",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"Paris."},'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
)
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(REPLY),
    REPLY,
)
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_BLOCK = 100


@contextmanager
def serving(*kind: str) -> Iterator[str]:
    """The URL of a server that runs until the block ends."""
    command = [sys.executable, __file__, *kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def request_end(data: bytes) -> int:
    """Where the first request of `data` ends; 0 while it is not whole."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return 0
    length = _LENGTH.search(data, 0, end)
    whole = end + 4 + (int(length[1]) if length else 0)
    return whole if len(data) >= whole else 0


def answer_replies(connection: socket.socket) -> None:
    """One reply to each request, until the client goes."""
    data = b""
    while piece := connection.recv(65536):
        data += piece
        while end := request_end(data):
            data = data[end:]
            connection.sendall(RESPONSE)


def answer_stream(connection: socket.socket, events: int, per_chunk: int) -> None:
    """One stream, then the end of the connection."""
    data = b""
    while not request_end(data):
        piece = connection.recv(65536)
        if not piece:
            return
        data += piece
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = _chunk(EVENT * per_chunk)
    chunks, rest = divmod(events, per_chunk)
    for _ in range(chunks // _BLOCK):
        connection.sendall(chunk * _BLOCK)
    connection.sendall(chunk * (chunks % _BLOCK) + _chunk(EVENT * rest + LAST) + b"0\r\n\r\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def listen(kind: list[str], host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A listener whose connections are answered by threads, as `kind` says."""
    listener = socket.create_server((host, port), backlog=512)
    threading.Thread(target=accept, args=(listener, kind, None), daemon=True).start()
    return listener


def accept(listener: socket.socket, kind: list[str], context: ssl.SSLContext | None) -> None:
    """Answer every connection in a thread of its own."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_answer, args=(connection, kind, context), daemon=True).start()


def _answer(connection: socket.socket, kind: list[str], context: ssl.SSLContext | None) -> None:
    # A client goes when it has what it came for.
    with suppress(OSError), connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        spoken = context.wrap_socket(connection, server_side=True) if context else connection
        with spoken:
            if kind[0] == "stream":
                answer_stream(spoken, int(kind[1]), int(kind[2]))
            else:
                answer_replies(spoken)


class _Delayed(asyncio.Protocol):
    """Answers each request after some seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while end := request_end(self._data):
            self._data = self._data[end:]
            asyncio.get_running_loop().call_later(self._seconds, self._transport.write, RESPONSE)


async def _delay(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Delayed(seconds), "127.0.0.1", 0, backlog=512)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until the process is ended."""
    kind = sys.argv[1:]
    if kind[0] == "delay":
        asyncio.run(_delay(float(kind[1])))
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    accept(listener, kind, None)


if __name__ == "__main__":
    main()
