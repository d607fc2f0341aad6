"""What `batch` writes, and how a second run goes on from there."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from tests.helpers.batch import (
    ANSWER,
    USAGE,
    WAYS,
    CountingServer,
    Said,
    always,
    by_id,
    kept,
    kind_of,
    read_lines,
    write_rows,
)
from tests.helpers.process import failure, no_traceback, run
from tests.helpers.replies import completion


def echo(prompt: str, _before: int) -> Said:
    return Said(kept(completion(f"re: {prompt}", usage=USAGE)))


def test_a_line_is_a_result_of_the_batch_api(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", ["a"])
    body = b'{"id": "gen_1",\n "choices":[{"index":0,"message":{"role":"assistant","content":'
    body += b'"f\\u00e9"},"finish_reason":"stop"}], "usage": {"cost":1.10}, "x": null}'
    with CountingServer(lambda *_: Said(kept(body))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows, "-q"], env)
    line = done.stdout
    assert line.count(b"\n") == 1
    parsed = json.loads(line)
    assert list(parsed) == ["id", "custom_id", "response", "error"]
    assert parsed["custom_id"] == "a"
    assert parsed["error"] is None
    assert list(parsed["response"]) == ["status_code", "request_id", "body"]
    assert parsed["response"]["status_code"] == 200
    assert parsed["response"]["request_id"] == "req-7"
    # The payload is the server's, on one line.
    assert (
        b'"body":{"id":"gen_1","choices":[{"index":0,"message":{"role":"assistant","content":'
        b'"f\\u00e9"},"finish_reason":"stop"}],"usage":{"cost":1.10},"x":null}}' in line
    )


def test_a_failed_line_has_response_and_error(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", ["a"])
    with CountingServer(always("bad-request")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows, "-q"], env)
    assert done.returncode == 9
    line = json.loads(done.stdout)
    assert line["response"] == {
        "status_code": 400,
        "request_id": "req-7",
        "body": {"error": {"code": 400, "message": "as you wish"}},
    } | {"request_id": line["response"]["request_id"]}
    assert line["error"]["kind"] == "rejected"
    assert line["error"]["exit_status"] == 9
    assert line["error"]["status"] == 400


def test_a_page_is_kept_as_text(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", ["a"])
    with CountingServer(always("captive-portal")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows, "-q"], env)
    line = json.loads(done.stdout)
    assert line["response"]["body"].startswith("<!DOCTYPE html>")
    assert line["error"]["code"] == "not_the_api"


def test_the_key_is_in_no_line(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", ["a"])
    key = env["CLINE_API_KEY"]
    body = json.dumps({"error": {"code": 400, "message": f"bad: Bearer {key}"}}).encode()
    with CountingServer(lambda *_: Said(kept(body, "400 Bad Request"))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows], env)
    no_traceback(done)
    assert b"[key]" in done.stdout


def test_what_is_said_of_a_reply_does_not_show_the_key(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", ["a"])
    key = env["CLINE_API_KEY"]
    refusal = completion(None).replace(b'"role"', f'"refusal": "no {key}", "role"'.encode())
    with CountingServer(lambda *_: Said(kept(refusal))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows, "--retries", "0"], env)
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 9
    assert error["message"].startswith("the model refuses to answer: no [key]")
    assert key.encode() not in done.stderr


def test_errors_have_a_file_of_their_own(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", ["a", "b", "c"])
    output, errors = tmp_path / "out", tmp_path / "err"
    command = ["batch", rows, "-o", str(output), "--errors", str(errors), "--jobs", "1"]
    fails = {"ask b"}

    def say(prompt: str, before: int) -> Said:
        return WAYS["bad-request"].said if prompt in fails else echo(prompt, before)

    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        assert run(command, env).returncode == 9
        assert list(by_id(read_lines(output))) == ["a", "c"]
        assert list(by_id(read_lines(errors))) == ["b"]
        assert run([*command, "--keep-failed"], env).returncode == 9
        assert server.asked["ask b"] == 1
        assert list(by_id(read_lines(errors))) == ["b"]
        fails.clear()
        assert run(command, env).returncode == 0
    assert list(by_id(read_lines(output))) == ["a", "c", "b"]
    assert read_lines(errors) == []
    assert server.asked == {"ask a": 1, "ask b": 2, "ask c": 1}


def test_failed_rows_are_asked_again_unless_kept(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", ["a", "b", "c"])
    output = tmp_path / "out"
    command = ["batch", rows, "-o", str(output), "--jobs", "1"]

    def say(prompt: str, before: int) -> Said:
        return WAYS["filtered"].said if prompt == "ask b" and before < 2 else echo(prompt, before)

    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        assert run(command, env).returncode == 9
        kept_run = run([*command, "--keep-failed"], env)
        # What was kept has failed all the same.
        assert kept_run.returncode == 9
        assert server.asked["ask b"] == 1
        assert run(command, env).returncode == 9
        assert list(by_id(read_lines(output))) == ["a", "c", "b"]
        assert run(command, env).returncode == 0
        assert run(command, env).returncode == 0
    assert server.asked == {"ask a": 1, "ask b": 3, "ask c": 1}
    assert [kind_of(line) for line in read_lines(output)] == [None] * 3


def test_nothing_left_needs_no_key_and_no_network(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", ["a"])
    output = tmp_path / "out"
    with CountingServer(echo) as server:
        env["CLINE_API_BASE_URL"] = server.url
        assert run(["batch", rows, "-o", str(output)], env).returncode == 0
    del env["CLINE_API_KEY"]
    before = output.read_bytes()
    done = run(["batch", rows, "-o", str(output)], env)
    assert done.returncode == 0
    assert b"1 of 1 row answered (1 of them before)" in done.stderr
    assert output.read_bytes() == before


# How a second run differs -> what it says
OTHERS: dict[str, tuple[str, list[str], str]] = {
    "another-model": ("ab", ["-m", "x/y"], "row 'a' (line 1 of "),
    "another-system-message": ("ab", ["-s", "Be brief."], "row 'a' (line 1 of "),
    "another-row": ("xb", [], "it has 1 row that"),
    "fewer-rows": ("a", [], "it has 1 row that"),
    "another-question": ("aB", [], "row 'b' (line 2 of "),
}


@pytest.mark.parametrize(("ids", "flags", "message"), OTHERS.values(), ids=OTHERS)
def test_an_output_of_something_else_is_refused(
    ids: str, flags: list[str], message: str, env: dict[str, str], tmp_path: Path
) -> None:
    rows, output = tmp_path / "in", tmp_path / "out"
    write_rows(rows, "ab")
    with CountingServer(echo) as server:
        env["CLINE_API_BASE_URL"] = server.url
        assert run(["batch", str(rows), "-o", str(output)], env).returncode == 0
        before = output.read_bytes()
        rows.write_text(
            "".join(json.dumps({"id": i.lower(), "prompt": f"ask {i}"}) + "\n" for i in ids)
        )
        done = run(["batch", str(rows), "-o", str(output), *flags], env)
        text, hint = failure(done, 2)
        assert f"{output} was made from another input or with other settings" in text
        assert message in text
        assert "--restart" in hint
        assert output.read_bytes() == before
        assert server.asked.total() == 2
        # A new beginning keeps what was paid for.
        again = run(["batch", str(rows), "-o", str(output), "--restart", *flags], env)
        assert again.returncode == 0
        assert (tmp_path / "out.1").read_bytes() == before
    assert set(by_id(read_lines(output))) == set(ids.lower())


def test_an_input_may_grow_and_be_rearranged(env: dict[str, str], tmp_path: Path) -> None:
    rows, output = tmp_path / "in", tmp_path / "out"
    command = ["batch", str(rows), "-o", str(output), "--ordered"]
    with CountingServer(echo) as server:
        env["CLINE_API_BASE_URL"] = server.url
        for ids in ("ab", "abc", "xcab", "cxyba", "abcxyz"):
            write_rows(rows, ids)
            assert run(command, env).returncode == 0, ids
            assert list(by_id(read_lines(output))) == list(ids)
        # The same text, spelled otherwise.
        rows.write_text("".join(f'{{ "prompt" : "ask {i}", "id": "{i}" }}\r\n' for i in "abcxyz"))
        assert run(command, env).returncode == 0
        assert set(server.asked.values()) == {1}
        # A row that was finished at another line must not hide that its id is there twice.
        for ids in ("abcxyza", "aabcxyz", "zabcxyz"):
            write_rows(rows, ids)
            assert "is there twice" in failure(run([*command, "-q"], env), 2)[0]
    assert set(server.asked.values()) == {1}


def test_only_failures_do_not_bind(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", "ab")
    output = tmp_path / "out"
    command = ["batch", rows, "-o", str(output)]

    def say(prompt: str, before: int) -> Said:
        return WAYS["no-such-model"].said if before == 0 else echo(prompt, before)

    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        assert run([*command, "-m", "x/wrong"], env).returncode == 9
        assert run([*command, "-m", "x/right"], env).returncode == 0
    assert set(by_id(read_lines(output))) == {"a", "b"}


@pytest.mark.parametrize(
    "content", [b"a,b\n1,2\n", b'{"a":1}\n', b"x", b'{"id":"batch_abc","custom_id":"a"}\n']
)
def test_a_file_of_something_else_is_left_alone(
    content: bytes, env: dict[str, str], tmp_path: Path
) -> None:
    rows, output = write_rows(tmp_path / "in", "a"), tmp_path / "out"
    output.write_bytes(content)
    with CountingServer(echo) as server:
        env["CLINE_API_BASE_URL"] = server.url
        message, hint = failure(run(["batch", rows, "-o", str(output)], env), 2)
        assert message == f"line 1 of {output} is no result of clinecli batch: nothing was sent"
        assert "--restart" in hint
        assert output.read_bytes() == content
        assert run(["batch", rows, "-o", str(output), "--restart", "-q"], env).returncode == 0
    assert (tmp_path / "out.1").read_bytes() == content


class Turns:
    """Answers a prompt once those that are to come before it have been answered."""

    def __init__(self, order: list[str]) -> None:
        self._order = order
        self._changed = threading.Condition()
        self._done: set[str] = set()

    def __call__(self, prompt: str, before: int) -> Said:
        earlier = self._order[: self._order.index(prompt)]
        with self._changed:
            assert self._changed.wait_for(lambda: self._done.issuperset(earlier), 30)
            self._done.add(prompt)
            self._changed.notify_all()
        return echo(prompt, before)


@pytest.mark.parametrize("to", ["file", "stdout"])
def test_ordered(to: str, env: dict[str, str], tmp_path: Path) -> None:
    ids = [f"r{number}" for number in range(8)]
    rows, output = write_rows(tmp_path / "in", ids), tmp_path / "out"
    backwards = [f"ask {row_id}" for row_id in reversed(ids)]
    with CountingServer(Turns(backwards)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        flags = ["-o", str(output)] if to == "file" else []
        done = run(["batch", rows, "--ordered", "--jobs", "8", *flags], env)
        assert done.returncode == 0
    if to == "stdout":
        output.write_bytes(done.stdout)
    assert [line["custom_id"] for line in read_lines(output)] == ids


def test_text_to_stdout(env: dict[str, str], tmp_path: Path) -> None:
    ids = ["a", "b", "c", "d"]
    rows = write_rows(tmp_path / "in", ids)
    turns = Turns([f"ask {row_id}" for row_id in reversed(ids)])

    def say(prompt: str, before: int) -> Said:
        said = turns(prompt, before)
        return WAYS["filtered"].said if prompt == "ask c" else said

    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows, "--text", "-q"], env)
    assert done.returncode == 9
    assert done.stdout == b'"re: ask a"\n"re: ask b"\nnull\n"re: ask d"\n'


def test_text_to_a_file(env: dict[str, str], tmp_path: Path) -> None:
    rows, output, errors = write_rows(tmp_path / "in", "abc"), tmp_path / "out", tmp_path / "err"
    command = ["batch", rows, "--text", "-o", str(output), "--errors", str(errors), "-q"]

    def say(prompt: str, before: int) -> Said:
        return WAYS["filtered"].said if prompt == "ask b" and not before else echo(prompt, before)

    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        assert run(command, env).returncode == 9
        assert output.read_bytes() == b'"re: ask a"\nnull\n"re: ask c"\n'
        assert list(by_id(read_lines(errors))) == ["b"]
        assert run(command, env).returncode == 0
        assert output.read_bytes() == b'"re: ask a"\n"re: ask b"\n"re: ask c"\n'
        assert errors.read_bytes() == b""
        assert not (tmp_path / "out.part").exists()
        # Nothing in it says what was asked, so that it is not taken for anything.
        assert "--text has no ids" in failure(run(command, env), 2)[0]
        assert run([*command, "--restart"], env).returncode == 0
    assert (tmp_path / "out.1").read_bytes() == output.read_bytes()
    assert server.asked == {"ask a": 2, "ask b": 3, "ask c": 2}


def test_a_new_beginning_of_text_keeps_what_was_there(env: dict[str, str], tmp_path: Path) -> None:
    rows, output = write_rows(tmp_path / "in", "ab"), tmp_path / "out"
    command = ["batch", rows, "--text", "-o", str(output)]
    with CountingServer(always("filtered")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        assert run(command, env).returncode == 9
    with CountingServer(echo) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([*command, "--restart"], env)
    assert done.returncode == 0
    assert output.read_bytes() == b'"re: ask a"\n"re: ask b"\n'
    assert (tmp_path / "out.1").read_bytes() == b"null\nnull\n"
    assert len(read_lines(tmp_path / "out.part.1")) == 2


# Flags that would have the batch write a file twice, or over what it reads.
PLACES: dict[str, tuple[list[str], str]] = {
    "output-and-errors": (["-o", "out", "--errors", "out"], "--output and --errors are one file"),
    "output-and-summary": (
        ["-o", "out", "--summary", "./out"], "--output and --summary are one file"
    ),
    "errors-and-summary": (
        ["--errors", "out", "--summary", "out"], "--errors and --summary are one file"
    ),
    "text-and-errors": (
        ["-o", "out", "--text", "--errors", "out"], "--output and --errors are one file"
    ),
    "part-of-text": (
        ["-o", "out", "--text", "--errors", "out.part"], "--errors and --text are one file"
    ),
    "a-link": (["-o", "out", "--errors", "link"], "--output and --errors are one file"),
    "input-and-summary": (["--summary", "in"], "--summary would replace in, which is read"),
    "input-and-output": (["-o", "hard"], "--output would replace in, which is read"),
    "input-and-restart": (
        ["-o", "in", "--restart"], "--output would replace in, which is read"
    ),
    "merge": (["--merge", "part", "-o", "part"], "--output would replace part, which is read"),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_no_file_is_written_twice_or_instead_of_read(
    place: str, env: dict[str, str], tmp_path: Path
) -> None:
    flags, message = PLACES[place]
    write_rows(tmp_path / "in", "a")
    (tmp_path / "link").symlink_to("out")
    (tmp_path / "hard").hardlink_to(tmp_path / "in")
    (tmp_path / "part").write_bytes(b"")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with CountingServer(echo) as server:
        env["CLINE_API_BASE_URL"] = server.url
        told, _ = failure(run(["batch", "in", *flags], env, cwd=tmp_path), 2)
    assert told.startswith(message)
    assert not server.asked
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


def test_a_device_may_take_everything(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", "a")
    places = ["-o", "/dev/null", "--errors", "/dev/null", "--summary", "/dev/null"]
    with CountingServer(echo) as server:
        env["CLINE_API_BASE_URL"] = server.url
        assert run(["batch", rows, *places], env).returncode == 0


def test_merged_results_are_no_text(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", "a")
    message, _ = failure(run(["batch", rows, "--merge", rows, "--text"], env), 2)
    assert message.startswith("--merge and --text exclude each other")


def test_tool_calls_as_text(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", "a")
    with CountingServer(always("tool-calls-alone")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows, "--text", "-q"], env)
    assert json.loads(json.loads(done.stdout))["function"]["name"] == "f"


def test_dedupe(env: dict[str, str], tmp_path: Path) -> None:
    rows, output = tmp_path / "in", tmp_path / "out"

    def write(ids: str) -> None:
        rows.write_text(
            "".join(json.dumps({"id": f"{i}{n}", "prompt": i}) + "\n" for n, i in enumerate(ids))
        )

    command = ["batch", str(rows), "-o", str(output), "--dedupe", "--ordered"]
    summary = tmp_path / "summary"
    with CountingServer(echo) as server:
        env["CLINE_API_BASE_URL"] = server.url
        write("abaab")
        assert run([*command, "--summary", str(summary)], env).returncode == 0
        assert server.asked == {"a": 1, "b": 1}
        figures = json.loads(summary.read_text())
        assert (figures["answered"], figures["copied"], figures["requests"]) == (5, 3, 2)
        assert figures["cost_usd"] == "0.002"
        write("abaabcab")
        assert run(command, env).returncode == 0
    assert server.asked == {"a": 1, "b": 1, "c": 1}
    lines = read_lines(output)
    assert [line["custom_id"] for line in lines] == [f"{i}{n}" for n, i in enumerate("abaabcab")]
    assert all(
        line["response"]["body"]["choices"][0]["message"]["content"]
        == f"re: {line['custom_id'][0]}"
        for line in lines
    )
    kinds = [line["id"].split("_")[1] for line in lines]
    assert kinds == ["req", "req", "copy", "copy", "copy", "req", "copy", "copy"]


def test_dedupe_to_stdout_and_of_failures(env: dict[str, str], tmp_path: Path) -> None:
    rows = tmp_path / "in"
    rows.write_text('"a"\n"b"\n' * 50)

    def say(prompt: str, before: int) -> Said:
        return WAYS["bad-request"].said if prompt == "b" and before == 0 else echo(prompt, before)

    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", str(rows), "--dedupe", "--jobs", "1", "-q"], env)
    lines = by_id(json.loads(line) for line in done.stdout.splitlines())
    assert len(lines) == 100
    assert server.asked["a"] == 1
    # Those that waited for the one that failed have failed with it; later ones were asked anew.
    assert server.asked["b"] <= 2


def test_shards_and_merge(env: dict[str, str], tmp_path: Path) -> None:
    ids = [f"r{number}" for number in range(40)]
    rows = write_rows(tmp_path / "in", ids)
    outputs = [str(tmp_path / f"out{number}") for number in (1, 2, 3)]

    def say(prompt: str, before: int) -> Said:
        return WAYS["filtered"].said if prompt == "ask r7" else echo(prompt, before)

    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        statuses = [
            run(["batch", rows, "-o", output, "--shard", f"{number}/3"], env).returncode
            for number, output in enumerate(outputs, 1)
        ]
        assert sorted(statuses) == [0, 0, 9]
        assert set(server.asked.values()) == {1}
        message, _ = failure(run(["batch", rows, "-q", "-o", outputs[0], "--shard", "2/3"], env), 2)
        assert "which is not of shard 2/3" in message
        missing = run(["batch", rows, "--merge", *outputs[:2], "-o", str(tmp_path / "all")], env)
        assert missing.returncode == 11
        assert not (tmp_path / "all").exists()
        merged = run(["batch", rows, "--merge", *outputs, "-o", str(tmp_path / "all")], env)
        assert merged.returncode == 9
        assert [line["custom_id"] for line in read_lines(tmp_path / "all")] == ids
        assert b"39 of 40 rows answered" in merged.stderr
        # The whole is an output like any other.
        assert run(["batch", rows, "-o", str(tmp_path / "all")], env).returncode == 9
    assert server.asked.pop("ask r7") == 2
    assert set(server.asked.values()) == {1}


def test_estimate_sends_nothing(env: dict[str, str], tmp_path: Path) -> None:
    rows, output = write_rows(tmp_path / "in", "abc"), tmp_path / "out"
    with CountingServer(echo) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows, "--estimate", "-o", str(output), "--max-tokens", "9"], env)
        assert done.returncode == 0
        assert done.stdout.startswith(b"rows           3\n")
        assert not output.exists()
        assert not server.asked
        assert run(["batch", rows, "-o", str(output), "--max-tokens", "9"], env).returncode == 0
        done = run(["batch", rows, "--estimate", "-o", str(output), "--max-tokens", "9"], env)
        assert done.stdout.startswith(b"rows           0\n")


def test_summary(env: dict[str, str], tmp_path: Path) -> None:
    rows, summary = write_rows(tmp_path / "in", "abc"), tmp_path / "summary"

    def say(prompt: str, before: int) -> Said:
        if prompt == "ask a":
            return WAYS["filtered"].said
        return WAYS["overloaded"].said if prompt == "ask b" and not before else echo(prompt, before)

    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows, "--summary", str(summary)], env)
    assert done.returncode == 9
    figures = json.loads(summary.read_text())
    assert figures.pop("seconds") > 0
    assert figures == {
        "rows": 3, "answered": 2, "answered_before": 0, "failed": 1,
        "failed_by_kind": {"rejected": 1}, "left": 0, "copied": 0, "requests": 4, "retried": 1,
        "prompt_tokens": 20, "completion_tokens": 10, "cost_usd": "0.002", "exit_status": 9,
    }  # fmt: skip
    lines = done.stderr.decode().splitlines()
    assert lines[0].startswith(
        "clinecli: 2 of 3 rows answered, 1 failed (rejected 1), 20 prompt + 10 completion tokens, "
        "$0.002, 4 requests (1 of them again), "
    )
    assert lines[1] == "clinecli: error: 1 of 3 rows failed: rejected 1"
    assert len(lines) == 3


def test_quiet(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", "abc")
    with CountingServer(echo) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows, "-q"], env)
    assert (done.returncode, done.stderr) == (0, b"")


def test_schema(env: dict[str, str], tmp_path: Path) -> None:
    rows, schema = tmp_path / "in", tmp_path / "schema"
    schema.write_text('{"type":"object","required":["n"]}')
    own = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "array"}}}
    rows.write_text(
        "".join(
            json.dumps(row) + "\n"
            for row in (
                {"id": "right", "prompt": '{"n":1}'},
                {"id": "wrong", "prompt": "{}"},
                {"id": "prose", "prompt": "n"},
                {"id": "own", "prompt": "[]", "response_format": own},
                {"id": "own-wrong", "prompt": '{"n":1}', "response_format": own},
            )
        )
    )
    with CountingServer(lambda prompt, _: Said(kept(completion(prompt)))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", str(rows), "-q", "--schema", str(schema), "--jobs", "1"], env)
    assert done.returncode == 11
    lines = by_id(json.loads(line) for line in done.stdout.splitlines())
    assert {row_id: (line["error"] or {}).get("code") for row_id, line in lines.items()} == {
        "right": None, "wrong": "schema_mismatch", "prose": "schema_mismatch",
        "own": None, "own-wrong": "schema_mismatch",
    }  # fmt: skip
    assert server.bodies[0]["response_format"]["json_schema"]["schema"]["required"] == ["n"]


def test_a_closed_pipe_ends_it_silently(env: dict[str, str], tmp_path: Path) -> None:
    import subprocess

    from tests.helpers.process import CLI

    rows = write_rows(tmp_path / "in", [f"r{number}" for number in range(3000)])
    with CountingServer(lambda *_: Said(ANSWER)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        script = 'set -o pipefail; "$@" | head -n 1 >/dev/null'
        done = subprocess.run(
            ["bash", "-c", script, "bash", *CLI, "batch", rows],
            env=env, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (141, b"")
    assert server.asked.total() < 3000
