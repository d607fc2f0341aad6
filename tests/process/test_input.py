"""What goes in: stdin, files, images, turns and flags to one request, compared whole."""

from __future__ import annotations

import base64
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

from clinecli.chat.compose import Composed, compose
from clinecli.chat.reply import ChatRequest
from clinecli.config.settings import Settings, resolve
from clinecli.errors import ClinecliError, EmptyMessageError, UsageError
from clinecli.jsontext import Number
from clinecli.options.chat import ChatOptions
from clinecli.options.common import DEFAULT_MODEL, NetworkOptions
from tests.helpers.support import (
    CLI,
    DONE,
    KEY,
    STOP,
    RawServer,
    completion,
    delta,
    event_stream,
    failure,
    no_traceback,
    response,
    run,
)

COMMANDS = ["ask", "stream"]
ANSWER = {
    "ask": response(completion("Paris.")),
    "stream": event_stream(delta("Paris."), STOP, DONE),
}
TOOLS = '[{"type": "function", "function": {"name": "f", "parameters": {"maximum": 1.10}}}]'
TURNS = '[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "1.0"}]'


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A body as it is sent by `ask`."""
    return {"model": DEFAULT_MODEL, "messages": list(messages), **fields, "stream": False}


def previewed(done: subprocess.CompletedProcess[bytes]) -> Any:
    """The body that --dry-run printed, on one line."""
    assert (done.returncode, done.stderr) == (0, b""), done
    assert done.stdout.endswith(b"}\n")
    assert done.stdout.count(b"\n") == 1
    return json.loads(done.stdout)


# compose(): flags, files and stdin to a request


class Composing(NamedTuple):
    options: ChatOptions
    body: dict[str, Any]
    turn: list[dict[str, Any]]
    stdin: bytes = b""
    stream: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    schema: Any = None
    config: dict[str, str] = {}  # noqa: RUF012


FILES = {
    "a.txt": "alpha\n",
    "b.txt": "beta",
    'q"&.txt': "quoted\n",
    "empty.txt": "",
    "system.txt": "Be brief.\n",
    "tools.json": TOOLS,
    "turns.json": "\ufeff" + TURNS,
    "thread.json": TURNS,
    "new.json": "",
    "schema.json": '{"title": "A reply!", "type": "object", "maximum": 1.10}',
    "request.json": '{"stream": true, "z": 1.10, "model": "own/model", "messages": [{"role": '
    '"user", "content": "from file"}], "n": -0}',
    "no-messages.json": '{"top_p": 0.5}',
}
HI = user("hi")
SYSTEM, OTHER = {"role": "system", "content": "Be kind."}, user("1.0")
BRIEF = {"role": "system", "content": "Be brief."}
MODEL = {"model": DEFAULT_MODEL}
ATTACHED = user(
    'hi\n\n<file name="a.txt">\nalpha\n</file>\n\n<file name="b.txt">\nbeta\n</file>\n\n'
    '<file name="q&quot;&amp;.txt">\nquoted\n</file>'
)
URL = "https://ex.org/a.png"
PICTURE = {"type": "image_url", "image_url": {"url": URL}}
PICTURED = user([{"type": "text", "text": "hi"}, PICTURE, PICTURE])
BARE = user([PICTURE])
SCHEMA = {"title": "A reply!", "type": "object", "maximum": Number("1.10")}
OPTIONS = ChatOptions(prompt=["hi"])

COMPOSING: dict[str, Composing] = {
    "prompt": Composing(OPTIONS, {**MODEL, "messages": [HI]}, [HI]),
    "words": Composing(
        ChatOptions(prompt=["What", "is", "love?"]),
        {**MODEL, "messages": [user("What is love?")]},
        [user("What is love?")],
    ),
    "stream-asks-for-usage": Composing(
        OPTIONS,
        {**MODEL, "messages": [HI], "stream_options": {"include_usage": True}},
        [HI],
        stream=True,
    ),
    "own-stream-options": Composing(
        OPTIONS._replace(param=['stream_options={"include_usage":false}']),
        {**MODEL, "messages": [HI], "stream_options": {"include_usage": False}},
        [HI],
        stream=True,
    ),
    "model": Composing(OPTIONS._replace(model="a/b"), {"model": "a/b", "messages": [HI]}, [HI]),
    "config-file": Composing(
        OPTIONS,
        {"model": "c/d", "messages": [HI]},
        [HI],
        headers=(("HTTP-Referer", "https://ex.org"), ("X-Title", "t")),
        config={"model": "c/d", "referer": "https://ex.org", "title": " t "},
    ),
    "numbers": Composing(
        OPTIONS._replace(temperature=0.0, max_tokens=7),
        {**MODEL, "messages": [HI], "temperature": 0.0, "max_tokens": 7},
        [HI],
    ),
    "files": Composing(
        OPTIONS._replace(file=["a.txt", "b.txt", 'q"&.txt']),
        {**MODEL, "messages": [ATTACHED]},
        [ATTACHED],
    ),
    "file-and-stdin": Composing(
        ChatOptions(file=["a.txt"]),
        {**MODEL, "messages": [user('<file name="a.txt">\nalpha\n</file>\n\n in \n')]},
        [user('<file name="a.txt">\nalpha\n</file>\n\n in \n')],
        stdin=b" in \n",
    ),
    "system": Composing(
        OPTIONS._replace(system="Be brief."),
        {**MODEL, "messages": [BRIEF, HI]},
        [BRIEF, HI],
    ),
    "system-twice": Composing(
        OPTIONS._replace(system="Hello.", system_file="system.txt"),
        {**MODEL, "messages": [{"role": "system", "content": "Hello.\n\nBe brief.\n"}, HI]},
        [{"role": "system", "content": "Hello.\n\nBe brief.\n"}, HI],
    ),
    "messages": Composing(
        OPTIONS._replace(messages="turns.json"), {**MODEL, "messages": [SYSTEM, OTHER, HI]}, [HI]
    ),
    "messages-alone": Composing(
        ChatOptions(messages="turns.json"), {**MODEL, "messages": [SYSTEM, OTHER]}, []
    ),
    "system-wins-over-messages": Composing(
        OPTIONS._replace(messages="turns.json", system="Be brief."),
        {**MODEL, "messages": [BRIEF, OTHER, HI]},
        [BRIEF, HI],
    ),
    "thread": Composing(
        OPTIONS._replace(thread="thread.json"), {**MODEL, "messages": [SYSTEM, OTHER, HI]}, [HI]
    ),
    "system-in-a-thread-is-for-this-turn": Composing(
        OPTIONS._replace(thread="thread.json", system="Be brief."),
        {**MODEL, "messages": [BRIEF, OTHER, HI]},
        [HI],
    ),
    "empty-thread-takes-the-system-message": Composing(
        OPTIONS._replace(thread="new.json", system="Be brief."),
        {**MODEL, "messages": [BRIEF, HI]},
        [BRIEF, HI],
    ),
    "messages-then-thread": Composing(
        OPTIONS._replace(messages="turns.json", thread="missing.json"),
        {**MODEL, "messages": [SYSTEM, OTHER, HI]},
        [HI],
    ),
    "request": Composing(
        ChatOptions(request="request.json"),
        {
            "z": Number("1.10"),
            "model": "own/model",
            "messages": [user("from file")],
            "n": Number("-0"),
        },
        [],
        stream=True,
    ),
    "flags-win-over-the-request": Composing(
        ChatOptions(request="request.json", prompt=["hi"], model="a/b", param=["z=2"]),
        {
            "z": 2,
            "model": "a/b",
            "messages": [user("from file"), HI],
            "n": Number("-0"),
        },
        [HI],
    ),
    "request-from-stdin": Composing(
        ChatOptions(request="-"),
        {"messages": [user("x")], **MODEL},
        [],
        stdin=b'{"messages": [{"role": "user", "content": "x"}]}',
    ),
    "request-without-messages": Composing(
        OPTIONS._replace(request="no-messages.json", temperature=1.0),
        {"top_p": 0.5, **MODEL, "messages": [HI], "temperature": 1.0},
        [HI],
    ),
    "tools": Composing(
        OPTIONS._replace(tools="tools.json"),
        {
            **MODEL,
            "messages": [HI],
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "parameters": {"maximum": Number("1.10")}},
                }
            ],
        },
        [HI],
    ),
    "schema": Composing(
        OPTIONS._replace(schema="schema.json"),
        {
            **MODEL,
            "messages": [HI],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "A_reply_", "schema": SCHEMA},
            },
        },
        [HI],
        schema=SCHEMA,
    ),
    "image-url": Composing(
        OPTIONS._replace(image=[URL, URL]), {**MODEL, "messages": [PICTURED]}, [PICTURED]
    ),
    "image-alone": Composing(ChatOptions(image=[URL]), {**MODEL, "messages": [BARE]}, [BARE]),
}

PARAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "number": ("top_p=0.9", {"top_p": 0.9}),
    "spelling": ("x=1.10", {"x": Number("1.10")}),
    "exponent": ("x=1e5", {"x": Number("1e5")}),
    "true": ("x=true", {"x": True}),
    "null": ("x=null", {"x": None}),
    "array": ('stop=["a", "b"]', {"stop": ["a", "b"]}),
    "object": ('x={"a": {"b": [1]}}', {"x": {"a": {"b": [1]}}}),
    "string": ("user=me and you", {"user": "me and you"}),
    "quoted-number": ('x="7"', {"x": "7"}),
    "not-quite-json": ("x={oops", {"x": "{oops"}),
    "nan-is-no-json": ("x=NaN", {"x": "NaN"}),
    "empty": ("x=", {"x": ""}),
    "equals-in-the-value": ("x=a=b", {"x": "a=b"}),
    "space-around-the-name": (" x =1", {"x": 1}),
    "wins-over-its-flag": ("temperature=0.25", {"temperature": 0.25}),
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the files of the tables."""
    directory = tmp_path / "work"
    directory.mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    monkeypatch.chdir(directory)
    return directory


