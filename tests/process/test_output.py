"""What comes out: stdout to the byte, files, notes, and what a start may import."""

from __future__ import annotations

import json
import os
import pty
import re
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.helpers.env import KEY
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

USAGE = {"prompt_tokens": 14, "completion_tokens": 8, "cost": 0.000162, "is_byok": False}


def answer(command: str, text: str, usage: dict[str, Any] | None = None) -> bytes:
    """The same reply, whole or streamed. HALF in it is half of a surrogate pair."""
    extra: dict[str, Any] = {"usage": usage} if usage else {}
    if command == "ask":
        return response(completion(text, **extra).replace(b"HALF", rb"\ud83d"))
    last = json.loads(STOP.removeprefix(b"data: ")) | extra
    events = [delta(text), b"data: %s\n\n" % json.dumps(last).encode(), DONE]
    return event_stream(*(event.replace(b"HALF", rb"\ud83d") for event in events))


def cut(command: str) -> bytes:
    """A reply that ends too early."""
    if command == "ask":
        return response(completion("Half an", "length"))
    return event_stream(delta("Half an"))


# stdout


class Raw(NamedTuple):
    content: bytes
    stdout: bytes


# What a stream may split, test_streams has for both commands.
RAW: dict[str, Raw] = {
    "adds-a-newline": Raw(b'"Paris."', b"Paris.\n"),
    "keeps-the-one-there-is": Raw(b'"Paris.\\n"', b"Paris.\n"),
    "keeps-white-space": Raw(b'"\\n  a\\t \\r\\n\\n"', b"\n  a\t \r\n\n"),
    "line-separator-is-no-newline": Raw(rb'"a\u2028"', "a\u2028\n".encode()),
    "list-of-parts": Raw(b'[{"type":"text","text":"a"},{"type":"text","text":"b"}]', b"ab\n"),
}


@pytest.mark.parametrize("name", RAW)
def test_raw(name: str, env: dict[str, str]) -> None:
    body = completion("X").replace(b'"X"', RAW[name].content)
    with RawServer(response(body)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "hi"], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, RAW[name].stdout, b"")


OBJECT = (
    b'{"id":"g","z":1.10,"a":1e5,"n":-0,"big":123456789012345678901234567890,"phase":null,'
    b'"choices":[{"message":{"content":"\xc3\xbc \\u00fc \\/ \\ud83d  x"},"finish_reason":"stop"}],'
    b'"usage":{"cost":0.000162}}'
)
SPACED = re.sub(rb'([:,{\[])(?=["\d\[{-])', rb"\1\n   ", OBJECT)
JSON: dict[str, bytes] = {
    "as-it-is": OBJECT,
    "pretty": SPACED,
    "bom": b"\xef\xbb\xbf" + OBJECT,
    "envelope": b'{"success":true,"data":%s}' % OBJECT,
    "pretty-envelope-with-more-in-it": b'{ "data" :\n%s\n, "success": true, "x": 1 }' % SPACED,
}


@pytest.mark.parametrize("name", JSON)
def test_json_object_passes_through(name: str, env: dict[str, str]) -> None:
    with RawServer(response(JSON[name])) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "--json", "hi"], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, OBJECT + b"\n", b"")


def test_json_of_an_incomplete_reply_is_not_printed(env: dict[str, str]) -> None:
    body = completion("Half an", "length")
    with RawServer(response(body)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "-j", "hi"], env)
    assert (done.returncode, done.stdout) == (11, b"")
    assert json.loads(done.stderr)["error"]["code"] == "length"


def test_verbose_shows_a_reply_that_is_not_printed(env: dict[str, str]) -> None:
    with RawServer(response(completion("Half an", "length"))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "-v", "hi"], env)
    assert (done.returncode, done.stdout) == (11, b"")
    assert b"Half an" in done.stderr


