"""`stream` on the wire: every framing, delta by delta, and streams that end badly or never."""

from __future__ import annotations

import gzip
import json
import os
import select
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.helpers.env import KEY, RECORDINGS
from tests.helpers.process import BOTH_COMMANDS, CLI, failure, no_traceback, run
from tests.helpers.replies import (
    DONE,
    STOP,
    STREAM_HEAD,
    completion,
    delta,
    event_stream,
    http_chunk,
    response,
)
from tests.helpers.servers import RawServer

pytestmark = pytest.mark.smoke

SSE = "text/event-stream"
EVENTS = delta("Hello, ") + delta("wörld 😀!") + STOP + DONE
TEXT = "Hello, wörld 😀!\n".encode()


def sse(body: bytes, content_type: str = SSE) -> bytes:
    return response(body, content_type=content_type)


def stream_of(env: dict[str, str], answer: Any, *arguments: str) -> Any:
    with RawServer(answer) as server:
        env["CLINE_API_BASE_URL"] = server.url
        return run(["stream", "--retries", "0", "hi", *arguments], env)


def whole(pretty: bool = False) -> bytes:
    reply = json.loads(completion(TEXT.decode()))
    return json.dumps(reply, indent=2 if pretty else None).encode()


def cut_after_the_end(connection: socket.socket, _: int) -> None:
    """No [DONE], and the body is cut, but the last chunk has told that it is the last."""
    connection.sendall(STREAM_HEAD + http_chunk(delta("Hello, ") + delta("wörld 😀!") + STOP))


def open_after_done(connection: socket.socket, _: int) -> None:
    """[DONE], and then a connection that stays open."""
    connection.sendall(STREAM_HEAD + http_chunk(EVENTS))
    connection.recv(1)  # until the client has gone


EMPTY_CHOICES = b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n'
ODD_CHUNKS = b"".join(
    b"data: %s\n\n" % json.dumps(chunk).encode()
    for chunk in (
        {},
        {"choices": None},
        {"choices": [None]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"content": None, "role": "assistant"}, "logprobs": None}]},
        {"choices": [{"delta": {"provider_metadata": {"a": [1]}}}], "generationId": "g"},
        {"choices": [{"index": 1, "delta": {"content": "the second choice"}}]},
        {"object": "keepalive", "phase": 3},
    )
)

WHOLE: dict[str, Any] = {
    "chunked": event_stream(EVENTS),
    "chunk-per-byte": event_stream(*(EVENTS[i : i + 1] for i in range(len(EVENTS)))),
    "content-length": sse(EVENTS),
    "until-eof": b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + EVENTS,
    "crlf": sse(EVENTS.replace(b"\n", b"\r\n")),
    "lone-cr": sse(EVENTS.replace(b"\n", b"\r")),
    "bom": sse(b"\xef\xbb\xbf" + EVENTS),
    "no-space-after-colon": sse(EVENTS.replace(b"data: ", b"data:")),
    "comments": sse(b": OPENROUTER PROCESSING\n\n:\n" + EVENTS.replace(b"data", b": x\ndata")),
    "multi-line-data": sse(EVENTS.replace(b', "choices"', b',\ndata: "choices"')),
    "other-fields": sse(EVENTS.replace(b"data:", b"id: 7\nretry: 9\nevent: message\nfoo\ndata:")),
    "empty-events": sse(b"data:\n\n" + EVENTS.replace(b"\n\n", b"\n\ndata: \n\n")),
    "blank-lines-first": sse(b"\r\n\n\n" + EVENTS),
    "odd-chunks": sse(ODD_CHUNKS + EVENTS),
    "usage-after-finish": sse(EVENTS.replace(DONE, EMPTY_CHOICES + DONE)),
    "no-done": sse(EVENTS.replace(DONE, b"")),
    "no-finish-reason": sse(EVENTS.replace(STOP, b"")),
    "no-blank-line-at-the-end": sse(EVENTS.replace(DONE, b"").removesuffix(b"\n\n")),
    "text-plain": sse(EVENTS, "text/plain; charset=utf-8"),
    "application-json": sse(EVENTS, "application/json"),
    "octet-stream-with-bom": sse(b"\xef\xbb\xbf" + EVENTS, "application/octet-stream"),
    "no-content-type": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + EVENTS,
    "gzip": response(gzip.compress(EVENTS), content_type=SSE, content_encoding="gzip"),
    "deflate": response(zlib.compress(EVENTS), content_type=SSE, content_encoding="deflate"),
    "one-object": response(whole()),
    "one-object-on-many-lines": response(b"\n" + whole(pretty=True)),
    "one-object-in-an-envelope": response(b'{"success": true, "data": %s}' % whole()),
    "one-object-as-event-stream": sse(whole()),
    "cut-after-the-end": cut_after_the_end,
    "open-after-done": open_after_done,
}


