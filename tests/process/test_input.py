"""What goes in: stdin, files, images, turns and flags to one request, compared whole."""

from __future__ import annotations

import json
import os
import select
import shlex
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.helpers.env import KEY
from tests.helpers.inputs import BRIEF, FILES, HI, OTHER, PNG, TOOLS, TURNS, body, user
from tests.helpers.process import BOTH_COMMANDS, CLI, failure, no_traceback, run
from tests.helpers.replies import ANSWER, completion, delta, event_stream, response
from tests.helpers.servers import RawServer


def previewed(done: subprocess.CompletedProcess[bytes]) -> Any:
    """The body that --dry-run printed, on one line."""
    assert (done.returncode, done.stderr) == (0, b""), done
    assert done.stdout.endswith(b"}\n")
    assert done.stdout.count(b"\n") == 1
    return json.loads(done.stdout)


# Images


def test_image_that_is_none(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("<svg/>")
    done = run(["ask", "--dry-run", "hi", "-i", "a.png"], env, cwd=tmp_path)
    message, hint = failure(done, 2)
    assert message == "a.png is not a PNG, JPEG, GIF or WebP image"
    assert "--file" in hint


def test_image_that_is_too_large(env: dict[str, str], tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.write(PNG)
        file.truncate(21 * 1024 * 1024)
    done = run(["ask", "--dry-run", "hi", "-i", "a.png"], env, cwd=tmp_path)
    message, hint = failure(done, 2)
    assert message == "a.png has more than the 20 MiB that images may have"
    assert "scale it down" in hint


def test_missing_image(env: dict[str, str], tmp_path: Path) -> None:
    done = run(["ask", "--dry-run", "hi", "-i", "no.png"], env, cwd=tmp_path)
    assert failure(done, 2)[0] == "cannot read no.png: No such file or directory"


# stdin


class Stdin(NamedTuple):
    arguments: tuple[str, ...]
    stdin: bytes | None
    content: str


STDIN: dict[str, Stdin] = {
    "after-the-prompt": Stdin(("Why?",), b"log\n", "Why?\n\nlog\n"),
    "byte-for-byte": Stdin(("Why?",), b"\n  a\t\r\n\r\n b", "Why?\n\n\n  a\t\r\n\r\n b"),
    "alone": Stdin((), b" alone\n", " alone\n"),
    "dash": Stdin(("-",), b"dash\n", "dash\n"),
    "dash-among-words-is-a-word": Stdin(("a", "-", "b"), None, "a - b"),
    "empty-prompt": Stdin(("",), b"alone\n", "alone\n"),
    "none": Stdin(("Why?",), None, "Why?"),
    "white-space": Stdin(("Why?",), b" \n", "Why?\n\n \n"),
    "ignored": Stdin(("Why?", "--no-stdin"), b"\xff", "Why?"),
    "dash-outranks-no-stdin": Stdin(("-", "--no-stdin"), b"dash", "dash"),
    "control-characters": Stdin(
        ("Why?",), b"a\x00\x01\x1b[31m\x7f", "Why?\n\na\x00\x01\x1b[31m\x7f"
    ),
    "bom": Stdin((), b"\xef\xbb\xbfx", "\ufeffx"),
    "wide": Stdin(("Wie heißt 😀?",), "größer\n".encode(), "Wie heißt 😀?\n\ngrößer\n"),
    "words-that-look-like-flags": Stdin(("--", "-m", "--json"), None, "-m --json"),
}


@pytest.mark.parametrize("name", STDIN)
def test_stdin(name: str, env: dict[str, str]) -> None:
    case = STDIN[name]
    done = run(["ask", "--dry-run", *case.arguments], env, stdin=case.stdin)
    assert previewed(done) == body(user(case.content))


def test_stdin_that_is_closed(env: dict[str, str]) -> None:
    done = run(["ask", "--dry-run", "Why?"], env, stdin=None, preexec_fn=lambda: os.close(0))
    assert previewed(done) == body(user("Why?"))


def test_stdin_that_cannot_be_read(env: dict[str, str]) -> None:
    with open(os.devnull, "wb") as sink:  # noqa: PTH123
        done = subprocess.run(
            [*CLI, "ask", "--dry-run", "Why?"],
            env=env,
            stdin=sink,
            capture_output=True,
            check=False,
        )
    message, hint = failure(done, 2)
    assert message == "cannot read stdin: Bad file descriptor"
    assert "--no-stdin" in hint


@BOTH_COMMANDS
def test_stdin_of_5_mb_arrives_whole(command: str, env: dict[str, str]) -> None:
    data = ("äöü " * 1024 + "\n").encode() * 740
    assert len(data) > 5_000_000
    with RawServer(ANSWER[command]) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "Summarise"], env, stdin=data)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Paris.\n", b"")
    (sent,) = server.bodies
    assert sent["messages"] == [user("Summarise\n\n" + data.decode())]