CALLS = [
    {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": "ü"}'}},
    {"id": "b", "type": "function", "function": {"name": "g", "arguments": {"y": 1}}},
]


def test_tool_calls_alone_are_json_lines(env: dict[str, str]) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": CALLS}
    body = {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
    with RawServer(response(json.dumps(body).encode())) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "hi"], env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == (
        '{"id":"a","type":"function","function":{"name":"f","arguments":"{\\"x\\": \\"ü\\"}"}}\n'
        '{"id":"b","type":"function","function":{"name":"g","arguments":"{\\"y\\":1}"}}\n'
    )


class Extract(NamedTuple):
    reply: str
    stdout: bytes
    status: int = 0
    finish_reason: str = "stop"


EXTRACT: dict[str, Extract] = {
    "one": Extract("Here:\n\n```python\nprint(1)\n```\nDone.", b"print(1)\n"),
    "first-of-two": Extract("```\na\n```\n```\nb\n```", b"a\n"),
    "tildes": Extract("~~~sh\nls\n~~~\n", b"ls\n"),
    "fence-in-a-longer-fence": Extract("````md\n```\nx\n```\n````\n", b"```\nx\n```\n"),
    "blank-lines-and-indent": Extract("```\n\n  x\n\n```\n", b"\n  x\n\n"),
    "crlf": Extract("```\r\nx\r\n```\r\n", b"x\n"),
    "none": Extract("no code", b"", 11),
    "inline-is-none": Extract("use `ls` or ```ls```", b"", 11),
    "unclosed": Extract("```\nrm -rf /tmp/x", b"", 11),
    "empty": Extract("```\n```\n", b"", 11),
    "invisible": Extract("```\n\u200b\n```\n", b"", 11),
    "whole-block-of-a-cut-reply": Extract("```\nx\n```\nand th", b"", 11, "length"),
    "cut-block": Extract("Here:\n```\nrm -rf /tmp", b"", 11, "length"),
}


@pytest.mark.parametrize("name", EXTRACT)
def test_extract(name: str, env: dict[str, str]) -> None:
    case = EXTRACT[name]
    with RawServer(response(completion(case.reply, case.finish_reason))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "-x", "hi"], env)
    assert (done.returncode, done.stdout) == (case.status, case.stdout)
    if case.status:
        message, _ = failure(done, 11)
        cause = "length limit" if case.finish_reason == "length" else "no fenced code block"
        assert cause in message


# --output


@BOTH_COMMANDS
def test_output_replaces_the_file_and_keeps_its_mode(
    command: str, env: dict[str, str], tmp_path: Path
) -> None:
    target, link = tmp_path / "real.txt", tmp_path / "link.txt"
    target.write_text("before")
    target.chmod(0o640)
    link.symlink_to(target.name)
    inode = target.stat().st_ino
    with RawServer(answer(command, "after \x1b[1m")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "hi", "-o", str(link)], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert target.read_bytes() == b"after \x1b[1m\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    # Atomic means a new file in the place of the old one, and nothing left beside it.
    assert target.stat().st_ino != inode
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "link.txt", "real.txt"]


@BOTH_COMMANDS
def test_output_makes_a_file_by_the_umask(
    command: str, env: dict[str, str], tmp_path: Path
) -> None:
    with RawServer(answer(command, "new")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "hi", "--output", "out.txt"], env, cwd=tmp_path, umask=0o027)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / "out.txt").read_bytes() == b"new\n"
    assert stat.S_IMODE((tmp_path / "out.txt").stat().st_mode) == 0o640


@BOTH_COMMANDS
@pytest.mark.parametrize("exists", [True, False], ids=["there", "not-there"])
@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["text", "json"])
def test_output_is_untouched_on_failure(
    command: str, exists: bool, flags: list[str], env: dict[str, str], tmp_path: Path
) -> None:
    target = tmp_path / "out.txt"
    if exists:
        target.write_text("before")
    with RawServer(cut(command)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "hi", "-o", str(target), *flags], env)
    assert (done.returncode, done.stdout) == (11, b"")
    assert (target.read_text() if exists else target.exists()) == ("before" if exists else False)
    assert len(list(tmp_path.iterdir())) == (2 if exists else 1)


