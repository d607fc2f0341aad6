"""One answer from more than one request: other models, corrections, and what all of it may cost."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clinecli.mock import mock_server
from clinecli.options.mock import MockOptions
from tests.helpers.env import KEY
from tests.helpers.process import BOTH_COMMANDS, failure, no_traceback, run
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

USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.25}


def reply(command: str, text: str, **extra: Any) -> bytes:
    if command == "ask":
        return response(completion(text, usage=USAGE, **extra), X_Request_Id="req_1")
    return event_stream(delta(text), STOP, DONE)


def refuse(status: str, code: str, message: str, **headers: str) -> bytes:
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    return response(body, status=status, **headers)


@contextmanager
def answering(*answers: bytes) -> Iterator[RawServer]:
    """A server that gives the answers in turn, the last of them for ever."""

    def answer(connection: socket.socket, number: int) -> None:
        connection.sendall(answers[min(number, len(answers) - 1)])

    with RawServer(answer) as server:
        yield server


# Other models

BUSY = refuse("503 Service Unavailable", "overloaded", "busy")
FREE_LIMIT = refuse("429 Too Many Requests", "", "Free limit reached on model x, try again in 9h")
UNKNOWN = refuse("404 Not Found", "model_not_found", "no such model")
FALLS_BACK = {
    "busy": BUSY,
    "quota": FREE_LIMIT,
    "clinepass": refuse(
        "429 Too Many Requests", "", "You have reached your weekly ClinePass limit"
    ),
    "unknown-model": UNKNOWN,
    "unknown-without-status": refuse("400 Bad Request", "x", "Model not found: a/b"),
}


@BOTH_COMMANDS
@pytest.mark.parametrize("name", FALLS_BACK)
def test_another_model_answers(name: str, command: str, env: dict[str, str]) -> None:
    with answering(FALLS_BACK[name], UNKNOWN, reply(command, "Paris.")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        models = ["-m", "a/first", "--fallback", "b/second", "--fallback", "openai/o3"]
        done = run([command, "--retries", "0", "--max-tokens", "9", *models, "hi"], env)
    no_traceback(done)
    assert (done.returncode, done.stdout) == (0, b"Paris.\n"), done.stderr
    assert [body["model"] for body in server.bodies] == ["a/first", "b/second", "openai/o3"]
    assert [body.get("max_tokens") for body in server.bodies] == [9, 9, None]
    assert server.bodies[2]["max_completion_tokens"] == 9
    first, second, last = done.stderr.decode().splitlines()
    assert first.endswith("; asking b/second instead")
    assert second.endswith("; asking openai/o3 instead")
    assert last == "clinecli: answered by openai/o3"


STAYS = {
    "auth": (refuse("401 Unauthorized", "invalid_key", "no"), 4),
    "credit": (refuse("402 Payment Required", "insufficient_credits", "none"), 5),
    "rejected": (refuse("400 Bad Request", "bad", "no"), 9),
    "empty": (None, 11),
}


@BOTH_COMMANDS
@pytest.mark.parametrize("name", STAYS)
def test_no_other_model_helps(name: str, command: str, env: dict[str, str]) -> None:
    answer, status = STAYS[name]
    with answering(answer or reply(command, "")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "--retries", "0", "--fallback", "b/second", "hi"], env)
    assert done.returncode == status
    assert len(server.requests) == 1


def test_never_after_output(env: dict[str, str]) -> None:
    error = delta(finish_reason="error", error={"code": "rate_limit", "message": "busy"})
    started = STREAM_HEAD + http_chunk(delta("Par")) + http_chunk(error) + http_chunk(b"")
    with answering(started) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["stream", "--retries", "0", "--fallback", "b/second", "hi"], env)
    assert (done.returncode, done.stdout) == (10, b"Par\n")
    assert len(server.requests) == 1


def test_error_of_the_last_model_counts(env: dict[str, str]) -> None:
    with answering(BUSY, FREE_LIMIT) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "-q", "--retries", "0", "--fallback", "b/second", "hi"], env)
    message, _ = failure(done, 5)
    assert "usage limit reached" in message


def test_codes_of_quota_and_unknown_model(env: dict[str, str]) -> None:
    for answer, code in (
        (FREE_LIMIT, "quota"),
        (refuse("404 Not Found", "", "x"), "unknown_model"),
    ):
        with answering(answer) as server:
            env["CLINE_API_BASE_URL"] = server.url
            done = run(["ask", "-j", "--retries", "0", "hi"], env)
        assert json.loads(done.stderr)["error"]["code"] == code


# Corrections


@pytest.fixture
def schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("s.json").write_text('{"type": "object", "required": ["a"]}')
    return "s.json"


GOOD = '{"a": 1}'


@pytest.mark.parametrize(
    "text",
    [f"```json\n{GOOD}\n```", f"Here it is:\n\n~~~\n{GOOD}\n~~~\n", f" {GOOD} "],
    ids=["fence", "words-around", "space"],
)
def test_fence_costs_nothing(text: str, schema: str, env: dict[str, str]) -> None:
    with answering(reply("ask", text)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "--schema", schema, "--repair", "1", "hi"], env)
        strict = run(["ask", "--schema", schema, "hi"], env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == {"a": 1}
    assert strict.returncode == (0 if text.isspace() or text[0] == " " else 11)
    assert len(server.requests) == 2


def test_correction(schema: str, env: dict[str, str]) -> None:
    """The request quotes what was wrong, and what all of it cost is added up."""
    with answering(reply("ask", "no JSON"), reply("ask", '{"b": 1}'), reply("ask", GOOD)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "--usage", "--schema", schema, "--repair", "3", "hi"], env)
    no_traceback(done)
    assert (done.returncode, done.stdout) == (0, GOOD.encode() + b"\n")
    first, second, third = (body["messages"] for body in server.bodies)
    assert second[:1] == third[:1] == first
    assert [message["role"] for message in second] == ["user", "assistant", "user"]
    assert second[1]["content"] == "no JSON"
    assert "the reply is not JSON" in second[2]["content"]
    assert third[1]["content"] == '{"b": 1}'
    assert "'a' is a required property" in third[2]["content"]
    notes = done.stderr.decode().splitlines()
    assert notes[0].endswith("asking for a correction (1 of 3)")
    assert notes[1].endswith("asking for a correction (2 of 3)")
    assert "3 prompt tokens, 6 completion tokens, $0.750000, 3 replies" in notes[2]


def test_reply_that_stays_wrong(schema: str, env: dict[str, str]) -> None:
    with answering(reply("ask", "still no JSON")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "-q", "--usage", "--schema", schema, "--repair", "2", "hi"], env)
    assert (done.returncode, done.stdout) == (11, b"")
    assert len(server.requests) == 3
    usage, error, _ = done.stderr.decode().splitlines()
    assert "$0.750000, 3 replies" in usage
    assert "the reply is not JSON" in error


def test_a_schema_that_cannot_be_used_is_told_before_anything_is_sent(
    schema: str, env: dict[str, str]
) -> None:
    Path(schema).write_text('{"$ref": "https://example.com/schema"}')
    with answering(reply("ask", GOOD)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "--schema", schema, "--repair", "2", "hi"], env)
    message, _ = failure(done, 2)
    assert "refers to https://example.com/schema, which is no schema in it" in message
    assert not server.requests


def test_thread_keeps_the_answer_alone(schema: str, env: dict[str, str]) -> None:
    with answering(reply("ask", "no JSON"), reply("ask", GOOD)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "--schema", schema, "--repair", "1", "--thread", "t.json", "hi"], env)
    assert done.returncode == 0
    roles = [(turn["role"], turn["content"]) for turn in json.loads(Path("t.json").read_text())]
    assert roles == [("user", "hi"), ("assistant", GOOD)]


def test_stream_has_no_repair(env: dict[str, str]) -> None:
    message, _ = failure(run(["stream", "--repair", "1", "hi"], env), 2)
    assert "--repair" in message


# Money


@pytest.fixture
def priced(env: dict[str, str], tmp_path: Path) -> Callable[[RawServer], None]:
    """Makes a server the API, with the price list of two models in the cache."""

    def price(server: RawServer) -> None:
        env["CLINE_API_BASE_URL"] = server.url
        entries = [
            {"id": "a/cheap", "pricing": {"prompt": "0.000001", "completion": "0.000002"}},
            {"id": "a/dear", "pricing": {"prompt": "0.001", "completion": "0.002"}},
        ]
        with RawServer(response(json.dumps({"data": entries}).encode())) as listing:
            done = run(["models", "--refresh"], env | {"CLINE_API_BASE_URL": listing.url})
        assert done.returncode == 0, done.stderr
        cache = next(Path(env["HOME"]).rglob("models*.json"))
        cache.write_text(cache.read_text().replace(listing.url, server.url))

    return price


@BOTH_COMMANDS
def test_max_cost(command: str, priced: Callable[[RawServer], None], env: dict[str, str]) -> None:
    with answering(reply(command, "Paris.")) as server:
        priced(server)
        limits = ["--max-cost", "0.01", "--max-tokens", "100"]
        fine = run([command, "-m", "a/cheap", *limits, "hi"], env)
        dear = run([command, "-m", "a/dear", *limits, "hi"], env)
        fallback = run([command, "-m", "a/cheap", "--fallback", "a/dear", *limits, "hi"], env)
        unknown = run([command, "-m", "a/other", *limits, "hi"], env)
    assert (fine.returncode, fine.stdout) == (0, b"Paris.\n"), fine.stderr
    for done in (dear, fallback):
        message, hint = failure(done, 5)
        assert "the request to a/dear may cost up to $0." in message
        assert "100 reply tokens" in message
        assert "more than --max-cost $0.01: nothing was sent" in message
        assert "--max-tokens" in hint
    message, hint = failure(unknown, 2)
    assert "the price of a/other is not known" in message
    assert "clinecli models" in hint
    assert len(server.requests) == 1


@BOTH_COMMANDS
def test_max_cost_without_a_list_of_prices(command: str, env: dict[str, str]) -> None:
    """It is read first, once."""
    asked = [command, "--max-cost", "0.01", "hi"]
    with mock_server(MockOptions()) as server:
        env["CLINE_API_BASE_URL"] = server.base_url
        dear = run(asked, env)
        fine = run([*asked, "--max-tokens", "9"], env)
    message, _ = failure(dear, 5)
    assert "64000 reply tokens" in message
    assert (fine.returncode, fine.stderr) == (0, b"")


def test_max_cost_of_a_server_without_a_list(env: dict[str, str]) -> None:
    with answering(refuse("404 Not Found", "x", "no such path")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        message, _ = failure(run(["ask", "--max-cost", "1", "hi"], env), 2)
    assert "is not known" in message


def test_max_cost_where_the_list_cannot_be_read(env: dict[str, str]) -> None:
    """What keeps the list away would keep the reply away, too."""
    with answering(refuse("401 Unauthorized", "x", "no")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        failure(run(["ask", "--max-cost", "1", "hi"], env), 4)


def test_key_is_nowhere(env: dict[str, str]) -> None:
    with answering(refuse("503 Service Unavailable", KEY, KEY), reply("ask", "ok")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["ask", "--retries", "0", "--fallback", "b/c", "hi"], env)
    no_traceback(done)
    assert done.returncode == 0
