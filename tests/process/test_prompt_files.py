"""Prompt files on the command line: where values come from, programs, headers, and stdin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers.env import KEY
from tests.helpers.process import BOTH_COMMANDS, failure, no_traceback, run
from tests.helpers.replies import ANSWER, completion, response
from tests.helpers.servers import RawServer

GREET = """\
#!/usr/bin/env -S clinecli ask -P
model: openai/gpt-4o
modelParameters: {maxTokens: 300, temperature: 0.70}
messages:
  - role: system
    content: Be {{tone}}
  - role: user
    content: |
      Hi {{name}}: {{input}}
"""
SCHEMA = '{"name": "n", "strict": true, "schema": {"type": "object", "required": ["a"]}}'
FILES = {
    "greet.prompt.yml": GREET,
    "hi.txt": "Hi {{name}}\n",
    "vars.yml": "tone: kind\nname: from vars\nn: 1.10\n",
    "vars.json": '{"tone": "kind", "name": {"a": [1.10]}}',
    "name.txt": "Bo\n",
    "typed.prompt.yml": f"messages: [{{role: user, content: x}}]\nresponseFormat: json_schema\n"
    f"jsonSchema: '{SCHEMA}'\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


class Filled(NamedTuple):
    arguments: tuple[str, ...]
    messages: list[dict[str, str]]
    stdin: bytes | None = None


KIND = {"role": "system", "content": "Be kind"}
GREETING = ("-P", "greet.prompt.yml")
FILLED: dict[str, Filled] = {
    "vars-and-prompt": Filled(
        (*GREETING, "--vars", "vars.yml", "how", "are", "you?"),
        [KIND, user("Hi from vars: how are you?\n")],
    ),
    "flags-count-more-than-vars": Filled(
        (*GREETING, "--vars", "vars.yml", "-V", "name=Al", "x"), [KIND, user("Hi Al: x\n")]
    ),
    "file-byte-for-byte": Filled(
        (*GREETING, "--vars", "vars.yml", "--var-file", "name=name.txt", "x"),
        [KIND, user("Hi Bo\n: x\n")],
    ),
    "json": Filled((*GREETING, "--vars", "vars.json", "x"), [KIND, user('Hi {"a":[1.10]}: x\n')]),
    "stdin-as-variable": Filled(
        (*GREETING, "-V", "tone=kind", "--var-file", "name=-", "x"),
        [KIND, user("Hi {{tone}}: x\n")],
        b"{{tone}}",
    ),
    "stdin-as-vars": Filled(
        (*GREETING, "--vars", "-", "x"), [KIND, user("Hi é: x\n")], "tone: kind\nname: é".encode()
    ),
    "stdin-as-input": Filled(
        (*GREETING, "--vars", "vars.yml"), [KIND, user("Hi from vars: in\n\n")], b"in\n"
    ),
    "stdin-as-file": Filled(
        ("-P", "-", "--vars", "vars.yml"),
        [KIND, user("Hi from vars: x\n")],
        GREET.replace("{{input}}", "x").encode(),
    ),
    "stdin-as-text": Filled(("-P", "-", "-V", "a=1"), [user("plain 1\n")], b"plain {{a}}\n"),
    "text": Filled(("-P", "hi.txt", "-V", "name=Bo", "?"), [user("Hi Bo\n"), user("?")]),
    "empty-value": Filled(("-P", "hi.txt", "-V", "name="), [user("Hi \n")]),
}


@BOTH_COMMANDS
@pytest.mark.parametrize("case", FILLED.values(), ids=FILLED)
def test_messages(case: Filled, command: str, folder: Path, env: dict[str, str]) -> None:
    done = run([command, "--dry-run", *case.arguments], env, stdin=case.stdin)
    no_traceback(done)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["messages"] == case.messages


def test_body_as_it_is_sent(folder: Path, env: dict[str, str]) -> None:
    """Parameters keep their spelling, and the cap has the name that the model takes."""
    arguments = [*GREETING, "--vars", "vars.yml", "-m", "openai/o3-mini", "--effort", "low", "x"]
    done = run(["ask", "--dry-run", *arguments], env)
    assert done.stdout.decode() == (
        '{"model":"openai/o3-mini","messages":[{"role":"system","content":"Be kind"},'
        '{"role":"user","content":"Hi from vars: x\\n"}],"temperature":0.70,'
        '"max_completion_tokens":300,"reasoning":{"effort":"low"},"stream":false}\n'
    )


def test_model_of_the_environment_counts_less(folder: Path, env: dict[str, str]) -> None:
    done = run(
        ["ask", "--dry-run", *GREETING, "--vars", "vars.yml", "x"], env | {"CLINE_MODEL": "e/m"}
    )
    assert json.loads(done.stdout)["model"] == "openai/gpt-4o"


def test_prompt_file_as_a_program(folder: Path, env: dict[str, str], tmp_path: Path) -> None:
    program = folder / "greet"
    program.write_text(GREET)
    program.chmod(0o755)
    # As an installed clinecli would stand there.
    shim = tmp_path / "bin" / "clinecli"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m clinecli "$@"\n')
    shim.chmod(0o755)
    path = {"PATH": f"{shim.parent}:{os.environ['PATH']}"}
    with RawServer(ANSWER["ask"]) as server:
        done = subprocess.run(
            ["./greet", "-V", "tone=kind", "-V", "name=Bo", "hello"],
            env=env | path | {"CLINE_API_BASE_URL": server.url},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Paris.\n", b"")
    assert server.bodies[0]["messages"] == [KIND, user("Hi Bo: hello\n")]


@BOTH_COMMANDS
def test_reply_is_validated_by_the_schema_of_the_file(
    command: str, folder: Path, env: dict[str, str]
) -> None:
    with RawServer(ANSWER[command]) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "-P", "typed.prompt.yml"], env)
    assert done.returncode == 11
    assert b"the reply is not JSON" in done.stderr
    (sent,) = server.bodies
    assert sent["response_format"] == {"type": "json_schema", "json_schema": json.loads(SCHEMA)}


MISTAKES: dict[str, tuple[tuple[str, ...], int, str, str]] = {
    "no-value": (
        (*GREETING, "x"),
        2,
        "greet.prompt.yml:6:17: the variable 'tone' has no value",
        "--var tone=VALUE",
    ),
    "no-input": (
        (*GREETING, "--vars", "vars.yml"),
        2,
        "greet.prompt.yml:9:20: the variable 'input' has no value",
        "PROMPT and stdin fill it",
    ),
    "no-file": (("-P", "gone.yml"), 2, "cannot read gone.yml", "check the path"),
    "no-prompt-file": (("-V", "a=1", "hi"), 2, "no prompt file", "-P FILE"),
    "no-pair": (("-P", "hi.txt", "-V", "name"), 2, "--var takes NAME=VALUE, not 'name'", "spaces"),
    "twice": (
        ("-P", "hi.txt", "-V", "name=1", "--var-file", "name=name.txt"),
        2,
        "the variable 'name' is given twice",
        "keep one",
    ),
    "stdin-twice": (
        ("-P", "-", "--vars", "-"),
        2,
        "stdin is asked for more than once: --prompt-file and --vars",
        "into a file",
    ),
    "with-a-request": (
        ("-P", "hi.txt", "--request", "vars.json", "-V", "name=1"),
        2,
        "--request and --prompt-file exclude each other",
        "leave one",
    ),
    "no-effort": (("hi", "--effort", "huge"), 2, "--effort", "xhigh"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(name: str, folder: Path, env: dict[str, str]) -> None:
    arguments, status, message, hint = MISTAKES[name]
    with RawServer(ANSWER["ask"]) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", *arguments], env)
    told, advice = failure(done, status)
    assert message in told
    assert hint in advice
    assert server.requests == []


def test_blank_prompt_file_is_no_message(folder: Path, env: dict[str, str]) -> None:
    (folder / "blank.md").write_text("#!/usr/bin/env -S clinecli ask -P\n \n")
    message, _ = failure(run(["ask", "-P", "blank.md"], env), 6)
    assert "no user message" in message


def test_yaml_is_imported_for_prompt_files_alone(folder: Path, env: dict[str, str]) -> None:
    def modules(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "clinecli", "ask", "--dry-run", *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=60,
        )
        return done.stderr.decode()

    assert " yaml\n" not in modules("hi")
    assert " yaml\n" in modules("-P", "typed.prompt.yml")


# Headers


@BOTH_COMMANDS
def test_headers(command: str, folder: Path, env: dict[str, str]) -> None:
    """Values of files are secrets: they are sent, and shown nowhere."""
    (folder / "secret.txt").write_text("s3cr3t-s3cr3t\n")
    (folder / "more.txt").write_text("X-One: 0ne-0ne-0ne\n\nX-Two: two\n")
    with RawServer(ANSWER[command]) as server:
        env["CLINE_API_BASE_URL"] = server.url
        arguments = ["-H", "X-Team:  docs ", "--header", "X-Api-Key: @secret.txt"]
        arguments += ["-H", "@more.txt", "-H", "x-two: 2", "--title", "T", "-H", "X-Title: own"]
        done = run([command, "-v", "hi", *arguments], env)
        curl = run([command, "--curl", "hi", *arguments], env)
        echo = run([command, "hi", "-H", "X-Api-Key: @secret.txt"], env)
    assert (done.returncode, done.stdout) == (0, b"Paris.\n"), done.stderr
    names = (b"X-Team", b"X-Api-Key", b"X-One", b"x-two", b"X-Title")
    lines = [line for line in server.requests[0][0].split(b"\r\n") if line.startswith(names)]
    assert lines == [
        b"X-Team: docs",
        b"X-Api-Key: s3cr3t-s3cr3t",
        b"X-One: 0ne-0ne-0ne",
        b"x-two: 2",
        b"X-Title: own",
    ]
    assert echo.returncode == 0
    for secret in (b"s3cr3t", b"0ne-0ne", KEY.encode()):
        assert secret not in done.stderr + curl.stdout + curl.stderr


def test_secret_header_that_a_server_quotes(folder: Path, env: dict[str, str]) -> None:
    (folder / "secret.txt").write_text("s3cr3t-s3cr3t")
    error = b'{"error": {"code": 400, "message": "bad X-Api-Key s3cr3t-s3cr3t"}}'
    with RawServer(response(error, status="400 Bad Request")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "hi", "-H", "X-Api-Key: @secret.txt"], env)
    message, _ = failure(done, 9)
    assert "bad X-Api-Key [key]" in message


def test_curl_takes_a_secret_header_from_its_file(folder: Path, env: dict[str, str]) -> None:
    (folder / "it's secret").write_text("s3cr3t-s3cr3t\n")
    (folder / "more.txt").write_text("X-One: 1\nX-Two: 2\n")
    with RawServer(response(completion("ok"))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        headers = ["-H", "X-Api-Key: @it's secret", "-H", "@more.txt"]
        command = run(["ask", "--curl", "hi", *headers], env).stdout
        subprocess.run(["sh", "-c", command], env=env, capture_output=True, check=True, timeout=60)
    lines = server.requests[0][0].split(b"\r\n")
    for line in (b"X-Api-Key: s3cr3t-s3cr3t", b"X-One: 1", b"X-Two: 2"):
        assert lines.count(line) == 1


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("Authorization: Bearer x", "--header cannot set Authorization"),
        ("host: x", "--header cannot set host"),
        ("no colon", "--header is not NAME: VALUE"),
        ("na me: x", "the header name 'na me' is not one"),
        ("X-Empty:", "the header X-Empty is empty"),
        ("X-Two: a\nb: c", "X-Two has control characters"),
        ("X-File: @gone", "cannot read gone"),
        ("@lines", "a line of lines is not NAME: VALUE"),
    ],
    ids=["key", "host", "no-colon", "name", "empty", "injection", "no-file", "lines"],
)
def test_wrong_header(header: str, message: str, folder: Path, env: dict[str, str]) -> None:
    (folder / "lines").write_text("X-Ok: 1\ns3cr3t\n")
    told, _ = failure(run(["ask", "hi", "-H", header], env), 2)
    assert message in told
    assert "s3cr3t" not in told
