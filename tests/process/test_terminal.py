"""On a terminal: nothing of a reply or a server is obeyed, and long waits show progress."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.env import KEY
from tests.helpers.process import BOTH_COMMANDS, CLI, PATIENCE, no_traceback, run
from tests.helpers.replies import DONE, STOP, STREAM_HEAD, completion, delta, http_chunk, response
from tests.helpers.servers import RawServer
from tests.helpers.terminal import Terminal, run_on_terminal

ESC = "\x1b"

# What a hostile reply tries, and what the reader sees instead.
ATTACKS = {
    "OSC 52 writes the clipboard": (
        f"{ESC}]52;c;cm0gLXJmIH4K\x07ok",
        "^[]52;c;cm0gLXJmIH4K^Gok",
    ),
    "OSC 0 changes the title": (f"{ESC}]0;root@prod{ESC}\\ok", "^[]0;root@prod^[\\ok"),
    "OSC 8 disguises a link": (
        f"{ESC}]8;;http://evil.example\x07bank.example{ESC}]8;;\x07",
        "^[]8;;http://evil.example^Gbank.example^[]8;;^G",
    ),
    "CSI moves the cursor up": (f"a\n{ESC}[1A{ESC}[2Kb", "a\n^[[1A^[[2Kb"),
    "CSI clears the screen": (f"{ESC}[2J{ESC}[Hgone", "^[[2J^[[Hgone"),
    "CSI asks for an answer as input": (f"{ESC}[6n{ESC}[c", "^[[6n^[[c"),
    "DCS sets a macro": (f"{ESC}P1;1|ok{ESC}\\", "^[P1;1|ok^[\\"),
    "C1 CSI in one character": ("\x9b2Jok", "<U+009B>2Jok"),
    "C1 OSC in one character": ("\x9d0;x\x9cok", "<U+009D>0;x<U+009C>ok"),
    "CR overwrites the line": ("evil\rgood", "evil^Mgood"),
    "backspace overwrites": ("evil\b\b\b\bgood", "evil^H^H^H^Hgood"),
    "bidi override reverses": ("a\u202egpj.exe", "a<U+202E>gpj.exe"),
    "bidi isolate hides": ("a\u2066b\u2069", "a<U+2066>b<U+2069>"),
    "DEL": ("a\x7fb", "a^?b"),
    "NUL": ("a\x00b", "a^@b"),
    "bell, vertical tab, form feed": ("\a\v\f", "^G^K^L"),
    "shift out changes the character set": ("\x0elqqk\x0f", "^Nlqqk^O"),
}
HARMLESS = {
    "tabs and lines": "a\tb\nc\n",
    "text of the world": "héllo мир 日本 👩‍👩‍👧 e\u0301",
}
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def reply_to(command: str, text: str, **choice: Any) -> bytes:
    """The answer to `ask` or `stream` whose text is `text`; streamed one character at a time."""
    if command == "ask":
        return response(completion(text))
    events = b"".join(http_chunk(delta(character)) for character in text)
    return STREAM_HEAD + events + http_chunk(STOP + DONE) + http_chunk(b"")


# The reply


@BOTH_COMMANDS
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_terminal_does_not_obey(command: str, attack: str, env: dict[str, str]) -> None:
    text, shown = ATTACKS[attack]
    with RawServer(reply_to(command, text)) as server:
        arguments = [command, "hi", "--no-stdin", "--base-url", server.url]
        status, output, _ = run_on_terminal(arguments, env)
    assert (status, output.decode()) == (0, shown + "\n")


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_a_terminal_shows_text_as_it_is(text: str, env: dict[str, str]) -> None:
    with RawServer(reply_to("ask", text)) as server:
        arguments = ["ask", "hi", "--no-stdin", "--base-url", server.url]
        status, output, _ = run_on_terminal(arguments, env)
    assert (status, output.decode()) == (0, text.removesuffix("\n") + "\n")


@BOTH_COMMANDS
def test_a_crlf_split_between_deltas_is_one_line_end(command: str, env: dict[str, str]) -> None:
    with RawServer(reply_to(command, "a\r\nb\r\n")) as server:
        arguments = [command, "hi", "--no-stdin", "--base-url", server.url]
        status, output, _ = run_on_terminal(arguments, env)
    assert (status, output) == (0, b"a\nb\n")


@BOTH_COMMANDS
@pytest.mark.parametrize("sink", ["pipe", "file", "--output"])
def test_elsewhere_every_byte_is_kept(
    command: str, sink: str, tmp_path: Path, env: dict[str, str]
) -> None:
    text = "".join(text for text, _ in ATTACKS.values()) + "\r\n"
    file = tmp_path / "reply"
    with RawServer(reply_to(command, text)) as server:
        arguments = [command, "hi", "--base-url", server.url]
        if sink == "pipe":
            got = run(arguments, env).stdout
        elif sink == "file":
            with file.open("wb") as stdout:
                subprocess.run(
                    [*CLI, *arguments], env=env, stdin=subprocess.DEVNULL, stdout=stdout, check=True
                )
            got = file.read_bytes()
        else:
            # The terminal is not where the reply goes.
            status, output, _ = run_on_terminal([*arguments, "-o", str(file)], env)
            assert (status, output) == (0, b"")
            got = file.read_bytes()
    assert got == text.encode()


@BOTH_COMMANDS
def test_json_on_a_terminal_is_not_obeyed_and_means_the_same(
    command: str, env: dict[str, str]
) -> None:
    text = "".join(text for text, _ in ATTACKS.values())
    with RawServer(reply_to(command, text)) as server:
        arguments = [command, "hi", "-j", "--no-stdin", "--base-url", server.url]
        status, output, _ = run_on_terminal(arguments, env)
    assert status == 0
    lines = output.decode().removesuffix("\n").split("\n")
    assert not any(OBEYED.search(line) for line in lines)
    choices = [json.loads(line)["choices"][0] for line in lines]
    parts = [choice.get("message") or choice["delta"] for choice in choices]
    assert "".join(part.get("content", "") for part in parts) == text


def test_raw_control_characters_in_json_are_not_obeyed(env: dict[str, str]) -> None:
    """A server that does not escape what JSON tells it to escape."""
    raw = delta("X").replace(b"X", b"a\x1b]0;owned\x07b\x7f\xc2\x9b2J")
    stream = STREAM_HEAD + http_chunk(raw + STOP + DONE) + http_chunk(b"")
    with RawServer(stream) as server:
        arguments = ["stream", "hi", "-j", "--no-stdin", "--base-url", server.url]
        status, output, _ = run_on_terminal(arguments, env)
    assert status == 0
    first = output.decode().split("\n")[0]
    assert not OBEYED.search(first)
    content = json.loads(first)["choices"][0]["delta"]["content"]
    assert content == "a\x1b]0;owned\x07b\x7f\x9b2J"


def test_a_tool_call_on_a_terminal_is_not_obeyed(env: dict[str, str]) -> None:
    function = {"name": "f\x9b2J", "arguments": '{"a":"\x9d0;x\x07\u202e"}'}
    call = {"index": 0, "id": "c\x1b[2J", "type": "function", "function": function}
    event = delta(delta={"tool_calls": [call]}, finish_reason="tool_calls")
    with RawServer(STREAM_HEAD + http_chunk(event + DONE) + http_chunk(b"")) as server:
        arguments = ["stream", "hi", "--no-stdin", "--base-url", server.url]
        status, output, _ = run_on_terminal(arguments, env)
    assert status == 0
    assert not OBEYED.search(output.decode().rstrip("\n"))
    printed = json.loads(output)
    assert printed["function"] == function
    assert printed["id"] == call["id"]


# What goes to stderr


@BOTH_COMMANDS
def test_reasoning_and_usage_on_a_terminal_are_not_obeyed(
    command: str, env: dict[str, str]
) -> None:
    evil = f"{ESC}]0;owned\x07\x9b2J\u202e"
    if command == "ask":
        message = {"role": "assistant", "content": "ok", "reasoning": evil}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": evil, "completion_tokens": 2}
        body = {"id": evil, "model": evil, "choices": [choice], "usage": usage}
        answer = response(json.dumps(body).encode())
    else:
        event = delta("ok", delta={"content": "ok", "reasoning": evil}, finish_reason="stop")
        chunk = json.loads(event.removeprefix(b"data: "))
        chunk |= {"id": evil, "model": evil, "usage": {"prompt_tokens": evil}}
        data = b"data: " + json.dumps(chunk).encode() + b"\n\n" + DONE
        answer = STREAM_HEAD + http_chunk(data) + http_chunk(b"")
    with RawServer(answer) as server:
        arguments = [command, "hi", "--reasoning", "--usage", "--base-url", server.url]
        status, output, piped = run_on_terminal(arguments, env, streams=[2])
        as_json = run_on_terminal([*arguments, "-j"], env, streams=[2])[1]
    assert (status, piped) == (0, b"ok\n")
    assert "^[]0;owned^G<U+009B>2J<U+202E>" in output.decode()
    assert not any(OBEYED.search(line) for line in (output + as_json).decode().split("\n"))
    usage = json.loads(as_json.decode().strip().split("\n")[-1])
    assert (usage["model"], usage["usage"]["prompt_tokens"]) == (evil, evil)


@BOTH_COMMANDS
@pytest.mark.parametrize("flags", [[], ["--json"], ["-v"]], ids=["text", "json", "verbose"])
def test_server_text_in_an_error_is_not_obeyed(
    command: str, flags: list[str], env: dict[str, str]
) -> None:
    evil = f"{ESC}]0;owned\x07\x9b2J\u202e"
    body = json.dumps({"error": {"code": evil, "message": evil}}).encode()
    answer = response(
        body,
        status="400 Bad Request",
        content_type=f"text/{evil}",
        x_request_id=evil,
    )
    with RawServer(answer) as server:
        arguments = [command, "hi", *flags, "--base-url", server.url]
        status, output, _ = run_on_terminal(arguments, env, streams=[2])
    assert status == 9
    assert b"owned" in output
    assert not any(OBEYED.search(line) for line in output.decode().split("\n"))


# The spinner


class Held:
    """An answer that comes when `go` is set."""

    def __init__(self, answer: bytes) -> None:
        self.go = threading.Event()
        self._answer = answer

    def __call__(self, connection: socket.socket, _number: int) -> None:
        self.go.wait(PATIENCE)
        connection.sendall(self._answer)


CLEARED = b"\r\x1b[K"


@BOTH_COMMANDS
def test_a_long_wait_shows_progress_that_is_gone_before_the_reply(
    command: str, env: dict[str, str]
) -> None:
    held = Held(reply_to(command, "hello"))
    with (
        RawServer(held) as server,
        Terminal([*CLI, command, "hi", "--no-stdin", "--base-url", server.url], env) as terminal,
    ):
        terminal.read_until(b" 1 s\x1b[K")
        held.go.set()
        status, output, _ = terminal.finish()
    assert status == 0
    progress, reply = output.split(CLEARED)
    assert re.fullmatch(rb"(\r\S+ waiting for \S+ [0-9]+ s\x1b\[K)+", progress)
    assert reply == b"hello\n"


def test_progress_is_gone_before_a_tool_call(env: dict[str, str]) -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    event = delta(delta={"tool_calls": [call]}, finish_reason="tool_calls")
    held = Held(STREAM_HEAD + http_chunk(event + DONE) + http_chunk(b""))
    with (
        RawServer(held) as server,
        Terminal([*CLI, "stream", "hi", "--no-stdin", "--base-url", server.url], env) as terminal,
    ):
        terminal.read_until(b" 1 s\x1b[K")
        held.go.set()
        status, output, _ = terminal.finish()
    assert status == 0
    assert output.split(CLEARED)[-1].startswith(b'{"id":"c"')


def test_progress_is_gone_before_an_error_and_no_reply_on_stdout(env: dict[str, str]) -> None:
    held = Held(response(b'{"error":{"message":"no"}}', status="400 Bad Request"))
    with (
        RawServer(held) as server,
        Terminal([*CLI, "ask", "hi", "--base-url", server.url], env, streams=[2]) as terminal,
    ):
        terminal.read_until(b" 1 s\x1b[K")
        held.go.set()
        status, output, piped = terminal.finish()
    assert (status, piped) == (9, b"")
    _, error = output.split(CLEARED)
    assert error.startswith(b"clinecli: error: ")


def test_ctrl_c_takes_the_progress_line_away(env: dict[str, str]) -> None:
    held = Held(b"")
    command = [*CLI, "ask", "hi", "--no-stdin", "--base-url"]
    with (
        RawServer(held) as server,
        Terminal([*command, server.url], env, control=True) as terminal,
    ):
        terminal.read_until(b" 1 s\x1b[K")
        terminal.type(b"\x03")
        status, output, _ = terminal.finish()
        held.go.set()
    assert status == -signal.SIGINT
    assert output.endswith(b"\x1b[K" + CLEARED)


@pytest.mark.parametrize(
    ("flags", "streams"),
    [(["-q"], [2]), ([], []), ([], [1])],
    ids=["with -q", "in a pipe", "with stdout alone on a terminal"],
)
def test_no_progress(flags: list[str], streams: list[int], env: dict[str, str]) -> None:
    def late(connection: socket.socket, _number: int) -> None:
        # Nothing can be waited for where nothing is to come.
        threading.Event().wait(1.5)
        connection.sendall(reply_to("ask", "hello"))

    with RawServer(late) as server:
        arguments = ["ask", "hi", *flags, "--base-url", server.url]
        status, output, piped = run_on_terminal(arguments, env, streams=streams)
    assert (status, output + piped) == (0, b"hello\n")


# stdin


@BOTH_COMMANDS
def test_no_prompt_on_a_terminal_is_a_usage_error(command: str, env: dict[str, str]) -> None:
    with RawServer(reply_to(command, "hello")) as server:
        arguments = [command, "--base-url", server.url]
        status, output, _ = run_on_terminal(arguments, env)
    assert status == 2
    assert b"no prompt" in output
    assert server.requests == []


@BOTH_COMMANDS
def test_a_dash_reads_the_terminal_to_its_end(command: str, env: dict[str, str]) -> None:
    with (
        RawServer(reply_to(command, "hello")) as server,
        Terminal([*CLI, command, "-", "--base-url", server.url], env) as terminal,
    ):
        terminal.type(b"one\ntwo\n\x04")
        status, output, _ = terminal.finish()
    assert (status, output) == (0, b"hello\n")
    assert server.bodies[0]["messages"] == [{"role": "user", "content": "one\ntwo\n"}]


def test_a_prompt_on_a_terminal_does_not_wait_for_stdin(env: dict[str, str]) -> None:
    with RawServer(reply_to("ask", "hello")) as server:
        status, output, _ = run_on_terminal(["ask", "hi", "--base-url", server.url], env)
    assert (status, output) == (0, b"hello\n")
    assert server.bodies[0]["messages"] == [{"role": "user", "content": "hi"}]


def test_nothing_shows_the_key(env: dict[str, str]) -> None:
    with RawServer(reply_to("ask", "hello")) as server:
        status, output, _ = run_on_terminal(["ask", "hi", "-v", "--base-url", server.url], env)
    assert status == 0
    assert KEY.encode() not in output
    done = run(["ask", "hi", "-v", "--base-url", server.url, "--retries", "0"], env)
    no_traceback(done)


def test_a_hostile_model_name_in_the_progress_line_is_not_obeyed(
    tmp_path: Path, env: dict[str, str]
) -> None:
    request = tmp_path / "request.json"
    messages = [{"role": "user", "content": "hi"}]
    request.write_text(json.dumps({"model": f"a\n{ESC}]0;owned\x07b", "messages": messages}))
    held = Held(reply_to("ask", "hello"))
    command = [*CLI, "ask", "--request", str(request), "--base-url"]
    with RawServer(held) as server, Terminal([*command, server.url], env) as terminal:
        progress = terminal.read_until(b" 1 s\x1b[K")
        held.go.set()
        terminal.finish()
    assert b"waiting for a ^[]0;owned^Gb 1 s" in progress
