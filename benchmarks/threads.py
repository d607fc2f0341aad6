"""Calls a second of many threads that share one transport, of the ideal; against httpx.

    python benchmarks/threads.py [--rounds 3]

Each thread asks again as soon as it is answered; the server answers after 50 ms, so that 64 threads
can have 1,280 replies a second. The server is a process of its own; what it can do at most is
measured with `load`, which sends bytes made beforehand and only counts the replies.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from load import Server, load, request
from measure import KEY, PROMPT, PYTHON, environment, head, rounds, row
from servers import serving

LATENCY = 0.05
SECONDS = 3.0
THREADS = (64, 256)
PATH = "/api/v1/chat/completions"
BODY = {"model": "m", "messages": [{"role": "user", "content": PROMPT}], "stream": False}
# One call after the other on behalf of one thread.
Caller = Callable[[], Callable[[], object]]


def by_transport(url: str, _threads: int) -> Caller:
    """One transport for all; each thread hands its connection from call to call."""
    import orjson

    from clinecli.config.load import load_settings
    from clinecli.config.secret import Secret
    from clinecli.options.common import NetworkOptions
    from clinecli.transport.client import JSON, Call, Transport
    from clinecli.transport.connection import Connection
    from clinecli.transport.deadline import Deadline
    from clinecli.transport.replies import whole_reply

    transport = Transport(load_settings(NetworkOptions(base_url=url), {"HOME": "/"}), {})
    body, key = orjson.dumps(BODY), Secret(KEY)

    def worker() -> Callable[[], object]:
        kept: Connection | None = None

        def call() -> object:
            nonlocal kept
            deadline = Deadline(60.0)
            ask = Call("POST", "/chat/completions", deadline, body=body, headers=JSON, key=key)
            with transport.send(ask, kept) as answer:
                event = whole_reply(answer)
            kept = answer.kept
            return event

        return call

    return worker


def by_shared_httpx(url: str, threads: int) -> Caller:
    """One `httpx.Client` for all, with room for as many connections."""
    import httpx

    limits = httpx.Limits(max_connections=threads, max_keepalive_connections=threads)
    client = httpx.Client(timeout=60.0, limits=limits, headers={"Authorization": f"Bearer {KEY}"})
    return lambda: lambda: client.post(url + PATH, json=BODY).json()


def by_own_httpx(url: str, _threads: int) -> Caller:
    """An `httpx.Client` for each thread."""
    import httpx

    context = httpx.create_ssl_context()

    def worker() -> Callable[[], object]:
        client = httpx.Client(
            timeout=60.0, headers={"Authorization": f"Bearer {KEY}"}, verify=context
        )
        return lambda: client.post(url + PATH, json=BODY).json()

    return worker


WAYS: dict[str, Callable[[str, int], Caller]] = {
    "Transport": by_transport,
    "a shared httpx.Client": by_shared_httpx,
    "an httpx.Client a thread": by_own_httpx,
}


def work(way: str, threads: int, url: str) -> None:
    """Print calls a second and microseconds of CPU a call, counted when all threads are at it."""
    make = WAYS[way](url, threads)
    counts = [0] * threads
    ends = threading.Event()
    started = threading.Barrier(threads + 1)

    def loop(number: int) -> None:
        call = make()
        call()
        started.wait()
        while not ends.is_set():
            call()
            counts[number] += 1

    for number in range(threads):
        threading.Thread(target=loop, args=(number,), daemon=True).start()
    started.wait()
    since, used = time.perf_counter(), _cpu()
    time.sleep(SECONDS)
    done, elapsed, used = sum(counts), time.perf_counter() - since, _cpu() - used
    ends.set()
    print(done / elapsed, 1e6 * used / max(done, 1), flush=True)
    os._exit(0)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measured(way: str, threads: int, url: str) -> tuple[float, float]:
    """The same, of a process of its own."""
    command = [PYTHON, __file__, way, str(threads), url]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    rate, cpu = map(float, done.stdout.split())
    return rate, cpu


def main(turns: int) -> None:
    """Measure and print."""
    with serving("delay", str(LATENCY)) as url:
        for threads in THREADS:
            ideal = threads / LATENCY
            head(f"{threads} threads, {1000 * LATENCY:.0f} ms a reply, calls a second")
            outcomes = [
                load(Server(url, None), request(url, stream=False, prompt=PROMPT), threads, SECONDS)
                for _ in range(turns)
            ]
            most = [len(outcome.latencies) / outcome.elapsed for outcome in outcomes]
            _show("the server by itself", most, ideal, None)
            played = [[measured(way, threads, url) for way in WAYS] for _ in range(turns)]
            for way, results in zip(WAYS, zip(*played, strict=True), strict=True):
                goal = 0.9 if way == "Transport" and threads == THREADS[0] else None
                _show(f"{way} / ideal", [rate for rate, _ in results], ideal, goal)
                print(f"    {statistics.median(cpu for _, cpu in results):.0f} µs of CPU a call")


def _show(title: str, rates: list[float], ideal: float, goal: float | None) -> None:
    ratios = [rate / ideal for rate in rates]
    row(title, ratios, f"{statistics.median(rates):.0f}", f"{ideal:.0f} a second", goal)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in WAYS:
        work(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    main(rounds(__doc__, 3))