def read_only(tmp_path: Path) -> Path:
    directory = tmp_path / "locked"
    directory.mkdir(mode=0o555)
    return directory / "out.txt"


UNWRITABLE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no-directory": (lambda path: path / "missing" / "out.txt", "No such file or directory"),
    "a-directory": (lambda path: path, "Is a directory"),
    "below-a-file": (lambda path: Path("/dev/null/out.txt"), "Not a directory"),
    "read-only": (read_only, "Permission denied"),
}


@BOTH_COMMANDS
@pytest.mark.parametrize("name", UNWRITABLE)
def test_unwritable_output_is_told_before_anything_is_sent(
    command: str, name: str, env: dict[str, str], tmp_path: Path
) -> None:
    place, reason = UNWRITABLE[name]
    if name == "read-only" and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    target = place(tmp_path)
    with RawServer(answer(command, "never")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "hi", "-o", str(target)], env)
    message, hint = failure(done, 1)
    assert message == f"cannot write {target}: {reason}"
    assert "nothing was sent" in hint
    assert server.requests == []


@BOTH_COMMANDS
def test_output_to_a_named_pipe(command: str, env: dict[str, str], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    with RawServer(answer(command, "through")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "hi", "-o", str(pipe)], env)
    reader.join(30)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert got == [b"through\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("place", ["-", "/dev/stdout", "/dev/fd/1"])
def test_output_to_stdout(place: str, env: dict[str, str], tmp_path: Path) -> None:
    """Also when stdout is a pipe, and without replacing a file that stdout appends to."""
    log = tmp_path / "log"
    log.write_bytes(b"before\n")
    with RawServer(answer("ask", "after")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        piped = run(["ask", "hi", "-o", place], env)
        with log.open("ab") as file:
            command = [*CLI, "ask", "hi", "-o", place]
            appended = subprocess.run(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.PIPE,
                check=False,
            )
    assert (piped.returncode, piped.stdout, piped.stderr) == (0, b"after\n", b"")
    assert (appended.returncode, appended.stderr) == (0, b"")
    assert log.read_bytes() == b"before\nafter\n"


@pytest.mark.parametrize(
    ("flags", "shown"),
    [([], b"a^[[31mb\r\n"), (["--json"], rb"a\u001b[31mb")],
    ids=["text", "json"],
)
def test_output_to_a_terminal_is_harmless(
    flags: list[str], shown: bytes, env: dict[str, str]
) -> None:
    """No escape sequence reaches it on this way either, not even one that JSON leaves raw."""
    body = completion("a\x1b[31mb").replace(rb"\u001b", b"\x1b")
    master, slave = pty.openpty()
    with RawServer(response(body)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "hi", "-o", os.ttyname(slave), *flags], env)
    written = os.read(master, 65536)
    os.close(slave)
    os.close(master)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert shown in written
    assert b"\x1b" not in written


# stderr


@BOTH_COMMANDS
def test_usage(command: str, env: dict[str, str]) -> None:
    with RawServer(answer(command, "Paris.", USAGE)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "--usage", "hi"], env)
    assert (done.returncode, done.stdout) == (0, b"Paris.\n")
    line = rb"14 prompt tokens, 8 completion tokens, \$0\.000162, test/model, gen_1, \d+\.\d s\n"
    assert re.fullmatch(line, done.stderr)


@BOTH_COMMANDS
def test_usage_as_json(command: str, env: dict[str, str]) -> None:
    odd = USAGE | {"note": "HALF", "market_cost": 10**20}
    with RawServer(answer(command, "HALF", odd)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "--usage", "--json", "-q", "hi"], env)
    no_traceback(done)
    assert done.returncode == 0
    report = json.loads(done.stderr)
    assert isinstance(report.pop("seconds"), float)
    odd["note"] = "\ud83d"
    assert report == {"usage": odd, "model": "test/model", "id": "gen_1"}