def read_line(fd: int) -> bytes:
    """One line of a pipe, within half a minute."""
    line = b""
    while not line.endswith(b"\n") and select.select([fd], [], [], 30)[0]:
        piece = os.read(fd, 1)
        if not piece:
            break
        line += piece
    return line


def test_silent_pipe_is_told_once_and_loses_nothing(env: dict[str, str]) -> None:
    with subprocess.Popen(
        [*CLI, "ask", "--dry-run", "Why?"],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr
        hint = read_line(process.stderr.fileno())
        assert hint.startswith(b"clinecli: waiting for stdin")
        assert b"--no-stdin" in hint
        stdout, stderr = process.communicate(b"slow\n", timeout=30)
    assert json.loads(stdout) == body(user("Why?\n\nslow\n"))
    assert (process.returncode, stderr) == (0, b"")


@pytest.mark.parametrize(
    "arguments", [["-q", "Why?"], ["-"], []], ids=["quiet", "dash", "no-prompt"]
)
def test_silent_pipe_that_is_expected(arguments: list[str], env: dict[str, str]) -> None:
    """No hint where stdin is the input, or with -q: two seconds pass, and the data counts."""
    producer = "sleep 2.3; echo slow"
    shell = ["sh", "-c", f'({producer}) | "$@"', "sh", *CLI, "ask", "--dry-run", *arguments]
    done = subprocess.run(shell, env=env, capture_output=True, timeout=60, check=False)
    words = " ".join(arguments[1:])
    assert previewed(done) == body(user(f"{words}\n\nslow\n" if words else "slow\n"))


BINARY = b'["ok \xe2\x82\xff"]'
UNDECODABLE: dict[str, tuple[str, ...]] = {
    "--file": ("hi", "-f", "bin"),
    "--system-file": ("hi", "--system-file", "bin"),
    "--messages": ("hi", "--messages", "bin"),
    "--thread": ("hi", "--thread", "bin"),
    "--request": ("--request", "bin"),
    "--tools": ("hi", "--tools", "bin"),
    "--schema": ("hi", "--schema", "bin"),
}


@pytest.mark.parametrize("name", [*UNDECODABLE, "stdin", "--request=-"])
def test_input_that_is_not_utf8(name: str, env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bin").write_bytes(BINARY)
    arguments = UNDECODABLE.get(name, ("--request", "-") if "=" in name else ("hi",))
    stdin = None if name in UNDECODABLE else BINARY
    done = run(["ask", "--dry-run", *arguments], env, stdin=stdin, cwd=tmp_path)
    message, hint = failure(done, 2)
    source = "bin" if name in UNDECODABLE else "stdin"
    assert message == f"{source} is not UTF-8 text: byte 0xe2 at offset 5"
    assert "iconv" in hint


ARGUMENTS: dict[str, tuple[tuple[bytes, ...], str]] = {
    "prompt": ((b"caf\xe9",), "PROMPT"),
    "system": ((b"hi", b"-s", b"caf\xe9"), "--system"),
    "model": ((b"hi", b"-m", b"caf\xe9"), "--model"),
    "param": ((b"hi", b"-p", b"x=caf\xe9"), "--param"),
    "title": ((b"hi", b"--title", b"caf\xe9"), "--title"),
    "file-name": ((b"hi", b"-f", b"caf\xe9"), "a file name"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_argument_that_is_not_utf8(name: str, env: dict[str, str], tmp_path: Path) -> None:
    arguments, source = ARGUMENTS[name]
    (tmp_path / os.fsdecode(b"caf\xe9")).write_text("x")
    done = run(["ask", "--dry-run", *map(os.fsdecode, arguments)], env, cwd=tmp_path)
    message, _ = failure(done, 2)
    assert source in message
    assert "is not UTF-8 text: byte 0xe9 at offset" in message


LOCALES = {
    "c": {"LC_ALL": "C"},
    "posix": {"LC_ALL": "POSIX"},
    "ascii-for-sure": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ascii-streams": {"PYTHONIOENCODING": "ascii"},
}


@pytest.mark.parametrize("name", LOCALES)
def test_any_locale(name: str, env: dict[str, str], tmp_path: Path) -> None:
    env = {key: value for key, value in env.items() if not key.startswith(("LC_", "LANG"))}
    (tmp_path / "ü.txt").write_text("ß")
    with RawServer(response(completion("größer 😀"))) as server:
        env |= {"CLINE_API_BASE_URL": server.url, **LOCALES[name]}
        arguments = ["ask", "wie groß?", "-f", "ü.txt", "-p", "x=ü", "-s", "ä", "--title", "é"]
        done = run(arguments, env, cwd=tmp_path, stdin="ö".encode())
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == "größer 😀\n"
    system = {"role": "system", "content": "ä"}
    text = 'wie groß?\n\n<file name="ü.txt">\nß\n</file>\n\nö'
    assert server.bodies == [body(system, user(text), x="ü")]
    assert "X-Title: é".encode() in server.requests[0][0]


# Flags, on the command line


FLAGS = shlex.split(
    "-m a/b -s Brief. -t 0.5 --max-tokens 9 -p seed=7 -p user=me --tools tools.json "
    "--messages turns.json -i https://ex.org/i.png"
)
WITH_FLAGS = {
    "model": "a/b",
    "messages": [
        {"role": "system", "content": "Brief."},
        OTHER,
        user(
            [
                {"type": "text", "text": "one two"},
                {"type": "image_url", "image_url": {"url": "https://ex.org/i.png"}},
            ]
        ),
    ],
    "temperature": 0.5,
    "max_tokens": 9,
    "tools": json.loads(TOOLS),
    "seed": 7,
    "user": "me",
}


@BOTH_COMMANDS
def test_dry_run_prints_what_is_sent(command: str, env: dict[str, str], files: Path) -> None:
    """To the byte, and without sending anything or asking for a key."""
    arguments = [command, "one", *FLAGS, "two"]
    with RawServer(ANSWER[command]) as server:
        env["CLINE_API_BASE_URL"] = server.url
        keyless = {name: value for name, value in env.items() if name != "CLINE_API_KEY"}
        dry = run([*arguments, "--dry-run"], keyless, cwd=files)
        assert server.requests == []
        done = run(arguments, env, cwd=files)
    streamed = {"stream_options": {"include_usage": True}} if command == "stream" else {}
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Paris.\n", b"")
    assert previewed(dry) == WITH_FLAGS | streamed | {"stream": command == "stream"}
    ((_, sent),) = server.requests
    assert dry.stdout == sent + b"\n"
    assert b'"maximum":1.10}' in sent


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl here")
@BOTH_COMMANDS
def test_curl_command_sends_the_same(command: str, env: dict[str, str], files: Path) -> None:
    arguments = [command, "it's $HOME `x`", *FLAGS, "--title", "Prüfung's", "--referer", "http://r"]
    with RawServer(ANSWER[command]) as server:
        env["CLINE_API_BASE_URL"] = server.url
        keyless = {name: value for name, value in env.items() if name != "CLINE_API_KEY"}
        shown = run([*arguments, "--curl"], keyless, cwd=files)
        assert server.requests == []
        assert (shown.returncode, shown.stderr) == (0, b"")
        assert b'"Authorization: Bearer $CLINE_API_KEY"' in shown.stdout
        line = shown.stdout.decode()
        curl = subprocess.run(
            ["sh", "-c", line], env=env, capture_output=True, timeout=60, check=True
        )
        done = run(arguments, env, cwd=files)
    assert done.returncode == 0
    assert b"Paris." in curl.stdout
    (curl_head, curl_body), (head, sent) = server.requests
    assert curl_body == sent
    names = (b"post ", b"authorization:", b"content-type:", b"x-title:", b"http-referer:")
    curl_lines, lines = (
        sorted(line for line in each.split(b"\r\n") if line.lower().startswith(names))
        for each in (curl_head, head)
    )
    assert curl_lines == lines
    assert len(lines) == 5


def test_previews_show_no_key(env: dict[str, str], tmp_path: Path) -> None:
    for flag in ("--dry-run", "--curl"):
        done = run(["ask", "hi", flag, "-o", "out.txt", "-v"], env, cwd=tmp_path)
        no_traceback(done)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert KEY not in (tmp_path / "out.txt").read_text()


TEMPERATURES: dict[str, int] = {"0": 0, "2": 0, "-0.1": 2, "2.01": 2, "nan": 2, "inf": 2, "warm": 2}


@pytest.mark.parametrize("value", TEMPERATURES)
def test_temperature(value: str, env: dict[str, str]) -> None:
    done = run(["ask", "--dry-run", "hi", "-t", value], env)
    if TEMPERATURES[value]:
        assert "temperature" in failure(done, 2)[0]
    else:
        assert previewed(done) == body(HI, temperature=float(value))


ODD_REQUEST = (
    '{"z": 1.10, "stream":%s, "messages":[{"role":"user","content":"\\u00fc x","n":-0}],'
    '"model":"own/m","a":1e5,"big":123456789012345678901234567890,"f":1.0,"nil":null}'
)
AS_SENT = (
    '{"z":1.10,"messages":[{"role":"user","content":"ü x","n":-0}],"model":"own/m","a":1e5,'
    '"big":123456789012345678901234567890,"f":1.0,"nil":null,"stream":%s}\n'
)


@pytest.mark.parametrize("source", ["file", "stdin"])
@BOTH_COMMANDS
def test_whole_request_is_sent_as_it_is(
    command: str, source: str, env: dict[str, str], tmp_path: Path
) -> None:
    own, ours = ("true", "false") if command == "ask" else ("false", "true")
    request = (ODD_REQUEST % own).encode()
    (tmp_path / "r.json").write_bytes(request)
    name, stdin = ("r.json", b"ignored") if source == "file" else ("-", request)
    env["CLINE_MODEL"] = "env/model"
    done = run([command, "--dry-run", "--request", name], env, stdin=stdin, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == AS_SENT % ours


# Threads


def turns(path: Path) -> Any:
    return json.loads(path.read_text())


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


@BOTH_COMMANDS
def test_thread_is_made_and_appended_to(command: str, env: dict[str, str], tmp_path: Path) -> None:
    thread = tmp_path / "t.json"
    with RawServer(ANSWER[command]) as server:
        env["CLINE_API_BASE_URL"] = server.url
        first = run([command, "One?", "--thread", str(thread), "-s", "Be brief."], env)
        start = [BRIEF, user("One?"), assistant("Paris.")]
        assert turns(thread) == start
        thread.chmod(0o600)
        second = run([command, "Two?", "--thread", str(thread)], env)
    for done in (first, second):
        assert (done.returncode, done.stdout, done.stderr) == (0, b"Paris.\n", b"")
    assert [sent["messages"] for sent in server.bodies] == [start[:2], [*start, user("Two?")]]
    assert turns(thread) == [*start, user("Two?"), assistant("Paris.")]
    assert thread.stat().st_mode & 0o777 == 0o600
    assert len(list(tmp_path.iterdir())) == 2


def test_thread_keeps_what_others_wrote(env: dict[str, str], tmp_path: Path) -> None:
    thread = tmp_path / "t.json"
    thread.write_text('[{"role":"user","content":"ü","weight":1.10,"x":1e5,"unknown":null}]')
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"content": None, "tool_calls": [call]}
    reply = {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
    with RawServer(response(json.dumps(reply).encode())) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "Call!", "--thread", str(thread)], env)
    assert done.returncode == 0
    first, *rest = thread.read_text().splitlines()[1:-1]
    assert first == '{"role":"user","content":"ü","weight":1.10,"x":1e5,"unknown":null},'
    assert [json.loads(line.rstrip(",")) for line in rest] == [
        user("Call!"),
        assistant("") | {"tool_calls": [call]},
    ]


FAILING = {
    "ask": response(completion("Half", "length")),
    "stream": event_stream(delta("Half")),
}


@BOTH_COMMANDS
@pytest.mark.parametrize("exists", [True, False], ids=["there", "not-there"])
def test_thread_is_untouched_on_failure(
    command: str, exists: bool, env: dict[str, str], tmp_path: Path
) -> None:
    thread = tmp_path / "t.json"
    if exists:
        thread.write_text(TURNS)
    with RawServer(FAILING[command]) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "hi", "--thread", str(thread)], env)
    assert done.returncode == 11
    assert (thread.read_text() if exists else thread.exists()) == (TURNS if exists else False)
    assert len(list(tmp_path.iterdir())) == (2 if exists else 1)


def test_thread_that_cannot_be_appended_to(env: dict[str, str], tmp_path: Path) -> None:
    with RawServer(ANSWER["ask"]) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "hi", "--thread", str(tmp_path / "missing" / "t.json")], env)
    message, hint = failure(done, 1)
    assert "t.json: no such directory" in message
    assert "--thread" in hint
    assert server.requests == []


