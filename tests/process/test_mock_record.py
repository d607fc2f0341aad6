"""`clinecli mock --record`: the real API answers, and the exchanges are kept."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from clinecli.mock import mock_server
from clinecli.options.mock import MockOptions
from tests.helpers.env import KEY
from tests.helpers.process import CLI, failure, no_traceback, run, started
from tests.helpers.replies import (
    ANSWER,
    DONE,
    STOP,
    STREAM_HEAD,
    completion,
    delta,
    event_stream,
    http_chunk,
    response,
)
from tests.helpers.servers import RawServer, refusing

PYTHON = sys.executable


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recording.json"


def record(url: str, file: Path, command: list[str], env: dict[str, str], **options: Any) -> Any:
    env = env | {"CLINE_API_BASE_URL": url}
    return run(["mock", "--record", str(file), "--", *command], env, **options)


def replay(file: Path, command: list[str], env: dict[str, str], *flags: str) -> Any:
    return run(["mock", "--replay", str(file), *flags, "--", *command], env)


def exchanges(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(file.read_bytes())
    return found


def clinecli(*arguments: str) -> list[str]:
    return [*CLI, *arguments]


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_what_was_recorded_is_replayed(env: dict[str, str], file: Path, command: str) -> None:
    asking = clinecli(command, "-m", "m/x", "capital?")
    with RawServer(ANSWER[command]) as server:
        first = record(server.url, file, asking, env)
        ((head, body),) = server.requests
    no_traceback(first)
    assert (first.returncode, first.stdout, first.stderr) == (0, b"Paris.\n", b"")
    # The user's key goes to the API, and nowhere else.
    assert f"\r\nAuthorization: Bearer {KEY}\r\n".encode() in head
    assert head.startswith(b"POST /api/v1/chat/completions HTTP/1.1\r\n")
    assert KEY not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (exchange,) = exchanges(file)
    assert exchange["request"] == json.loads(body)
    assert exchange["seconds"] > 0

    del env["CLINE_API_KEY"]
    second = replay(file, asking, env, "--strict")
    assert (second.returncode, second.stdout, second.stderr) == (0, b"Paris.\n", b"")


def test_a_stream_comes_as_it_is_made_and_is_kept_as_it_came(
    env: dict[str, str], file: Path
) -> None:
    go_on = threading.Event()
    pieces = [delta("Par"), delta("is.") + STOP[:7], STOP[7:] + DONE]

    def answer(connection: socket.socket, _: int) -> None:
        connection.sendall(STREAM_HEAD + http_chunk(pieces[0]))
        assert go_on.wait(60)
        connection.sendall(http_chunk(pieces[1]))
        # Only when the client has read that far, so that the pieces stay apart.
        go_on.clear()
        assert go_on.wait(60)
        connection.sendall(http_chunk(pieces[2]) + http_chunk(b""))

    with RawServer(answer) as server:
        env |= {"CLINE_API_BASE_URL": server.url}
        command = clinecli("mock", "--record", str(file), "--", *clinecli("stream", "hi"))
        with started(command, env) as mock:
            assert mock.stdout
            assert mock.stdout.read(3) == b"Par"
            go_on.set()
            assert mock.stdout.read(3) == b"is."
            go_on.set()
            assert mock.wait(60) == 0
    (exchange,) = exchanges(file)
    assert exchange["response"].encode() == b"".join(pieces)
    assert [size for _, size in exchange["chunks"]] == [len(piece) for piece in pieces]
    assert all(seconds >= 0 for seconds, _ in exchange["chunks"])


def test_a_reply_that_was_cut_is_replayed_cut(env: dict[str, str], file: Path) -> None:
    asking = clinecli("stream", "--retries", "0", "hi")
    with RawServer(STREAM_HEAD + http_chunk(delta("Par"))) as server:
        first = record(server.url, file, asking, env)
    second = replay(file, asking, env)
    for done in (first, second):
        no_traceback(done)
        assert (done.returncode, done.stdout) == (11, b"Par\n")
    assert exchanges(file)[0]["cut"] is True


def test_failures_are_recorded_too(env: dict[str, str], file: Path) -> None:
    limited = response(b'{"error":{"message":"slow down"}}', status="429 Slow", Retry_After="0")
    answers = [limited, response(completion("hello"))]

    def answer(connection: socket.socket, number: int) -> None:
        connection.sendall(answers[number])

    asking = clinecli("ask", "-q", "hi")
    with RawServer(answer) as server:
        assert record(server.url, file, asking, env).stdout == b"hello\n"
    first, second = exchanges(file)
    assert (first["status"], first["retryAfter"], second["status"]) == (429, "0", 200)
    assert replay(file, asking, env, "--strict").stdout == b"hello\n"


def test_what_is_no_json_is_kept_byte_by_byte(env: dict[str, str], file: Path) -> None:
    page = response(b"<html>caf\xe9</html>", content_type="text/html; charset=latin-1")
    asking = clinecli("ask", "hi")
    with RawServer(page) as server:
        first = record(server.url, file, asking, env)
    second = replay(file, asking, env)
    assert (first.returncode, second.returncode) == (11, 11)
    assert exchanges(file)[0]["encoding"] == "base64"


def test_account_and_doctor_find_their_way_in_a_recording(env: dict[str, str], file: Path) -> None:
    doctor = clinecli("doctor")
    with mock_server(MockOptions()) as server:
        first = record(server.base_url, file, doctor, env)
    second = replay(file, doctor, env, "--strict")
    assert (first.returncode, second.returncode) == (0, 0), second.stdout
    text = file.read_text()
    for secret in ("usr-mock", "org-mock", "mock@example.com", "Mock User", "12500000", KEY):
        assert secret not in text
    # As signs go, the balance is that of somebody with credit.
    assert b"the balance of the account is $10.00" in second.stdout


def test_no_credit_stays_no_credit(env: dict[str, str], file: Path) -> None:
    doctor = clinecli("doctor")
    with mock_server(MockOptions(fault=["credit"])) as server:
        first = record(server.base_url, file, doctor, env)
    assert (first.returncode, replay(file, doctor, env).returncode) == (5, 5)


def test_the_command_has_a_key_of_its_own(env: dict[str, str], file: Path) -> None:
    script = "import os; print(os.environ['CLINE_API_KEY'])"
    with RawServer(b"") as server:
        keys = {record(server.url, file, [PYTHON, "-c", script], env).stdout for _ in range(2)}
    assert len(keys) == 2
    assert all(re.fullmatch(rb"mock-[0-9a-f]{32}\n", key) for key in keys)


FOREIGN = """
import os, urllib.request, urllib.error
url = os.environ["CLINE_API_BASE_URL"]
for path, key in (("/api/v1/users/me", "Bearer mock-key"), ("/elsewhere", None)):
    request = urllib.request.Request(url + path, headers={"Authorization": key} if key else {})
    try:
        urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        print(error.code)
