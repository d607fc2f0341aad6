"""`--cache`: the same request is paid for once, and only complete replies are kept."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.helpers.process import BOTH_COMMANDS, failure, run
from tests.helpers.replies import ANSWER, completion, response
from tests.helpers.servers import RawServer

COLD = ("-t", "0", "--cache", "kept")


@BOTH_COMMANDS
def test_the_same_request_is_sent_once(command: str, env: dict[str, str], tmp_path: Path) -> None:
    with RawServer(ANSWER[command]) as server:
        env["CLINE_API_BASE_URL"] = server.url
        first = run([command, *COLD, "hi"], env, cwd=tmp_path)
        # From the cache neither a key nor a server is needed.
        del env["CLINE_API_KEY"]
        second = run([command, *COLD, "hi"], env, cwd=tmp_path)
        only = run([command, *COLD, "--cache-only", "--json", "hi"], env, cwd=tmp_path)
        assert len(server.requests) == 1
    for done in (first, second):
        assert (done.returncode, done.stdout, done.stderr) == (0, b"Paris.\n", b"")
    assert only.returncode == 0
    assert b"Paris." in only.stdout
    (kept,) = (tmp_path / "kept").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@BOTH_COMMANDS
def test_another_request_is_another_reply(
    command: str, env: dict[str, str], tmp_path: Path
) -> None:
    with RawServer(ANSWER[command]) as server:
        env["CLINE_API_BASE_URL"] = server.url
        for words in (["hi"], ["ho"], ["-m", "a/b", "hi"], ["-p", "top_p=1", "hi"]):
            assert run([command, *COLD, *words], env, cwd=tmp_path).returncode == 0
        assert len(server.requests) == 4


@BOTH_COMMANDS
def test_a_reply_that_is_not_complete_is_not_kept(
    command: str, env: dict[str, str], tmp_path: Path
) -> None:
    with RawServer(response(completion("Half an", "length"))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        for _ in range(2):
            assert run([command, *COLD, "hi"], env, cwd=tmp_path).returncode == 11
        assert len(server.requests) == 2
    assert not (tmp_path / "kept").exists()


def test_what_is_kept_costs_nothing(env: dict[str, str], tmp_path: Path) -> None:
    body = completion("hi", usage={"prompt_tokens": 3, "cost": 0.5})
    with RawServer(response(body)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        told = [
            json.loads(run(["ask", *COLD, "--usage", "--json", "hi"], env, cwd=tmp_path).stderr)
            for _ in range(2)
        ]
    assert [each["usage"]["cost"] for each in told] == [0.5, 0]


def test_other_temperatures_are_kept_when_told(env: dict[str, str], tmp_path: Path) -> None:
    with RawServer(ANSWER["ask"]) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "--cache", "kept", "hi"], env, cwd=tmp_path)
        assert b"the reply is not kept: its temperature is not 0" in done.stderr
        assert not (tmp_path / "kept").exists()
        for _ in range(2):
            run(["ask", "--cache", "kept", "--cache-all", "hi"], env, cwd=tmp_path)
        assert len(server.requests) == 2


REFUSED = {
    "nothing-kept": ([*COLD, "--cache-only"], "no reply to this request is kept in"),
    "no-directory": (["--cache-only"], "--cache-only and --cache-all need a directory"),
    "any-temperature": (["--cache", "kept", "--cache-only"], "only replies at temperature 0"),
    "fallback": ([*COLD, "--fallback", "a/b"], "--cache excludes --fallback and --repair"),
}


@pytest.mark.parametrize(("arguments", "told"), REFUSED.values(), ids=REFUSED)
def test_refused_before_anything_is_sent(
    arguments: list[str], told: str, env: dict[str, str], tmp_path: Path
) -> None:
    with RawServer(ANSWER["ask"]) as server:
        env["CLINE_API_BASE_URL"] = server.url
        message, _ = failure(run(["ask", *arguments, "hi"], env, cwd=tmp_path), 2)
        assert told in message
        assert server.requests == []


def test_a_cache_that_cannot_be_written_is_no_failure(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    with RawServer(ANSWER["ask"]) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", *COLD, "hi"], env, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"Paris.\n")
    assert b"the reply is not kept in" in done.stderr
