"""What `batch` reads: rows of every shape, and what is wrong with them, told by line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.batch import CountingServer, Said, always, by_id, kind_of, read_lines
from tests.helpers.process import CLI, PATIENCE, failure, no_traceback, run, started

USER = {"role": "user", "content": "hi"}
BOM = b"\xef\xbb\xbf"


def asked(
    data: bytes, arguments: list[str], env: dict[str, str], tmp_path: Path
) -> list[dict[str, Any]]:
    """The requests that an input makes, in its order, `stream` apart."""
    (tmp_path / "rows.jsonl").write_bytes(data)
    (tmp_path / "p.prompt.yml").write_text(PROMPT_FILE)
    (tmp_path / "s.prompt.yml").write_text("messages: [{role: system, content: Be brief.}]")
    done = run(["batch", "rows.jsonl", "--dry-run", *arguments], env, cwd=tmp_path)
    no_traceback(done)
    assert done.returncode == 0, done.stderr.decode()
    bodies = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(body.pop("stream") is False for body in bodies)
    return bodies


MODEL = "anthropic/claude-sonnet-4-6"
PROMPT_FILE = """
model: openai/gpt-4o
modelParameters: {temperature: 0.2, maxTokens: 100}
messages:
  - {role: system, content: "You translate, {{tone}}."}
  - {role: user, content: "From {{lang}}: {{text}}"}