@BOTH_COMMANDS
def test_usage_without_any(command: str, env: dict[str, str]) -> None:
    with RawServer(answer(command, "Paris.")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "--usage", "hi"], env)
    assert done.returncode == 0
    assert re.fullmatch(rb"test/model, gen_1, \d+\.\d s\n", done.stderr)


def test_usage_of_a_reply_that_was_paid_and_failed(env: dict[str, str]) -> None:
    with RawServer(response(completion("", usage=USAGE))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "--usage", "--retries", "0", "hi"], env)
    usage, error, hint = done.stderr.decode().splitlines()
    assert "$0.000162" in usage
    assert "empty" in error
    assert hint
    assert done.returncode == 11


REASONED = b'"reasoning": "Let me\\u001b think.", "content"'


@pytest.mark.parametrize(
    ("flags", "stderr"),
    [([], b""), (["--reasoning"], b"Let me\x1b think.\n")],
    ids=["hidden", "shown"],
)
def test_reasoning(flags: list[str], stderr: bytes, env: dict[str, str]) -> None:
    with RawServer(response(completion("Yes.").replace(b'"content"', REASONED))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "hi", *flags], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Yes.\n", stderr)


@BOTH_COMMANDS
def test_verbose_tells_every_step_and_no_secret(command: str, env: dict[str, str]) -> None:
    def reply(connection: socket.socket, _: int) -> None:
        ready = answer(command, "Paris.")
        extra = f"\r\nX-Request-Id: req_{KEY}\r\nSet-Cookie: session={KEY}\r\n".encode()
        connection.sendall(ready.replace(b"\r\n", extra, 1))

    with RawServer(reply) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "-v", "hi"], env)
    no_traceback(done)
    assert (done.returncode, done.stdout) == (0, b"Paris.\n")
    log = done.stderr.decode()
    ((_, body),) = server.requests
    for words in (
        "* key from CLINE_API_KEY, model anthropic/claude-sonnet-4-6",
        f"* connected to 127.0.0.1:{server.port}",
        f"> POST {server.url}/api/v1/chat/completions ({len(body)} bytes, with the key)",
        "< 200 ",
        "request req_[key]",
        "* done after",
    ):
        assert words in log
    assert "session" not in log


def test_title_and_referer(env: dict[str, str]) -> None:
    with RawServer(response(completion("ok"))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "hi", "--title", " Prüfung № 7 ", "--referer", "https://ex.org/ü"], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"ok\n", b"")
    lines = server.requests[0][0].split(b"\r\n")
    assert "X-Title: Prüfung № 7".encode() in lines
    assert "HTTP-Referer: https://ex.org/ü".encode() in lines


def test_request_headers(env: dict[str, str]) -> None:
    with RawServer(response(completion("ok"))) as server:
        env["CLINE_API_BASE_URL"] = f"{server.url}/v1/"
        run(["ask", "hi"], env)
    first, *lines = server.requests[0][0].decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert first == "POST /v1/chat/completions HTTP/1.1"
    assert re.fullmatch(r"clinecli/[0-9.]+", headers.pop("User-Agent"))
    assert headers.pop("Accept-Encoding").startswith("gzip")
    assert headers == {
        "Host": f"127.0.0.1:{server.port}",
        "Accept": "*/*",
        "Connection": "keep-alive",
        "Authorization": f"Bearer {KEY}",
        "Content-Type": "application/json",
        "Content-Length": str(len(server.requests[0][1])),
    }


# The command line itself