@pytest.mark.parametrize("name", WHOLE)
def test_framing(name: str, env: dict[str, str]) -> None:
    done = stream_of(env, WHOLE[name])
    assert (done.returncode, done.stdout, done.stderr) == (0, TEXT, b"")


def test_idle_after_the_end_is_no_failure(env: dict[str, str]) -> None:
    def idle(connection: socket.socket, _: int) -> None:
        connection.sendall(STREAM_HEAD + http_chunk(delta("Hello") + STOP))
        connection.recv(1)

    done = stream_of(env, idle, "--idle-timeout", "0.3")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Hello\n", b"")


ESCAPED: dict[str, tuple[bytes, bytes]] = {
    "pair-in-one-chunk": (rb"a\ud83d\ude00b", "a😀b\n".encode()),
    "lone-high": (rb"a\ud83db", "a\ufffdb\n".encode()),
    "lone-low": (rb"a\ude00b", "a\ufffdb\n".encode()),
    "lone-high-at-the-end": (rb"a\ud83d", "a\ufffd\n".encode()),
    "nul-and-escape": (rb"a\u0000\u001b[31mb", b"a\x00\x1b[31mb\n"),
    "raw-control-character": (b"a\x01\tb", b"a\x01\tb\n"),
    "newline-at-the-end": (rb"a\n", b"a\n"),
    "newlines-at-the-end": (rb"a\n\n", b"a\n\n"),
    "crlf-at-the-end": (rb"a\r\n", b"a\r\n"),
    "white-space-kept": (rb"  a \t ", b"  a \t \n"),
}


@BOTH_COMMANDS
@pytest.mark.parametrize("name", ESCAPED)
def test_content_reaches_stdout_as_it_is(command: str, name: str, env: dict[str, str]) -> None:
    content, expected = ESCAPED[name]
    chunk = b'{"choices":[{"%s":{"content":"%s"},"finish_reason":"stop"}]}'
    if command == "stream":
        answer = sse(b"data: %s\n\n" % (chunk % (b"delta", content)))
    else:
        answer = response(chunk % (b"message", content))
    with RawServer(answer) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "hi"], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, b"")


def test_line_of_8_mb(env: dict[str, str]) -> None:
    text = "0123456789abcde\n" * (1 << 19)
    done = stream_of(env, sse(delta(text) + STOP + DONE))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == text.encode()


# Delta by delta