"""
# input, flags -> the bodies
SHAPES: dict[str, tuple[bytes, list[str], list[dict[str, Any]]]] = {
    "batch-api": (
        b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions",'
        b'"body":{"model":"x/y","messages":[{"role":"user","content":"hi"}]}}\n'
        b'{"custom_id":"b","url":"/chat/completions",'
        b'"body":{"messages":[{"role":"user","content":"hi"}],"top_p":0.9}}\n',
        [],
        [
            {"model": "x/y", "messages": [USER]},
            {"model": MODEL, "messages": [USER], "top_p": 0.9},
        ],
    ),
    "messages": (
        b'{"id":7,"messages":[{"role":"user","content":"hi"}],"seed":5}',
        ["-t", "0.5"],
        [{"model": MODEL, "temperature": 0.5, "messages": [USER], "seed": 5}],
    ),
    "prompt": (
        b'{"prompt":"hi","temperature":1}',
        ["-t", "0.5", "-s", "Be brief."],
        [
            {
                "model": MODEL,
                "temperature": 1,
                "messages": [{"role": "system", "content": "Be brief."}, USER],
            }
        ],
    ),
    "a-system-message-of-its-own": (
        b'{"messages":[{"role":"system","content":"Own."},{"role":"user","content":"hi"}]}',
        ["-s", "Be brief."],
        [{"model": MODEL, "messages": [{"role": "system", "content": "Own."}, USER]}],
    ),
    "strings": (
        b'"hi"\n\n  \n"hi"',
        ["-m", "x/y"],
        [{"model": "x/y", "messages": [USER]}, {"model": "x/y", "messages": [USER]}],
    ),
    "one-cap-by-two-names": (
        b'{"prompt":"hi","max_completion_tokens":9}',
        ["--max-tokens", "5"],
        [{"model": MODEL, "messages": [USER], "max_completion_tokens": 9}],
    ),
    "bom-and-crlf": (
        BOM + b'{"prompt":"hi"}\r\n"hi"\r\n',
        [],
        [{"model": MODEL, "messages": [USER]}] * 2,
    ),
    "lines": (
        BOM + 'hi\r\n{"a"\n  é \nlast'.encode(),
        ["--lines"],
        [
            {"model": MODEL, "messages": [{"role": "user", "content": text}]}
            for text in ("hi", '{"a"', "  é ", "last")
        ],
    ),
    "csv": (
        BOM + b'id,prompt,temperature,seed\r\n1,"a ""quoted"", b",0.5,\r\n2,"two\nlines",,7\r\n',
        ["--csv"],
        [
            {
                "model": MODEL,
                "messages": [{"role": "user", "content": 'a "quoted", b'}],
                "temperature": 0.5,
            },
            {
                "model": MODEL,
                "messages": [{"role": "user", "content": "two\nlines"}],
                "seed": 7,
            },
        ],
    ),
    "template-of-csv": (
        b"lang,text\nde,hallo {{lang}}\n",
        ["--csv", "--template", "From {{lang}}: {{text}}", "-s", "Translate."],
        [
            {
                "model": MODEL,
                "messages": [
                    {"role": "system", "content": "Translate."},
                    {"role": "user", "content": "From de: hallo {{lang}}"},
                ],
            }
        ],
    ),
    "template-of-objects": (
        b'{"id":"a","n":1.50,"tags":["x","y"],"none":null,"prompt":"not sent"}',
        ["--template", "{{n}} {{tags}} {{none}}."],
        [{"model": MODEL, "messages": [{"role": "user", "content": '1.50 ["x","y"] .'}]}],
    ),
    "prompt-file": (
        b'{"id":"a","lang":"de","text":"hallo"}\n{"lang":"fr","text":"salut"}\n',
        ["-P", "p.prompt.yml", "-V", "tone=kind", "--max-tokens", "9"],
        [
            {
                "model": "openai/gpt-4o",
                "temperature": 0.2,
                "max_tokens": 9,
                "messages": [
                    {"role": "system", "content": "You translate, kind."},
                    {"role": "user", "content": f"From {lang}: {text}"},
                ],
            }
            for lang, text in (("de", "hallo"), ("fr", "salut"))
        ],
    ),
    "prompt-file-with-a-system-message-of-ours": (
        b'{"lang":"de","text":"hallo","tone":"rude"}',
        ["-P", "p.prompt.yml", "-V", "tone=kind", "-s", "Own.", "-m", "x/y"],
        [
            {
                "model": "x/y",
                "temperature": 0.2,
                "max_tokens": 100,
                "messages": [
                    {"role": "system", "content": "Own."},
                    {"role": "user", "content": "From de: hallo"},
                ],
            }
        ],
    ),
    "prompt-file-before-a-text": (
        b'{"prompt":"one","lang":"de"}\n"two"\n',
        ["-P", "s.prompt.yml"],
        [
            {
                "model": MODEL,
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": text},
                ],
            }
            for text in ("one", "two")
        ],
    ),
    "a-cap-by-the-name-that-the-model-takes": (
        b'{"prompt":"hi","model":"openai/o3"}\n{"prompt":"hi","model":"x/y"}\n',
        ["--max-tokens", "5", "--effort", "low"],
        [
            {
                "model": "openai/o3",
                "reasoning": {"effort": "low"},
                "max_completion_tokens": 5,
                "messages": [USER],
            },
            {
                "model": "x/y",
                "reasoning": {"effort": "low"},
                "max_tokens": 5,
                "messages": [USER],
            },
        ],
    ),
    "template-of-lines": (
        b"one\ntwo\n",
        ["--lines", "--template", "Say {{input}}"],
        [
            {"model": MODEL, "messages": [{"role": "user", "content": f"Say {text}"}]}
            for text in ("one", "two")
        ],
    ),
}


@pytest.mark.parametrize(("data", "arguments", "bodies"), SHAPES.values(), ids=SHAPES)
def test_shapes(
    data: bytes,
    arguments: list[str],
    bodies: list[dict[str, Any]],
    env: dict[str, str],
    tmp_path: Path,
) -> None:
    assert asked(data, arguments, env, tmp_path) == bodies


def test_numbers_are_sent_as_they_are_spelled(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "rows"
    rows = ['"seed":12345678901234567890123,"top_p":0.90', '"x":1e5,"y":-0', '"t":{"u":[1.0,2.50]}']
    path.write_text("".join(f'{{"prompt":"hi",{row}}}\n' for row in rows))
    done = run(["batch", str(path), "--dry-run", "-m", "x/y"], env)
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 3
    for row, line in zip(rows, lines, strict=True):
        assert row in line


# input, flags -> exit status, what the message says
FAULTS: dict[str, tuple[bytes, list[str], int, str]] = {
    "no-json": (b'"a"\n{"prompt": "b",}\n', [], 2, "line 2: it is not JSON: "),
    "cut": (b'"a"\n\n{"prompt": "b"', [], 2, "line 3: it is not JSON: "),
    "number": (b"5\n", [], 2, "line 1: it is neither a JSON object nor a string"),
    "array": (b'[{"prompt":"a"}]\n', [], 2, "line 1: it is neither"),
    "unknown-keys": (b'{"text":"a"}', [], 2, "line 1: it is no request: its keys are text"),
    "two-kinds": (b'{"prompt":"a","messages":[]}', [], 2, 'it has "prompt" and "messages"'),
    "prompt-is-a-list": (b'{"prompt":["a"]}', [], 2, 'its "prompt" is no text'),
    "messages-are-text": (b'{"messages":"a"}', [], 2, "no array of messages"),
    "messages-of-text": (b'{"messages":["a"]}', [], 2, "no array of objects"),
    "no-messages": (b'{"custom_id":"a","body":{}}', [], 2, "no array of messages"),
    "body-is-text": (b'{"custom_id":"a","url":"/v1/chat/completions","body":"x"}', [], 2, '"body"'),
    "another-endpoint": (
        b'{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{}}', [], 2,
        "its url is not /chat/completions: /v1/embeddings",
    ),
    "another-method": (
        b'{"custom_id":"a","method":"GET","url":"/v1/chat/completions","body":{}}', [], 2,
        "its method is not POST: GET",
    ),
    "keys-beside-the-body": (
        b'{"custom_id":"a","body":{"messages":[]},"top_p":1}', [], 2,
        'it has keys beside its "body": top_p',
    ),
    "model-is-a-number": (b'{"prompt":"a","model":5}', [], 2, 'its "model" is no text'),
    "id-is-a-list": (b'{"id":[],"prompt":"a"}', [], 2, "its id is neither text nor"),
    "empty-id": (b'{"id":"","prompt":"a"}', [], 2, "its id is neither text nor"),
    "repeated-id": (
        b'{"id":"x","prompt":"a"}\n"b"\n{"id":"x","prompt":"c"}\n', [], 2,
        "line 3: the id 'x' is there twice",
    ),
    "id-of-another-line": (
        b'"a"\n{"id":1,"prompt":"b"}\n', [], 2, "line 2: the id '1' is there twice"
    ),
    "empty-prompt": (b'"a"\n{"prompt":" "}\n', [], 6, "line 2: there is no user message"),
    "blank-line-of-text": (b"a\n\nb\n", ["--lines"], 6, "line 2: there is no user message"),
    "latin-1": (b'"a"\n"caf\xe9"\n', [], 2, "line 2: it is not UTF-8 text: byte 0xe9 at offset 4"),
    "latin-1-lines": (b"a\ncaf\xe9\n", ["--lines"], 2, "line 2: it is not UTF-8 text"),
    "utf-16": ("\ufeff\"a\"".encode("utf-16-le"), [], 2, "line 1: it is not UTF-8 text"),
    "lone-surrogate": (b'"\\ud83d"', [], 2, "line 1: it cannot be sent as JSON"),
    "lone-surrogate-in-the-id": (b'{"id":"\\ud83d","prompt":"a"}', [], 2, "no Unicode text"),
    "nested-too-deep": (b'{"prompt":"a","x":' + b"[" * 300 + b"]" * 300 + b"}", [], 2, "line 1: "),
    "csv-cells": (b"id,prompt\n1,a\n2,b,c\n", ["--csv"], 2, "line 3: it has 3 cells where the"),
    "csv-quote": (b'prompt\n"a\nb\n', ["--csv"], 2, "line 2: it is not CSV: unexpected end"),
    "csv-after-a-quote": (b'prompt\na\n"b"c\n', ["--csv"], 2, "line 3: it is not CSV"),
    "csv-columns": (b"prompt,prompt\na,b\n", ["--csv"], 2, "there are two columns 'prompt'"),
    "csv-without-prompt": (b"text\na\n", ["--csv"], 2, "line 2: there is no column 'prompt'"),
    "csv-latin-1": (b"prompt\na\ncaf\xe9\n", ["--csv"], 2, "line 3: it is not UTF-8"),
    "template-field": (
        b'{"a":"x"}\n', ["--template", "{{b}}"], 2,
        "line 1: the template's field 'b' is not there: the fields are a",
    ),
    "template-that-uses-nothing": (
        b'{"a":"x"}\n', ["--template", "{{b}}", "-P", "/dev/null"], 2,
        "--template and --prompt-file exclude each other",
    ),
    "template-of-values-alone": (
        b'{"a":"x"}\n', ["-P", "-"], 2, "stdin is for the rows"
    ),
    "template-without-field": (
        b'{"a":"x"}\n', ["--template", "b"], 2, "--template has no {{field}}"
    ),
    "nothing": (b"", [], 6, "has no rows"),
    "blank": (b" \n\n", [], 6, "has no rows"),
    "csv-header-alone": (b"prompt\n", ["--csv"], 6, "has no rows"),
    "two-forms": (b"a", ["--csv", "--lines"], 2, "--lines and --csv exclude each other"),
    "schema": (b'"a"', ["--schema", "/dev/null"], 2, "/dev/null is not JSON"),
}  # fmt: skip


@pytest.mark.parametrize("source", ["file", "pipe"])
@pytest.mark.parametrize("fault", FAULTS)
def test_faults(fault: str, source: str, env: dict[str, str], tmp_path: Path) -> None:
    data, arguments, status, message = FAULTS[fault]
    path = tmp_path / "rows"
    path.write_bytes(data)
    with CountingServer(always("answered")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        command = ["batch", "-q", *arguments, "--jobs", "1"]
        if source == "file":
            done = run([*command, str(path)], env)
            # Nothing is sent before the file is known to be right.
            assert not server.asked
        else:
            done = run(command, env, stdin=data)
    assert message in failure(done, status)[0]
    # What was done stays.
    assert len(done.stdout.splitlines()) == server.asked.total()


def test_skip_bad(env: dict[str, str], tmp_path: Path) -> None:
    path, output = tmp_path / "rows", tmp_path / "out"
    path.write_bytes(b'"a"\n{"id":"x","prompt":""}\n{{{\n{"id":"y","messages":[]}\n"b"\n')
    with CountingServer(always("answered")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", str(path), "-o", str(output), "--skip-bad"], env)
        lines = by_id(read_lines(output))
        assert {row_id: kind_of(line) for row_id, line in lines.items()} == {
            "1": None, "x": "empty-message", "3": "usage", "y": "usage", "5": None,
        }  # fmt: skip
        assert lines["3"]["response"] is None
        assert "line 3: it is not JSON" in lines["3"]["error"]["message"]
        assert done.returncode == 2
        assert server.asked == {"a": 1, "b": 1}
        # Corrected, only these are asked.
        path.write_bytes(b'"a"\n{"id":"x","prompt":"c"}\n"d"\n{"id":"y","prompt":"e"}\n"b"\n')
        assert run(["batch", str(path), "-o", str(output)], env).returncode == 0
    assert set(server.asked.values()) == {1}
    assert set(by_id(read_lines(output))) == {"1", "x", "3", "y", "5"}


@pytest.mark.parametrize("source", ["file", "pipe"])
def test_skip_bad_takes_one_of_an_id(source: str, env: dict[str, str], tmp_path: Path) -> None:
    path, output = tmp_path / "rows", tmp_path / "out"
    data = b'{"id":"x","prompt":"a"}\n{"id":"x","prompt":"b"}\n{"id":"y","prompt":"c"}\n'
    path.write_bytes(data)
    command = ["batch", "-o", str(output), "--skip-bad", "--ordered"]
    command += [str(path)] if source == "file" else []
    with CountingServer(always("answered")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        for flags in ([], [], ["--keep-failed"]):
            done = run([*command, *flags], env, stdin=None if source == "file" else data)
            assert done.returncode == 2, done.stderr.decode()
            lines = read_lines(output)
            # The number of its line tells it apart: an answer has its id alone.
            found = [(line["custom_id"], kind_of(line)) for line in lines]
            assert found == [("x", None), ("2", "usage"), ("y", None)]
            assert "line 2: the id 'x' is there twice" in lines[1]["error"]["message"]
        path.write_bytes(data.replace(b'"x","prompt":"b"', b'"z","prompt":"b"'))
        if source == "file":
            assert run([*command], env).returncode == 0
            assert server.asked == {"a": 1, "b": 1, "c": 1}
    assert set(server.asked) - {"b"} == {"a", "c"}
    assert set(server.asked.values()) == {1}


def test_an_id_that_is_repeated_later_is_told_as_that(env: dict[str, str], tmp_path: Path) -> None:
    path, output = tmp_path / "rows", tmp_path / "out"
    path.write_bytes(b'{"id":"x","prompt":"a"}\n')
    with CountingServer(always("answered")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        assert run(["batch", str(path), "-o", str(output)], env).returncode == 0
        path.write_bytes(b'{"id":"x","prompt":"a"}\n{"id":"x","prompt":"b"}\n')
        message, _ = failure(run(["batch", str(path), "-o", str(output)], env), 2)
    assert message == f"{path}, line 2: the id 'x' is there twice"


def test_a_pipe_is_asked_as_its_rows_come(env: dict[str, str]) -> None:
    with CountingServer(always("answered")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        with started([*CLI, "batch", "-q"], env, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for number in (1, 2):
                process.stdin.write(b'"row %d"\n' % number)
                process.stdin.flush()
                assert json.loads(process.stdout.readline())["custom_id"] == str(number)
            process.stdin.close()
            assert process.wait(PATIENCE) == 0
    assert server.asked == {"row 1": 1, "row 2": 1}


def test_stdin_that_is_a_file_is_checked_first(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(b'"a"\n{\n')
    with CountingServer(always("answered")) as server, path.open("rb") as file:
        env["CLINE_API_BASE_URL"] = server.url
        done = subprocess.run(
            [*CLI, "batch"], env=env, stdin=file, capture_output=True, check=False, timeout=PATIENCE
        )
        assert "stdin, line 2" in failure(done, 2)[0]
    assert not server.asked


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: data.rindex(b'{"id"')],
    "torn": lambda data: data[:-10],
    "emptied": lambda _: b"",
    "a-row-twice": lambda data: data.replace(b'"r39"', b'"r01"'),
    "other-prompts": lambda data: data.replace(b"ask", b"tsk"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_input_that_changes_while_it_is_asked(
    change: str, env: dict[str, str], tmp_path: Path
) -> None:
    # Longer by far than what is read at once.
    ids = [f"r{number:02}" for number in range(40)]
    path, output = tmp_path / "rows", tmp_path / "out"
    rows = [{"id": row_id, "prompt": f"ask {row_id} {'x' * 100_000}"} for row_id in ids]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = path.read_bytes()

    def say(prompt: str, before: int) -> Said:
        if prompt.startswith("ask r00"):
            path.write_bytes(CHANGES[change](data))
        return always("answered")(prompt, before)

    command = ["batch", str(path), "-o", str(output), "--jobs", "1", "-q"]
    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        message, hint = failure(run(command, env), 2)
        assert f"{path} was changed while it was asked: " in message
        assert "a file of its own" in hint
        # What was asked is what was checked; as it was, the input continues.
        assert by_id(read_lines(output)).keys() < set(ids)
        path.write_bytes(data)
        assert run(command, env).returncode == 0
    assert set(by_id(read_lines(output))) == set(ids)
    assert server.asked == {row["prompt"]: 1 for row in rows}


@pytest.mark.skipif(sys.platform != "linux", reason="a file that cannot be read is in /proc")
def test_an_input_that_cannot_be_read(env: dict[str, str]) -> None:
    # Its first byte is on no page: the read fails, not the opening.
    message, _ = failure(run(["batch", "/proc/self/mem"], env), 2)
    assert message == "cannot read /proc/self/mem: Input/output error"


def test_a_row_of_a_megabyte(env: dict[str, str], tmp_path: Path) -> None:
    path, output = tmp_path / "rows", tmp_path / "out"
    texts = [letter * 1_000_000 for letter in "abcdefgh"]
    path.write_text("".join(json.dumps(text) + "\n" for text in texts))
    with CountingServer(always("answered")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        assert run(["batch", str(path), "-o", str(output)], env).returncode == 0
        assert run(["batch", str(path), "-o", str(output)], env).returncode == 0
    assert sorted(server.asked) == texts
    assert set(server.asked.values()) == {1}


@pytest.mark.parametrize(
    "words", [["a", "b"], ["/no/such/file"], ["/"]], ids=["two", "none", "dir"]
)
def test_inputs_that_are_none(words: list[str], env: dict[str, str]) -> None:
    failure(run(["batch", *words], env), 2)


def test_without_a_key_nothing_is_touched(env: dict[str, str], tmp_path: Path) -> None:
    del env["CLINE_API_KEY"]
    path = tmp_path / "rows"
    path.write_text('"a"\n')
    message, _ = failure(run(["batch", str(path)], env), 3)
    assert "no API key" in message
    assert {path.name for path in tmp_path.iterdir()} == {"home", "rows"}
