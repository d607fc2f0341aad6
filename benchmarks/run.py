"""Side-by-side CPU and memory of clinecli and of what it is built on, as ratios.

Run it in the environment where clinecli is installed: `python benchmarks/run.py`. Each pair of
commands runs in turn (A B A B …) against a server on loopback; what is printed is the median of
the ratios A/B, since a shared machine drifts between runs. CPU is user + system time of the
process, memory its peak resident set, both as the operating system accounts for them. Nothing
here is asserted: see the README for the figures to expect.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import NamedTuple

PYTHON = sys.executable
CLI = [PYTHON, "-m", "clinecli"]
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

IMPORTS = "import typer, httpx, orjson; httpx.Client()"
BARE_APP = """
import typer
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
@app.command()
def main(name: str = "x", count: int = 1) -> None: print(name, count)
app()
"""
BARE_STREAM = """
import httpx, orjson, os, sys
url = os.environ["CLINE_API_BASE_URL"] + "/api/v1/chat/completions"
rest = b""
with httpx.stream("POST", url, json={"stream": True}) as response:
    for chunk in response.iter_raw():
        *events, rest = (rest + chunk).split(b"\\n\\n")
        for event in events:
            if event != b"data: [DONE]":
                orjson.loads(event[6:])
"""


class Server(threading.Thread):
    """Answers any number of POSTs: `stream` requests with many events, others with a reply."""

    def __init__(self, events: int) -> None:
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._events = events

    def run(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            request = b""
            while b"\r\n\r\n" not in request or not request.rstrip().endswith(b"}"):
                request += connection.recv(65536)
            head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: "
            if b'"stream":true' in request.replace(b'": ', b'":'):
                connection.sendall(
                    head + b"text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                )
                framed = b"%x\r\n%s\r\n" % (len(EVENT), EVENT)
                for _ in range(self._events // 100):
                    connection.sendall(framed * 100)
                connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(LAST), LAST))
            else:
                size = b"application/json\r\nContent-Length: %d\r\n\r\n" % len(REPLY)
                connection.sendall(head + size + REPLY)


class Usage(NamedTuple):
    """What one process used: CPU seconds and peak kilobytes."""

    cpu: float
    memory: int


def measure(command: Sequence[str], env: dict[str, str]) -> Usage:
    """Run a command to its end. Raises `SystemExit` when it fails."""
    null = subprocess.DEVNULL
    process = subprocess.Popen(command, env=env, stdin=null, stdout=null, stderr=null)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 2):
        raise SystemExit(f"{' '.join(command)[:80]} ended with {process.returncode}")
    return Usage(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


def compare(title: str, ours: list[str], theirs: list[str], env: dict[str, str], runs: int) -> None:
    """Print the median CPU ratio of two commands that run in turn, and both medians."""
    pairs = [(measure(ours, env), measure(theirs, env)) for _ in range(runs + 1)][1:]
    ratio = statistics.median(a.cpu / b.cpu for a, b in pairs)
    a = statistics.median(a.cpu for a, _ in pairs) * 1000
    b = statistics.median(b.cpu for _, b in pairs) * 1000
    memory = statistics.median(a.memory for a, _ in pairs) / 1024
    print(f"{title:<46} {ratio:5.2f} x   {a:7.0f} ms / {b:7.0f} ms   {memory:5.0f} MiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--events", type=int, default=100_000)
    arguments = parser.parse_args()
    env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    few, many = Server(100), Server(arguments.events)
    few.start()
    many.start()
    env |= {"CLINE_API_KEY": "benchmark", "CLINE_API_BASE_URL": few.url}
    ask = [*CLI, "ask", "--no-stdin", "What is the capital of France?"]
    bare = [PYTHON, "-c", BARE_APP]

    print(f"{'ours against':<46} ratio     ours / theirs (CPU)      peak memory")
    compare("ask / imports alone", ask, [PYTHON, "-c", IMPORTS], env, arguments.runs)
    if llm := shutil.which("llm"):
        openai = {"OPENAI_API_KEY": "benchmark", "OPENAI_BASE_URL": f"{few.url}/api/v1"}
        prompt = [llm, "-m", "gpt-4o-mini", "--no-stream", "--no-log", "hi"]
        compare("ask / llm", ask, prompt, env | openai, arguments.runs)
    for words in (["--version"], ["--help"], ["ask", "--help"], ["ask", "--no-such-flag"]):
        title = f"{' '.join(words)} / bare Typer app"
        compare(title, [*CLI, *words], bare, env, arguments.runs)
    env["CLINE_API_BASE_URL"] = many.url
    stream = [*CLI, "stream", "--no-stdin", "hi"]
    title = f"stream of {arguments.events} events / bare loop"
    compare(title, stream, [PYTHON, "-c", BARE_STREAM], env, max(3, arguments.runs // 3))
    title = f"stream --json of {arguments.events} events / bare loop"
    compare(
        title, [*stream, "--json"], [PYTHON, "-c", BARE_STREAM], env, max(3, arguments.runs // 3)
    )


if __name__ == "__main__":
    main()