def test_concurrent_turns_lose_nothing(env: dict[str, str], tmp_path: Path) -> None:
    thread = tmp_path / "t.json"
    thread.write_text(TURNS)
    together = threading.Barrier(5)

    def answer(connection: Any, _: int) -> None:
        together.wait(60)
        connection.sendall(ANSWER["ask"])

    with RawServer(answer) as server:
        env["CLINE_API_BASE_URL"] = server.url
        processes = [
            subprocess.Popen(
                [*CLI, "ask", str(number), "--thread", str(thread)],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            for number in range(5)
        ]
        told = [process.communicate(timeout=60)[1] for process in processes]
    assert ([process.returncode for process in processes], told) == ([0] * 5, [b""] * 5)
    written = turns(thread)
    assert written[:2] == json.loads(TURNS)
    questions, answers = written[2::2], written[3::2]
    assert sorted(turn["content"] for turn in questions) == ["0", "1", "2", "3", "4"]
    assert answers == [assistant("Paris.")] * 5


# Schemas


PERSON = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0}},
    "required": ["age"],
}


def ask_with_schema(
    env: dict[str, str], schema: Any, reply: str, *arguments: str
) -> tuple[Any, RawServer]:
    path = Path(env["HOME"]) / "schema.json"
    path.write_text(schema if isinstance(schema, str) else json.dumps(schema))
    with RawServer(response(completion(reply))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        return run(["ask", "hi", "--schema", str(path), *arguments], env), server


class Schema(NamedTuple):
    schema: Any
    reply: str
    message: str = ""
    arguments: tuple[str, ...] = ()


SCHEMAS: dict[str, Schema] = {
    "match": Schema(PERSON, '{"age": 7}'),
    "true": Schema(True, "[1]"),
    "draft-4": Schema({"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 0}, "1"),
    "inner-reference": Schema({"$ref": "#/$defs/a", "$defs": {"a": PERSON}}, '{"age": 0}'),
    "in-a-code-block": Schema(PERSON, 'So:\n```json\n{"age": 7}\n```\n', arguments=("-x",)),
    "wrong-value": Schema(PERSON, '{"age": -1}', "at $.age: -1 is less than the minimum"),
    "missing-value": Schema(PERSON, "{}", "at $: 'age' is a required property"),
    "exponent-in-the-schema": Schema('{"maximum": 1e1}', "11", "greater than the maximum"),
    "prose": Schema(PERSON, 'Sure! {"age": 7}', "the reply is not JSON"),
    "fenced": Schema(PERSON, '```json\n{"age": 7}\n```', "the reply is not JSON"),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_reply_is_held_to_the_schema(name: str, env: dict[str, str]) -> None:
    case = SCHEMAS[name]
    done, server = ask_with_schema(env, case.schema, case.reply, *case.arguments)
    assert len(server.requests) == 1
    if case.message:
        message, hint = failure(done, 11)
        assert case.message in message
        assert "-m" in hint
    else:
        assert (done.returncode, done.stderr) == (0, b"")


BAD_SCHEMAS: dict[str, str] = {
    "no-json": "{oops",
    "empty": "",
    "number": "5",
    "null": "null",
    "array": "[]",
    "unknown-type": '{"type": "strnig"}',
    "bad-pattern": '{"pattern": "("}',
    "draft-that-is-no-text": '{"$schema": []}',
}


@pytest.mark.parametrize("name", BAD_SCHEMAS)
def test_bad_schema_is_refused_before_anything_is_sent(name: str, env: dict[str, str]) -> None:
    done, server = ask_with_schema(env, BAD_SCHEMAS[name], "{}")
    message, _ = failure(done, 2)
    assert "schema.json is not" in message
    assert server.requests == []


def test_schema_is_not_fetched(env: dict[str, str]) -> None:
    with RawServer(response(b"{}")) as elsewhere:
        done, server = ask_with_schema(env, {"$ref": f"{elsewhere.url}/s.json"}, "{}")
    assert elsewhere.requests == server.requests == []
    message, hint = failure(done, 2)
    assert elsewhere.url in message
    assert "nothing is fetched" in hint


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_inputs_may_be_pipes(env: dict[str, str], files: Path) -> None:
    """`<(COMMAND)` can be read once only."""
    substitutions = (
        "--schema <(cat schema.json) --tools <(cat tools.json) --messages <(cat turns.json) "
        "--system-file <(cat system.txt) -i <(printf '\\211PNG\\r\\n\\032\\n')"
    )
    done = subprocess.run(
        ["bash", "-c", f'"$@" {substitutions} </dev/null', "bash", *CLI, "ask", "--dry-run", "hi"],
        env=env,
        cwd=files,
        capture_output=True,
        timeout=60,
        check=False,
    )
    sent = previewed(done)
    assert sent["messages"][0] == {"role": "system", "content": "Be brief.\n"}
    assert sent["messages"][2]["content"][1]["image_url"]["url"].startswith("data:image/png;")
    assert sent["tools"] == json.loads(TOOLS)
    assert sent["response_format"]["json_schema"]["schema"] == json.loads(FILES["schema.json"])


@pytest.mark.parametrize(
    "flag",
    ["--schema", "--request", "--tools", "--messages", "--thread", "--system-file", "-o", "-m"],
)
def test_an_empty_value_is_not_ignored(flag: str, env: dict[str, str]) -> None:
    done = run(["ask", "--dry-run", "hi", flag, ""], env)
    assert "is empty" in failure(done, 2)[0]


def test_an_attachment_without_content_is_no_message(env: dict[str, str]) -> None:
    assert "nothing was sent" in failure(run(["ask", "-f", "/dev/null"], env), 6)[0]


def test_stdin_goes_along_with_a_request_and_a_prompt(env: dict[str, str], tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_text('{"messages": [{"role": "user", "content": "one"}]}')
    done = run(["ask", "--dry-run", "--request", str(request), "two"], env, stdin=b"three")
    contents = [message["content"] for message in json.loads(done.stdout)["messages"]]
    assert contents == ["one", "two\n\nthree"]


@pytest.mark.parametrize("reply", ["1e400", "NaN", "[Infinity]"])
def test_schema_and_a_number_that_is_none(reply: str, env: dict[str, str], tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"multipleOf": 0.1}')
    with RawServer(response(completion(reply))) as server:
        done = run(["ask", "hi", "--schema", str(schema), "--base-url", server.url], env)
    assert failure(done, 11)[0].startswith("the reply is not JSON")
