"""stderr as programs read it: JSON lines with --json, and no commands to GitHub's runner."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.process import BOTH_COMMANDS, COMMANDS, run
from tests.helpers.replies import DONE, STREAM_HEAD, completion, http_chunk, response
from tests.helpers.servers import RawServer

# JSON lines


def objects(stderr: bytes) -> list[dict[str, Any]]:
    """Every line of stderr, parsed."""
    return [json.loads(line) for line in stderr.decode().splitlines()]


@BOTH_COMMANDS
def test_every_line_of_stderr_is_json(command: str, env: dict[str, str], tmp_path: Path) -> None:
    """A note of each kind: of stdin, of a thread, of a retry; details, and the error."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    thread = tmp_path / "t.json"
    thread.write_text(json.dumps([{"role": "assistant", "content": None, "tool_calls": [call]}]))
    busy = response(b'{"error":{"message":"a\\nb"}}', status="503 Busy", Retry_After="0")
    with RawServer(busy) as server:
        words = [command, "hi", "-j", "-v", "--thread", str(thread), "--retries", "1"]
        done = run([*words, "--base-url", server.url], env, stdin=b"")
    lines = objects(done.stderr)
    assert (done.returncode, done.stdout) == (10, b"")
    assert [*lines[-1]] == ["error"]
    notes = [line["note"] for line in lines if "note" in line]
    assert [note.split()[0] for note in notes] == ["stdin", "nobody", "the"]
    assert "trying again" in notes[-1]
    assert "(1 of 1)" in notes[-1]
    details = [line["detail"] for line in lines if "detail" in line]
    assert any(detail.startswith("> POST http://") for detail in details)
    assert len(notes) + len(details) + 1 == len(lines)


def reply(command: str, reasoning: str) -> bytes:
    message = {"content": "ok", "reasoning": reasoning}
    if command == "ask":
        choice = {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": "stop"}
        body = {"id": "g", "model": "m", "choices": [choice], "usage": {"prompt_tokens": 1}}
        return response(json.dumps(body).encode())
    pieces = [{"choices": [{"delta": {"reasoning": piece}}]} for piece in reasoning]
    choice = {"delta": {"content": "ok"}, "finish_reason": "stop"}
    return stream(*pieces, {"choices": [choice], "usage": {"prompt_tokens": 1}})


def stream(*chunks: dict[str, Any]) -> bytes:
    """A stream of chunks; what is no text is escaped, as servers do."""
    events = b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks)
    return STREAM_HEAD + http_chunk(events + DONE) + http_chunk(b"")


@BOTH_COMMANDS
def test_reasoning_and_usage_are_json_lines_too(command: str, env: dict[str, str]) -> None:
    text = "two\nlines, \ud83d\ude00"
    with RawServer(reply(command, text)) as server:
        words = [command, "hi", "-j", "--reasoning", "--usage", "--base-url", server.url]
        done = run(words, env)
    *reasoning, usage = objects(done.stderr)
    assert "".join(line["reasoning"] for line in reasoning) == "two\nlines, 😀"
    assert "seconds" in usage
    assert done.returncode == 0


@BOTH_COMMANDS
def test_reasoning_as_text_is_as_it_comes(command: str, env: dict[str, str]) -> None:
    with RawServer(reply(command, "two\nlines")) as server:
        done = run([command, "hi", "--reasoning", "--base-url", server.url], env)
    assert (done.stdout, done.stderr) == (b"ok\n", b"two\nlines\n")


# GitHub's runner (actions/runner, ActionCommand.cs): `##[` anywhere in a line, `::` at its start
# after white space, are commands to it.

OBEYED = re.compile(r"##\[|^\s*::")
COMMANDS_OF_RUNNER = (
    "##[stop-commands]x",
    "::stop-commands::x",
    "  \t::add-mask::y",
    "a ##[set-output name=x]v",
    "###[error]z",
    "\n::error::two lines",
    "\r::error::one line to us",
    "\u00a0::error::a blank of another kind",
    ":::error::",
)


def obeyed(output: bytes) -> list[str]:
    """The lines that the runner would take for commands; it ends lines at a CR, too."""
    return [line for line in re.split(r"\r\n|\r|\n", output.decode()) if OBEYED.search(line)]


@pytest.fixture
def runner(env: dict[str, str]) -> dict[str, str]:
    return env | {"GITHUB_ACTIONS": "true"}


@pytest.mark.parametrize("text", COMMANDS_OF_RUNNER, ids=ascii)
@pytest.mark.parametrize("flags", [[], ["-j"], ["-v"]], ids=["text", "json", "verbose"])
@pytest.mark.parametrize("command", [*COMMANDS, "models", "doctor"])
def test_an_error_of_the_server_is_no_command(
    command: str, flags: list[str], text: str, runner: dict[str, str]
) -> None:
    body = json.dumps({"error": {"code": text, "message": text}}).encode()
    clean = re.sub(r"[\r\n\u00a0]", " ", text)
    answer = response(body, status="401 No", content_type=f"text/{clean}", x_request_id=clean)
    question = ["hi"] if command in COMMANDS else []
    with RawServer(answer) as server:
        done = run([command, *question, *flags, "--base-url", server.url], runner)
    assert done.returncode == 4
    output = done.stderr + (b"\n" + done.stdout if command == "doctor" else b"")
    ours = [line for line in obeyed(output) if not line.startswith("::error::clinecli doctor: ")]
    assert ours == []
    assert not any("##[" in line for line in obeyed(output))
    if flags == ["-j"] and command != "doctor":
        said = json.loads(done.stderr.splitlines()[-1])["error"]
        assert said["code"] == " ".join(text.split()) or said["code"]


@pytest.mark.parametrize("text", COMMANDS_OF_RUNNER, ids=ascii)
@BOTH_COMMANDS
def test_usage_and_reasoning_are_no_commands(
    command: str, text: str, runner: dict[str, str]
) -> None:
    usage = {"prompt_tokens": text, "completion_tokens": text, "cost": text}
    chunk = {"id": text, "model": text, "usage": usage}
    if command == "ask":
        message = {"role": "assistant", "content": "ok", "reasoning": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = response(json.dumps(chunk | {"choices": [choice]}).encode())
    else:
        pieces = [{"choices": [{"delta": {"reasoning": piece}}]} for piece in text]
        end = {"choices": [{"delta": {"content": "ok"}, "finish_reason": "stop"}]} | chunk
        answer = stream(*pieces, end)
    with RawServer(answer) as server:
        words = [command, "hi", "--usage", "--reasoning", "--base-url", server.url]
        done = run(words, runner)
        as_json = run([*words, "-j"], runner)
    assert (done.returncode, done.stdout) == (0, b"ok\n")
    assert obeyed(done.stderr) == []
    assert obeyed(as_json.stderr) == []
    # The same values, but for the spelling.
    assert objects(as_json.stderr)[-1]["model"] == text


def test_a_reply_that_is_not_printed_is_no_command(runner: dict[str, str]) -> None:
    with RawServer(response(completion("##[x]\n::error::y", "length"))) as server:
        done = run(["ask", "hi", "-v", "--base-url", server.url], runner)
    assert done.returncode == 11
    assert b"the reply, which is not printed" in done.stderr
    assert obeyed(done.stderr) == []


def test_elsewhere_text_stays_as_it_is(env: dict[str, str]) -> None:
    body = json.dumps({"error": {"message": "##[x] and ::y::"}}).encode()
    with RawServer(response(body, status="400 No")) as server:
        done = run(["ask", "hi", "--base-url", server.url], env)
    assert b"##[x] and ::y::" in done.stderr
