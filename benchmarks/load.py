"""Load on a server: N kept connections, each asking again as soon as it is answered.

    python benchmarks/load.py                                    the mock alone
    python benchmarks/load.py --connections 256 -- --latency 0.05
    python benchmarks/load.py --url http://127.0.0.1:8080        a server that runs already

Without --url a mock is started, with the flags that follow `--`; on Linux it then has one core,
and the load another. The requests are bytes made beforehand and the replies are only counted,
so that the server is what is measured. CPU is user + system time of each side per request, as
the operating system accounts for it. Nothing here is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"


class Server(NamedTuple):
    """A server, and its process if it was started here."""

    url: str
    process: subprocess.Popen[bytes] | None


class Outcome(NamedTuple):
    """What became of the requests; times are in seconds."""

    statuses: dict[bytes, int]
    latencies: list[float]
    elapsed: float


def request(url: str, *, stream: bool, prompt: str) -> bytes:
    """A chat request as bytes."""
    host = urlsplit(url)
    body = json.dumps(
        {
            "model": "anthropic/claude-sonnet-4-6",
            "messages": [{"role": "user", "content": prompt}],
            "stream": stream,
        }
    ).encode()
    return (
        f"POST {host.path or '/api/v1'}/chat/completions HTTP/1.1\r\nHost: {host.netloc}\r\n"
        "Authorization: Bearer load\r\nContent-Type: application/json\r\nAccept: */*\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def is_whole(data: bytes) -> bool:
    """Whether a response has come to its end."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = _LENGTH.search(data, 0, end + 2)
    return len(data) >= end + 4 + int(length[1]) if length else data.endswith(_LAST_CHUNK)


class Client:
    """One connection that asks again and again."""

    def __init__(self, address: tuple[str, int], data: bytes) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = data
        self._received = b""
        self._since = 0.0

    def ask(self) -> None:
        """Send the request."""
        self._received, self._since = b"", time.perf_counter()
        self.socket.sendall(self._request)

    def read(self) -> tuple[bytes, float] | None:
        """Status and seconds of the response, None until it is whole."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise SystemExit(f"the server closed a connection after {self._received[:200]!r}")
        self._received += data
        if not is_whole(self._received):
            return None
        return self._received[9:12], time.perf_counter() - self._since


def load(server: Server, data: bytes, connections: int, seconds: float) -> Outcome:
    """Keep every connection busy for some seconds."""
    host = urlsplit(server.url)
    clients = [Client((host.hostname or "", host.port or 80), data) for _ in range(connections)]
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
    statuses: dict[bytes, int] = {}
    latencies: list[float] = []
    start = time.perf_counter()
    for client in clients:
        client.ask()
    busy = len(clients)
    while busy:
        for key, _ in selector.select():
            if got := key.data.read():
                statuses[got[0]] = statuses.get(got[0], 0) + 1
                latencies.append(got[1])
                if time.perf_counter() - start < seconds:
                    key.data.ask()
                else:
                    busy -= 1
    elapsed = time.perf_counter() - start
    for client in clients:
        client.socket.close()
    return Outcome(statuses, latencies, elapsed)


@contextmanager
def serving(url: str | None, flags: list[str]) -> Iterator[Server]:
    """The server at the URL, or a mock with these flags."""
    if url:
        yield Server(url, None)
        return
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    pin = ["taskset", "-c", str(cores[0])] if len(cores) > 1 else []
    command = [*pin, sys.executable, "-m", "clinecli", "mock", "--port", "0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            if pin:
                os.sched_setaffinity(0, cores[1:])
            yield Server(process.stdout.readline().decode().strip(), process)
        finally:
            process.terminate()


def cpu(pid: int) -> float | None:
    """CPU seconds of a running process; None where there is no /proc."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_cpu() -> float:
    """CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def report(outcome: Outcome, own: float, server: float | None) -> None:
    """Print what was measured."""
    number = len(outcome.latencies)
    percent = statistics.quantiles(outcome.latencies, n=100) if number > 1 else [0.0] * 99
    statuses = ", ".join(f"{n} × {status.decode()}" for status, n in outcome.statuses.items())
    print(f"{number / outcome.elapsed:10.0f} requests a second ({statuses})")
    print(f"{percent[49] * 1e3:10.1f} ms median, {percent[98] * 1e3:.1f} ms at 99 %")
    print(f"{own / number * 1e6:10.0f} µs of CPU a request here")
    if server is not None:
        print(f"{server / number * 1e6:10.0f} µs of CPU a request in the server")


def main() -> None:
    """Parse the flags, load, report."""
    parser = argparse.ArgumentParser(description="Load on a server over kept connections.")
    parser.add_argument("--url", help="base URL; without it a mock is started")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--stream", action="store_true", help="ask for streams")
    parser.add_argument("--prompt", default="What is the capital of France?")
    parser.add_argument("flags", nargs="*", help="flags of the mock, after --")
    given = parser.parse_args()
    with serving(given.url, given.flags) as server:
        data = request(server.url, stream=given.stream, prompt=given.prompt)
        pid = server.process.pid if server.process else None
        before, own = cpu(pid) if pid else None, own_cpu()
        outcome = load(server, data, given.connections, given.seconds)
        after, own = cpu(pid) if pid else None, own_cpu() - own
    used = after - before if after is not None and before is not None else None
    report(outcome, own, used)


if __name__ == "__main__":
    main()