"""


def test_nobody_else_spends_the_users_money(env: dict[str, str], file: Path) -> None:
    """Every program of this machine reaches the port; only the command has the key."""
    with RawServer(response(b"{}")) as server:
        done = record(server.url, file, [PYTHON, "-c", FOREIGN], env)
        assert server.requests == []
    assert done.stdout == b"401\n404\n"
    assert done.stderr == f"clinecli: nothing was asked: {file} is not written\n".encode()
    assert not file.exists()


WITHOUT_KEY = """
import os, urllib.request
url = os.environ["CLINE_API_BASE_URL"] + "/api/v1/ai/cline/models"
print(urllib.request.urlopen(url, timeout=30).read().decode())
"""


def test_what_needs_no_key_is_asked_without(env: dict[str, str], file: Path) -> None:
    with RawServer(response(b'{"data":[]}')) as server:
        done = record(server.url, file, [PYTHON, "-c", WITHOUT_KEY], env)
        ((head, _),) = server.requests
    assert (done.stdout, b"Authorization" in head) == (b'{"data":[]}\n', False)


def test_headers_of_the_request_are_sent_on(env: dict[str, str], file: Path) -> None:
    asking = clinecli("ask", "--title", "Größe", "--referer", "https://a.example", "hi")
    with RawServer(ANSWER["ask"]) as server:
        record(server.url, file, asking, env)
        ((head, _),) = server.requests
    lines = head.lower().split(b"\r\n")
    assert b"x-title: " + "größe".encode() in lines
    assert b"http-referer: https://a.example" in lines
    assert sum(line.startswith(b"host:") for line in lines) == 1
    assert sum(line.startswith(b"content-length:") for line in lines) == 1


def test_a_root_of_another_server_is_kept(env: dict[str, str], file: Path) -> None:
    with RawServer(ANSWER["ask"]) as server:
        record(f"{server.url}/v1", file, clinecli("ask", "hi"), env)
        ((head, _),) = server.requests
    assert head.startswith(b"POST /v1/chat/completions ")
    assert exchanges(file)[0]["path"] == "/api/v1/chat/completions"


def test_the_key_is_taken_out_of_what_the_server_says(env: dict[str, str], file: Path) -> None:
    with RawServer(event_stream(delta(f"it is {KEY}"), STOP, DONE)) as server:
        record(server.url, file, clinecli("stream", f"is it {KEY}?"), env)
    assert KEY not in file.read_text()
    assert "[key]" in exchanges(file)[0]["response"]


def test_an_api_that_cannot_be_reached(env: dict[str, str], file: Path) -> None:
    file.write_text("before")
    with refusing() as port:
        url = f"http://127.0.0.1:{port}"
        done = record(url, file, clinecli("ask", "--retries", "0", "hi"), env)
    no_traceback(done)
    assert (done.returncode, done.stdout) == (10, b"")
    assert b"the mock cannot ask the API: " in done.stderr
    assert file.read_text() == "before"


def test_a_file_that_was_public_is_private_then(env: dict[str, str], file: Path) -> None:
    file.write_text("[]")
    file.chmod(0o644)
    with RawServer(ANSWER["ask"]) as server:
        record(server.url, file, clinecli("ask", "hi"), env)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.glob(".*.tmp")] == []


def test_the_status_is_that_of_the_command(env: dict[str, str], file: Path) -> None:
    with RawServer(ANSWER["ask"]) as server:
        done = record(server.url, file, ["sh", "-c", f'"{PYTHON}" -m clinecli ask hi; exit 7'], env)
    assert (done.returncode, len(exchanges(file))) == (7, 1)


def test_many_at_once_are_kept_in_the_order_they_were_asked(
    env: dict[str, str], file: Path
) -> None:
    script = (
        "import os, threading, urllib.request\n"
        "def ask(n):\n"
        "    url = f\"{os.environ['CLINE_API_BASE_URL']}/api/v1/models?n={n}\"\n"
        "    urllib.request.urlopen(url, timeout=60).read()\n"
        "threads = [threading.Thread(target=ask, args=(n,)) for n in range(30)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
    )
    with RawServer(response(b"[]")) as server:
        assert record(server.url, file, [PYTHON, "-c", script], env).returncode == 0
    paths = {exchange["path"] for exchange in exchanges(file)}
    assert paths == {f"/api/v1/models?n={n}" for n in range(30)}


# What is told before anything is sent


def test_no_key(env: dict[str, str], file: Path) -> None:
    del env["CLINE_API_KEY"]
    done = record("https://api.cline.bot", file, ["touch", str(file) + ".ran"], env)
    failure(done, 3)
    assert not Path(f"{file}.ran").exists()


def test_a_place_that_cannot_be_written(env: dict[str, str], tmp_path: Path) -> None:
    place = tmp_path / "nowhere" / "file"
    done = record("https://api.cline.bot", place, ["touch", str(tmp_path / "ran")], env)
    message, hint = failure(done, 1)
    assert (str(place) in message, "--record" in hint) == (True, True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--port", "0"], "--record needs a command"),
        (["--fault", "auth", "--", "true"], "--record and --fault exclude each other"),
        (["--replay", "x", "--", "true"], "--record and --replay exclude each other"),
        (["--strict", "--", "true"], "--record and --strict exclude each other"),
        (["--latency", "1", "--", "true"], "--record and --latency exclude each other"),
    ],
    ids=str,
)
def test_usage_errors(env: dict[str, str], file: Path, flags: list[str], message: str) -> None:
    found, _ = failure(run(["mock", "--record", str(file), *flags], env), 2)
    assert message in found
    assert not file.exists()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc here")
def test_the_command_cannot_find_the_users_key(env: dict[str, str], file: Path) -> None:
    with RawServer(b"") as server:
        done = record(server.url, file, ["env"], env)
    assert KEY.encode() not in done.stdout
    assert os.fsencode(file) not in done.stdout