def settings(options: ChatOptions, config: dict[str, str] | None = None) -> Settings:
    return resolve(NetworkOptions(), {}, config or {}, "config.toml", model=options.model)


@pytest.mark.parametrize("name", COMPOSING)
@pytest.mark.usefixtures("files")
def test_compose(name: str) -> None:
    case = COMPOSING[name]
    options = settings(case.options, case.config)
    composed = compose(case.options, options, case.stdin, stream=case.stream)
    assert composed == Composed(ChatRequest(case.body, case.headers), case.turn, case.schema)
    assert list(composed.request.body) == list(case.body)


@pytest.mark.parametrize("name", PARAMS)
def test_param(name: str) -> None:
    text, fields = PARAMS[name]
    options = OPTIONS._replace(param=[text], temperature=1.0)
    composed = compose(options, settings(options), b"", stream=False)
    assert composed.request.body == {**MODEL, "messages": [HI], "temperature": 1.0} | fields


REFUSED: dict[str, tuple[ChatOptions, type[ClinecliError], str]] = {
    "param-without-value": (OPTIONS._replace(param=["x"]), UsageError, "KEY=VALUE"),
    "param-without-name": (OPTIONS._replace(param=["=1"]), UsageError, "KEY=VALUE"),
    "param-stream": (OPTIONS._replace(param=["stream=true"]), UsageError, "'stream'"),
    "param-messages": (OPTIONS._replace(param=["messages=[]"]), UsageError, "'messages'"),
    "param-nested-too-deeply": (
        OPTIONS._replace(param=["x=" + "[" * 900 + "]" * 900]),
        UsageError,
        "cannot be sent",
    ),
    "missing-file": (OPTIONS._replace(file=["missing"]), UsageError, "cannot read missing: No"),
    "directory": (OPTIONS._replace(file=["."]), UsageError, "cannot read .: Is a directory"),
    "tools-that-are-no-array": (
        OPTIONS._replace(tools="request.json"),
        UsageError,
        "request.json must be an array",
    ),
    "tools-that-are-no-json": (
        OPTIONS._replace(tools="a.txt"),
        UsageError,
        "a.txt is not JSON: Expecting value: line 1 column 1",
    ),
    "messages-that-are-no-array": (
        OPTIONS._replace(messages="request.json"),
        UsageError,
        "request.json is not a JSON array of messages",
    ),
    "messages-that-are-empty": (
        OPTIONS._replace(messages="empty.txt"),
        UsageError,
        "empty.txt is not JSON",
    ),
    "thread-that-is-no-array": (
        OPTIONS._replace(thread="request.json"),
        UsageError,
        "request.json is not a JSON array of messages",
    ),
    "request-that-is-no-object": (
        ChatOptions(request="turns.json"),
        UsageError,
        "turns.json is not a JSON object",
    ),
    "request-that-is-empty": (
        ChatOptions(request="empty.txt"),
        EmptyMessageError,
        "empty.txt holds no request",
    ),
    "request-without-a-message": (
        ChatOptions(request="no-messages.json"),
        EmptyMessageError,
        "no user message",
    ),
    "thread-without-a-new-message": (
        ChatOptions(thread="thread.json"),
        EmptyMessageError,
        "no new message",
    ),
    "blank-prompt": (
        ChatOptions(system="x", prompt=["\u3000"]),
        EmptyMessageError,
        "no user message",
    ),
    "title-of-two-lines": (OPTIONS, UsageError, "X-Title has control characters"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.usefixtures("files")
def test_compose_refuses(name: str) -> None:
    options, kind, message = REFUSED[name]
    config = {"title": "a\nb"} if name.startswith("title") else None
    with pytest.raises(kind) as caught:
        compose(options, settings(options, config), b"", stream=False)
    assert message in caught.value.message
    assert caught.value.hint
    assert type(caught.value) is kind


# Images


PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
IMAGES: dict[str, tuple[str, bytes, str]] = {
    "png": ("a.png", PNG, "image/png"),
    "jpeg-called-png": ("a.png", b"\xff\xd8\xff\xe0" + bytes(8), "image/jpeg"),
    "gif-called-txt": ("a.txt", b"GIF89a" + bytes(8), "image/gif"),
    "old-gif": ("a.gif", b"GIF87a" + bytes(8), "image/gif"),
    "webp-without-a-suffix": ("a", b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_content_decides_the_type_of_an_image(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path, data, media_type = IMAGES[name]
    Path(path).write_bytes(data)
    options = OPTIONS._replace(image=[path])
    (message,) = compose(options, settings(options), b"", stream=False).turn
    url = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    assert message == user(
        [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": url}}]
    )


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
    assert message == "a.png is 21.0 MiB: images may have 20 MiB"
    assert "scale it down" in hint


def test_missing_image(env: dict[str, str], tmp_path: Path) -> None:
    done = run(["ask", "--dry-run", "hi", "-i", "no.png"], env, cwd=tmp_path)
    assert failure(done, 2)[0] == "cannot read no.png: No such file or directory"


# stdin


class Stdin(NamedTuple):
    arguments: tuple[str, ...]
    stdin: bytes
    content: str


STDIN: dict[str, Stdin] = {
    "after-the-prompt": Stdin(("Why?",), b"log\n", "Why?\n\nlog\n"),
    "byte-for-byte": Stdin(("Why?",), b"\n  a\t\r\n\r\n b", "Why?\n\n\n  a\t\r\n\r\n b"),
    "alone": Stdin((), b" alone\n", " alone\n"),
    "dash": Stdin(("-",), b"dash\n", "dash\n"),
    "dash-among-words-is-a-word": Stdin(("a", "-", "b"), b"", "a - b"),
    "empty-prompt": Stdin(("",), b"alone\n", "alone\n"),
    "empty": Stdin(("Why?",), b"", "Why?"),
    "white-space": Stdin(("Why?",), b" \n", "Why?\n\n \n"),
    "ignored": Stdin(("Why?", "--no-stdin"), b"\xff", "Why?"),
    "dash-outranks-no-stdin": Stdin(("-", "--no-stdin"), b"dash", "dash"),
    "control-characters": Stdin(
        ("Why?",), b"a\x00\x01\x1b[31m\x7f", "Why?\n\na\x00\x01\x1b[31m\x7f"
    ),
    "bom": Stdin((), b"\xef\xbb\xbfx", "\ufeffx"),
    "wide": Stdin(("Wie heißt 😀?",), "größer\n".encode(), "Wie heißt 😀?\n\ngrößer\n"),
    "words-that-look-like-flags": Stdin(("--", "-m", "--json"), b"", "-m --json"),
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


@pytest.mark.parametrize("command", COMMANDS)
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
    "prompt": ((b"caf\xe9",), "the prompt"),
    "system": ((b"hi", b"-s", b"caf\xe9"), "--system"),
    "model": ((b"hi", b"-m", b"caf\xe9"), "--model"),
    "param": ((b"hi", b"-p", b"x=caf\xe9"), "--param"),
    "title": ((b"hi", b"--title", b"caf\xe9"), "X-Title"),
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


@pytest.mark.parametrize("command", COMMANDS)
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
@pytest.mark.parametrize("command", COMMANDS)
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
@pytest.mark.parametrize("command", COMMANDS)
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


@pytest.mark.parametrize("command", COMMANDS)
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


@pytest.mark.parametrize("command", COMMANDS)
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
    assert elsewhere.requests == []
    assert len(server.requests) == 1
    message, hint = failure(done, 11)
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