@contextmanager
def stepwise(
    env: dict[str, str], steps: list[bytes], *arguments: str
) -> Iterator[Iterator[subprocess.Popen[bytes]]]:
    """A `stream` whose server sends a step only when the process is asked for again."""
    gates = [threading.Event() for _ in steps]

    def answer(connection: socket.socket, _: int) -> None:
        for gate, step in zip(gates, steps, strict=True):
            assert gate.wait(60)
            connection.sendall(step)

    def send(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
        for gate in gates:
            gate.set()
            yield process

    with RawServer(answer) as server:
        env["CLINE_API_BASE_URL"] = server.url
        command = [*CLI, "stream", "--no-stdin", "--retries", "0", "hi", *arguments]
        with subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            try:
                yield send(process)
            finally:
                for gate in gates:
                    gate.set()
                process.kill()


def read_exactly(fd: int, size: int) -> bytes:
    """What a pipe gives within half a minute, at most `size` bytes."""
    data = b""
    while len(data) < size and select.select([fd], [], [], 30)[0]:
        piece = os.read(fd, size - len(data))
        if not piece:
            break
        data += piece
    return data


class Gzip:
    """A gzip body in pieces that can each be decompressed when they arrive."""

    def __init__(self) -> None:
        self._zip = zlib.compressobj(wbits=31)

    def __call__(self, data: bytes) -> bytes:
        return http_chunk(self._zip.compress(data) + self._zip.flush(zlib.Z_SYNC_FLUSH))


def _cut(data: bytes, at: bytes, offset: int = 0) -> tuple[bytes, bytes]:
    place = data.index(at) + offset
    return data[:place], data[place:]


# Without chunks, a stream is cut wherever a test wants.
UNFRAMED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
GZIPPED = STREAM_HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
SMILE = "😀".encode()
SPLIT_CHARACTER = _cut(delta("B😀C"), SMILE, 2)
SPLIT_OBJECT = _cut(delta("B"), b'"delta"')
SPLIT_ESCAPE = _cut(delta("B\\ud83dC"), b"ud83d", 3)
SPLIT_FIELD = _cut(delta("B"), b"ta: ")
PAIR = delta("HIGH").replace(b"HIGH", rb"A\ud83d"), delta("LOW").replace(b"LOW", rb"\ude00B")

# Each step is sent when what the earlier ones have to print was read from stdout.
STEPS: dict[str, tuple[bytes, list[tuple[bytes, bytes]]]] = {
    "delta-by-delta": (
        STREAM_HEAD,
        [
            *(
                (http_chunk(delta(word)), word.encode())
                for word in ("Once", " upon", " a", " time")
            ),
            (http_chunk(STOP + DONE) + http_chunk(b""), b"\n"),
        ],
    ),
    "two-deltas-in-one-read": (
        STREAM_HEAD,
        [
            (http_chunk(delta("a") + delta("b")), b"ab"),
            (http_chunk(delta("c")) + http_chunk(delta("d")), b"cd"),
            (http_chunk(STOP) + http_chunk(b""), b"\n"),
        ],
    ),
    "split-character": (
        UNFRAMED,
        [
            (delta("A") + SPLIT_CHARACTER[0], b"A"),
            (SPLIT_CHARACTER[1] + STOP, "B😀C\n".encode()),
        ],
    ),
    "split-object": (
        UNFRAMED,
        [(delta("A") + SPLIT_OBJECT[0], b"A"), (SPLIT_OBJECT[1] + STOP, b"B\n")],
    ),
    "split-escape": (
        UNFRAMED,
        [(delta("A") + SPLIT_ESCAPE[0], b"A"), (SPLIT_ESCAPE[1] + STOP, b"B\\ud83dC\n")],
    ),
    "split-field-name": (
        UNFRAMED,
        [(delta("A") + SPLIT_FIELD[0], b"A"), (SPLIT_FIELD[1] + STOP, b"B\n")],
    ),
    "split-crlf": (
        UNFRAMED,
        [
            (delta("A").replace(b"\n", b"\r\n")[:-1], b"A"),
            (b"\n" + delta("B").replace(b"\n", b"\r\n") + STOP, b"B\n"),
        ],
    ),
    "split-http-chunk": (
        STREAM_HEAD,
        [
            (http_chunk(delta("A")) + http_chunk(delta("B"))[:1], b"A"),
            (http_chunk(delta("B"))[1:] + http_chunk(delta("C"))[:-1], b"BC"),
            (b"\n" + http_chunk(STOP) + http_chunk(b""), b"\n"),
        ],
    ),
    "surrogate-pair-in-two-deltas": (
        UNFRAMED,
        [(PAIR[0], b"A"), (PAIR[1], "😀B".encode()), (STOP, b"\n")],
    ),
    "comment-between": (
        UNFRAMED,
        [(delta("A"), b"A"), (b": still there\n\n" + delta("B"), b"B"), (STOP, b"\n")],
    ),
    "lines-of-the-reply": (
        UNFRAMED,
        [(delta("A\n"), b"A\n"), (delta("\nB\n"), b"\nB\n"), (STOP, b"")],
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_delta_is_written_before_the_next_is_read(name: str, env: dict[str, str]) -> None:
    head, steps = STEPS[name]
    sent = [step for step, _ in steps]
    with stepwise(env, [head + sent[0], *sent[1:]]) as processes:
        for process, (_, expected) in zip(processes, steps, strict=True):
            assert process.stdout
            assert read_exactly(process.stdout.fileno(), len(expected)) == expected
        assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 0


def test_compressed_delta_is_written_before_the_next_is_read(env: dict[str, str]) -> None:
    pack = Gzip()
    steps = [GZIPPED + pack(delta("A")), pack(delta("B")), pack(STOP + DONE)]
    with stepwise(env, steps) as processes:
        for process, expected in zip(processes, (b"A", b"B", b"\n"), strict=True):
            assert process.stdout
            assert read_exactly(process.stdout.fileno(), 1) == expected
        assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 0


def test_json_line_is_written_before_the_next_is_read(env: dict[str, str]) -> None:
    events = [delta("A"), delta("B"), STOP]
    with stepwise(env, [UNFRAMED + events[0], *events[1:]], "--json") as processes:
        for process, event in zip(processes, events, strict=True):
            line = event.removeprefix(b"data: ")[:-1]
            assert process.stdout
            assert read_exactly(process.stdout.fileno(), len(line)) == line
        assert process.communicate(timeout=30) == (b"", b"")


def test_reasoning_is_written_before_the_next_is_read(env: dict[str, str]) -> None:
    thoughts = [delta(delta={"reasoning": text, "content": ""}) for text in ("Hm", ", so")]
    steps = [UNFRAMED + thoughts[0], thoughts[1], delta("Yes") + STOP]
    with stepwise(env, steps, "--reasoning") as processes:
        for process, expected in zip(processes, (b"Hm", b", so", b"\n"), strict=True):
            assert process.stderr
            assert read_exactly(process.stderr.fileno(), len(expected)) == expected
        assert process.communicate(timeout=30) == (b"Yes\n", b"")


# Streams that end badly, or never


def idle(connection: socket.socket, _: int) -> None:
    connection.sendall(STREAM_HEAD + http_chunk(delta("Once upon")))
    connection.recv(1)


def drip(connection: socket.socket, _: int) -> None:
    """Comments for ever: no byte is late, and no answer comes."""
    connection.sendall(STREAM_HEAD + http_chunk(delta("Once upon")))
    pause = threading.Event()
    while True:
        connection.sendall(http_chunk(b": OPENROUTER PROCESSING\n\n"))
        pause.wait(0.05)


def endless_line(connection: socket.socket, _: int) -> None:
    connection.sendall(UNFRAMED + delta("Once upon") + b"data: ")
    block = b"x" * (1 << 20)
    while True:
        connection.sendall(block)


BAD_ENDS: dict[str, tuple[Any, list[str], int, str]] = {
    "idle": (idle, ["--idle-timeout", "0.5"], 10, "nothing for 0.5 s (--idle-timeout)"),
    "comments-for-ever": (drip, ["--timeout", "1"], 10, "within 1 s (--timeout)"),
    "line-without-end": (endless_line, [], 11, "exceeds"),
    "damaged-gzip": (
        GZIPPED + Gzip()(delta("Once upon")) + http_chunk(b"\x00" * 50),
        [],
        11,
        "compression is damaged",
    ),
    "cut-gzip": (
        GZIPPED + Gzip()(delta("Once upon")) + http_chunk(b""),
        [],
        11,
        "ended before its last chunk",
    ),
    "damaged-http-chunk": (
        STREAM_HEAD + http_chunk(delta("Once upon")) + b"zz\r\n",
        [],
        11,
        "cut before the reply was complete",
    ),
}


@pytest.mark.parametrize("name", BAD_ENDS)
def test_bad_end_keeps_what_was_printed(name: str, env: dict[str, str]) -> None:
    answer, arguments, status, cause = BAD_ENDS[name]
    done = stream_of(env, answer, *arguments)
    message, _ = failure(done, status)
    assert cause in message
    assert done.stdout == b"Once upon\n"


# --json, tool calls, reasoning


CHUNKS = [
    rb'{"id":"g","z":1.10,"a":1e5,"n":-0,"big":123456789012345678901234567890,"choices":[]}',
    b'{ "choices" : [ {"delta":{"content":"\xc3\xbc \\u00fc \\/ \\ud83d"},"x":1E+2} ], "x" : 0.0 }',
    b'{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"cost":0.000162,"is_byok":false}}',
]


def test_json_passes_chunks_through(env: dict[str, str]) -> None:
    done = stream_of(env, sse(b"".join(b"data: %s\n\n" % c for c in CHUNKS) + DONE), "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"".join(chunk + b"\n" for chunk in CHUNKS)


def test_json_puts_a_chunk_of_many_lines_on_one(env: dict[str, str]) -> None:
    body = b'data: {"choices":\ndata: [{"delta":{"content":"a  b"}, "finish_reason":"stop"}]}\n\n'
    done = stream_of(env, sse(body), "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b'{"choices":[{"delta":{"content":"a  b"},"finish_reason":"stop"}]}\n'


def test_json_of_one_object(env: dict[str, str]) -> None:
    body = b'{\n  "success": true,\n  "data": %s\n}' % CHUNKS[2].replace(b"{}", b'{"content":"x"}')
    done = stream_of(env, response(body), "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == CHUNKS[2].replace(b"{}", b'{"content":"x"}') + b"\n"


def test_json_keeps_the_error_chunk(env: dict[str, str]) -> None:
    chunk = b'{"error":{"code":"rate_limit","message":"slow down"}}'
    done = stream_of(env, sse(delta("x") + b"data: %s\n\n" % chunk), "--json")
    no_traceback(done)
    assert done.returncode == 10
    assert done.stdout == delta("x")[6:-1] + chunk + b"\n"
    assert json.loads(done.stderr)["error"]["code"] == "rate_limit"


def call(index: int, call_id: str | None = None, name: str | None = None, text: str = "") -> bytes:
    head = {"id": call_id, "type": "function"} if call_id else {}
    function = {"name": name, "arguments": text} if name else {"arguments": text}
    return delta(delta={"tool_calls": [{"index": index, **head, "function": function}]})


CALLS = [
    call(0, "call_a", "read"),
    call(1, "call_b", "list", '{"dir"'),
    call(0, text='{"path": "ü'),
    call(1, text=':"."}'),
    call(0, text='.txt"}'),
    delta(finish_reason="tool_calls"),
    DONE,
]
CALL_LINES = (
    '{"id":"call_a","type":"function","function":'
    '{"name":"read","arguments":"{\\"path\\": \\"ü.txt\\"}"}}\n'
    '{"id":"call_b","type":"function","function":{"name":"list","arguments":"{\\"dir\\":\\".\\"}"}}\n'
).encode()


def test_tool_calls_alone_are_json_lines(env: dict[str, str]) -> None:
    done = stream_of(env, event_stream(*CALLS))
    assert (done.returncode, done.stdout, done.stderr) == (0, CALL_LINES, b"")


def test_tool_calls_beside_text_are_noted(env: dict[str, str]) -> None:
    done = stream_of(env, event_stream(delta("Reading."), *CALLS))
    assert (done.returncode, done.stdout) == (0, b"Reading.\n")
    assert done.stderr == b"clinecli: the reply also calls 2 tool(s): --json shows them\n"


THINKING = [
    delta(delta={"reasoning": "Hm", "reasoning_details": [{"text": "Hm"}], "content": ""}),
    delta(delta={"reasoning": ", so.", "content": None}),
    delta("Yes."),
    STOP,
    DONE,
]


@pytest.mark.parametrize(
    ("flags", "stderr"), [([], b""), (["--reasoning"], b"Hm, so.\n")], ids=["hidden", "shown"]
)
def test_reasoning(flags: list[str], stderr: bytes, env: dict[str, str]) -> None:
    done = stream_of(env, event_stream(*THINKING), *flags)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Yes.\n", stderr)


# Memory


# Linux counts the memory of the process that forks as its child's: a small one has to.
MEASURE = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(status, usage.ru_maxrss)
"""


def peak_memory(env: dict[str, str], megabytes: int, *arguments: str) -> int:
    """The peak in KiB of a `stream` that many megabytes long."""
    block = http_chunk(delta("word " * 60)) * 200

    def answer(connection: socket.socket, _: int) -> None:
        connection.sendall(STREAM_HEAD)
        for _ in range(megabytes * 1_000_000 // len(block)):
            connection.sendall(block)
        connection.sendall(http_chunk(STOP + DONE) + http_chunk(b""))

    with RawServer(answer) as server:
        env["CLINE_API_BASE_URL"] = server.url
        measure = [sys.executable, "-c", MEASURE, *CLI, "stream", "hi", *arguments]
        done = subprocess.run(measure, env=env, capture_output=True, timeout=100, check=True)
    status, peak = done.stdout.split()
    assert (int(status), done.stderr) == (0, b"")
    return int(peak)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux alone")
@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["text", "json"])
def test_memory_does_not_grow_with_the_stream(flags: list[str], env: dict[str, str]) -> None:
    small, large = (peak_memory(env, megabytes, *flags) for megabytes in (2, 32))
    assert large - small < 10 * 1024


# What was recorded from the real API


def recorded(name: str) -> tuple[list[str], list[dict[str, Any]]]:
    """The payloads of a recording, as they are and parsed, read by other means than ours."""
    (exchange,) = json.loads((RECORDINGS / f"{name}.json").read_text())
    lines = exchange["response"].splitlines()
    payloads = [line.removeprefix("data: ") for line in lines if line.startswith("data: {")]
    return payloads, [json.loads(payload) for payload in payloads]


def replay(env: dict[str, str], name: str, *arguments: str) -> Any:
    recording = str(RECORDINGS / f"{name}.json")
    return run(["mock", "--replay", recording, "--", *CLI, *arguments, "hi"], env)


def joined(chunks: list[dict[str, Any]], key: str) -> str:
    return "".join(c["delta"].get(key) or "" for chunk in chunks for c in chunk["choices"])


recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not here")


@recordings
@BOTH_COMMANDS
@pytest.mark.parametrize("name", ["chat-text", "chat-tool-calls", "chat-reasoning"])
def test_recording(command: str, name: str, env: dict[str, str]) -> None:
    _, chunks = recorded(name)
    done = replay(env, name, command, "--quiet", "--reasoning")
    no_traceback(done)
    text, reasoning = joined(chunks, "content"), joined(chunks, "reasoning")
    assert text
    assert done.stdout.decode() == text + "\n"
    assert done.stderr.decode() == (reasoning + "\n" if reasoning else "")
    assert done.returncode == 0


@recordings
@pytest.mark.parametrize("name", ["chat-text", "chat-tool-calls", "chat-reasoning"])
def test_recording_as_json(name: str, env: dict[str, str]) -> None:
    payloads, _ = recorded(name)
    done = replay(env, name, "stream", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == "".join(f"{payload}\n" for payload in payloads)


def test_key_is_sent_once_and_nowhere_else(env: dict[str, str]) -> None:
    with RawServer(event_stream(EVENTS)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["stream", "-v", "hi"], env)
    no_traceback(done)
    ((head, body),) = server.requests
    assert head.count(KEY.encode()) == 1
    assert f"\r\nAuthorization: Bearer {KEY}\r\n".encode() in head + b"\r\n"
    assert KEY.encode() not in body