def imported(arguments: list[str], env: dict[str, str]) -> tuple[int, set[str]]:
    """The status of a call, and every module that it imported."""
    command = [sys.executable, "-X", "importtime", "-m", "clinecli", *arguments]
    # Coverage imports modules of its own.
    unmeasured = {name: env[name] for name in env if not name.startswith("COVERAGE")}
    done = subprocess.run(
        command,
        env=unmeasured,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    lines = done.stderr.decode().splitlines()
    return done.returncode, {
        line.rsplit("|", 1)[1].strip() for line in lines if line.startswith("import time:")
    }


LIGHT: dict[str, tuple[list[str], int]] = {
    "version": (["--version"], 0),
    "help": (["--help"], 0),
    "bare": ([], 2),
    "help-of-ask": (["ask", "--help"], 0),
    "help-of-stream": (["stream", "-h"], 0),
    "unknown-command": (["aks", "hi"], 2),
    "unknown-flag": (["ask", "hi", "--colour"], 2),
    "unknown-flag-as-json": (["ask", "hi", "--colour", "--json"], 2),
    "temperature-out-of-range": (["ask", "hi", "-t", "2.1"], 2),
}


@pytest.mark.parametrize("name", LIGHT)
def test_light_start(name: str, env: dict[str, str]) -> None:
    arguments, status = LIGHT[name]
    returned, modules = imported(arguments, env)
    assert returned == status
    assert "clinecli.cli" in modules
    heavy = {
        "httpx",
        "httpcore",
        "h11",
        "orjson",
        "ssl",
        "truststore",
        "certifi",
        "jsonschema",
        "rich",
    }
    assert {module.split(".")[0] for module in modules} & heavy == set()


def test_an_answer_imports_what_it_needs_alone(env: dict[str, str]) -> None:
    with RawServer(response(completion("ok"))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        status, modules = imported(["ask", "hi"], env)
    assert status == 0
    assert {"h11", "orjson"} <= modules
    heavy = {"rich", "pygments", "jsonschema", "pydantic", "asyncio", "platformdirs", "tomllib"}
    assert {module.split(".")[0] for module in modules} & heavy == set()


def test_version(env: dict[str, str]) -> None:
    done = run(["--version"], env)
    assert re.fullmatch(rb"clinecli \d+\.\d+\.\d+\n", done.stdout)
    assert (done.returncode, done.stderr) == (0, b"")


def test_bare_command_prints_help(env: dict[str, str]) -> None:
    done, help_ = run([], env), run(["--help"], env)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.strip() == help_.stdout.strip()
    for words in (b"Usage: clinecli", b"ask ", b"stream ", b"Exit statuses:", b" 11  "):
        assert words in help_.stdout


class Mistake(NamedTuple):
    arguments: tuple[str, ...]
    message: str
    hint: str


MISTAKES: dict[str, Mistake] = {
    "near-a-command": Mistake(
        ("aks", "hi"), "no such command: aks", "did you mean `clinecli ask`?"
    ),
    "a-question": Mistake(("What is love?",), "no such command", "clinecli ask 'QUESTION'"),
    "near-a-flag": Mistake(("ask", "--modle", "x", "hi"), "--modle", "did you mean --model?"),
    "no-value": Mistake(("ask", "hi", "--model"), "--model", "--help"),
    "no-number": Mistake(("stream", "hi", "--timeout", "soon"), "'soon'", "clinecli stream --help"),
    "flag-of-the-other": Mistake(("stream", "-x", "hi"), "-x", "clinecli stream --help"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_sends_nothing(name: str, env: dict[str, str]) -> None:
    case = MISTAKES[name]
    with RawServer(response(completion("paid"))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(case.arguments, env)
    message, hint = failure(done, 2)
    assert case.message in message
    assert case.hint in hint
    assert (done.stdout, server.requests) == (b"", [])


def test_mistake_as_json(env: dict[str, str]) -> None:
    done = run(["ask", "-qj", "--colour", "hi"], env)
    assert (done.returncode, done.stdout) == (2, b"")
    error = json.loads(done.stderr)["error"]
    assert "--colour" in error["message"]
    assert {key: error[key] for key in error if key not in {"message", "hint"}} == {
        "kind": "usage",
        "status": None,
        "code": None,
        "request_id": None,
        "retryable": False,
        "exit_status": 2,
    }


def test_quiet_keeps_notes_away(env: dict[str, str]) -> None:
    events = [STREAM_HEAD]
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
    events += map(http_chunk, (delta("x"), delta(delta={"tool_calls": [call]}), STOP, b""))
    with RawServer(b"".join(events)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["stream", "-q", "hi"], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"x\n", b"")
