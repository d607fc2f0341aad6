"""Why httpx is left out: h11 by itself against httpx with a transport of its own on h11.

    python benchmarks/stack.py [--rounds 9]

The same exchange by h11 on a kept connection, once called directly and once as the transport of an
`httpx.Client`: what httpx adds to importing and to each call. clinecli needs of it the request and
the headers, which are a dozen lines, and the decoding, which it cannot use: it has no limit.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import time
from urllib.parse import urlsplit

import h11
import httpx
from measure import PROMPT, PYTHON, Contestant, compare, environment, head, in_turn, rounds, row
from servers import serving

CALLS = 3000
BODY = {"model": "m", "messages": [{"role": "user", "content": PROMPT}], "stream": False}
# What `ask` imports in any case, and what it would import besides.
DIRECT = "import typer, orjson, h11, ssl"
ON_TOP = f"{DIRECT}, httpx; httpx.Client(transport=httpx.BaseTransport())"


class Exchange:
    """Requests one after the other on one connection."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port))
        self._http = h11.Connection(h11.CLIENT)

    def __call__(
        self, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> tuple[h11.Response, bytes]:
        http = self._http
        request = h11.Request(method=method, target=target, headers=headers)
        parts = (http.send(request), http.send(h11.Data(data=body)), http.send(h11.EndOfMessage()))
        self._socket.sendall(b"".join(part or b"" for part in parts))
        head, pieces = None, []
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(self._socket.recv(65536))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                pieces.append(event.data)
            else:
                http.start_next_cycle()
                assert head
                return head, b"".join(pieces)


class H11Transport(httpx.BaseTransport):
    """The same for httpx."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        headers = request.headers.raw
        head, body = self._exchange(
            request.method.encode(), request.url.raw_path, headers, request.read()
        )
        return httpx.Response(head.status_code, headers=list(head.headers), content=body)


def direct(url: str, calls: int) -> None:
    """So many calls by h11."""
    import orjson

    parts = urlsplit(url)
    exchange = Exchange(parts.hostname or "", parts.port or 80)
    for _ in range(calls):
        body = orjson.dumps(BODY)
        headers = [
            (b"Host", parts.netloc.encode()),
            (b"Accept", b"*/*"),
            (b"Accept-Encoding", b"gzip, deflate"),
            (b"Connection", b"keep-alive"),
            (b"User-Agent", b"benchmark"),
            (b"Content-Type", b"application/json"),
            (b"Authorization", b"Bearer benchmark"),
            (b"Content-Length", b"%d" % len(body)),
        ]
        head, reply = exchange(b"POST", b"/api/v1/chat/completions", headers, body)
        assert head.status_code == 200
        orjson.loads(reply)


def on_top(url: str, calls: int) -> None:
    """So many calls by httpx on h11."""
    import orjson

    parts = urlsplit(url)
    exchange = Exchange(parts.hostname or "", parts.port or 80)
    client = httpx.Client(
        transport=H11Transport(exchange), headers={"Authorization": "Bearer benchmark"}
    )
    for _ in range(calls):
        reply = client.post(f"{url}/api/v1/chat/completions", json=BODY)
        assert reply.status_code == 200
        orjson.loads(reply.content)


WAYS = {"on-top": on_top, "direct": direct}


def work(way: str, url: str) -> None:
    """Print the microseconds of CPU that a call takes."""
    WAYS[way](url, 100)
    since = time.process_time()
    WAYS[way](url, CALLS)
    print(1e6 * (time.process_time() - since) / CALLS)


def measured(way: str, url: str) -> float:
    """The same, of a process of its own."""
    command = [PYTHON, __file__, way, url]
    return float(subprocess.run(command, capture_output=True, check=True).stdout)


def main(turns: int) -> None:
    """Measure and print."""
    head("httpx on h11, against h11 by itself, CPU")
    imports = [Contestant("on top", [PYTHON, "-c", ON_TOP])]
    imports += [Contestant("direct", [PYTHON, "-c", DIRECT])]
    above, below = in_turn(imports, environment(), turns)
    compare("import typer, orjson, h11, ssl: with httpx / without", above, below)
    with serving("reply") as url:
        played = [{way: measured(way, url) for way in WAYS} for _ in range(turns)]
    ratios = [each["on-top"] / each["direct"] for each in played]
    with_, without = (f"{statistics.median(each[way] for each in played):.0f}" for way in WAYS)
    row("a call on a kept connection: with / without", ratios, with_, f"{without} µs", None)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in WAYS:
        work(sys.argv[1], sys.argv[2])
    else:
        main(rounds(__doc__, 9))
