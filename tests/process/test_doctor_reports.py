"""Other ways to run `doctor`: waiting, watching, comparing, and reports to paste or attach."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clinecli.mock import mock_server
from clinecli.options.mock import MockOptions
from tests.helpers.env import KEY
from tests.helpers.process import CLI, PATIENCE, run, started
from tests.helpers.replies import response
from tests.helpers.servers import RawServer, TcpServer, refusing, stall
from tests.helpers.tls import Authority, TlsServer

REFUSAL = response(b'{"error":{"code":401,"message":"no"}}', status="401 Unauthorized")


@pytest.fixture
def api(env: dict[str, str]) -> Iterator[None]:
    """The mock as the API of `env`."""
    with mock_server(MockOptions()) as server:
        env["CLINE_API_BASE_URL"] = server.base_url
        yield


@pytest.mark.usefixtures("api")
def test_watch_counts_runs_and_sums_up(env: dict[str, str]) -> None:
    done = run(["doctor", "--watch", "0.05", "--count", "3"], env)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0
    assert all(re.fullmatch(r"\S+  ok  \(.*first_byte .* ms\)", line) for line in lines[:3])
    assert {line.partition(":")[0] for line in lines[3:]} == {"dns", "tcp", "first_byte"}
    assert all("p50" in line and "p95" in line and "(3 runs)" in line for line in lines[3:])


def test_watch_tells_what_is_wrong_and_ends_with_it(env: dict[str, str]) -> None:
    with refusing() as port:
        env["CLINE_API_BASE_URL"] = f"http://127.0.0.1:{port}"
        done = run(["doctor", "--watch", "0.05", "--count", "2"], env)
    assert done.returncode == 7
    assert done.stdout.count(b"net.tcp") == 2


def test_wait_ends_with_the_report_of_what_is_still_wrong(env: dict[str, str]) -> None:
    with refusing() as port:
        env["CLINE_API_BASE_URL"] = f"http://127.0.0.1:{port}"
        done = run(["doctor", "--wait", "2"], env)
    assert done.returncode == 7
    assert b"clinecli: waiting: net.tcp" in done.stderr
    assert b"root cause: net.tcp" in done.stdout


@pytest.mark.usefixtures("api")
def test_wait_ends_at_once_where_nothing_fails(env: dict[str, str]) -> None:
    done = run(["doctor", "--wait", "60"], env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"all checks passed" in done.stdout


def test_what_is_slower_than_a_report(env: dict[str, str], tmp_path: Path) -> None:
    def slow(connection: socket.socket) -> None:
        while connection.recv(65536):
            # A server that takes its time is the point.
            threading.Event().wait(0.05)
            connection.sendall(REFUSAL)

    with TcpServer(slow) as server:
        env["CLINE_API_BASE_URL"] = f"http://{server.address}"
        report = json.loads(run(["doctor", "--json"], env).stdout)
        told = {}
        for name, first_byte in (("fast", 0.1), ("slow", 1e6)):
            report["timings_ms"] = {"first_byte": first_byte}
            (tmp_path / f"{name}.json").write_text(json.dumps(report))
            done = run(["doctor", "--baseline", f"{name}.json"], env, cwd=tmp_path)
            told[name] = done.stdout.decode()
    assert re.search(r"slower than before: first_byte took [\d.]+ ms, was 0.1 ms", told["fast"])
    assert "nothing is slower than before" in told["slow"]


@pytest.mark.parametrize("text", ["", "[]", '{"timings_ms": 1}', "no JSON"])
@pytest.mark.usefixtures("api")
def test_a_baseline_that_is_no_report(text: str, env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(text)
    done = run(["doctor", "--baseline", "b.json"], env, cwd=tmp_path)
    assert done.returncode == 2
    assert b"b.json is no report of" in done.stderr


def test_a_bundle_has_text_and_json_and_no_secret(env: dict[str, str], tmp_path: Path) -> None:
    body = f'{{"error":{{"code":401,"message":"bad key {KEY}"}}}}'.encode()
    refusal = response(body, status="401 Unauthorized")
    with RawServer(refusal) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["doctor", "--bundle", "ticket.txt"], env, cwd=tmp_path)
    bundle = (tmp_path / "ticket.txt").read_text()
    assert done.returncode == 4
    assert KEY not in bundle
    assert "api.auth" in bundle
    assert json.loads(bundle.strip().splitlines()[-1])["exit_status"] == 4


def test_a_bundle_that_cannot_be_written(env: dict[str, str], tmp_path: Path) -> None:
    with refusing() as port:
        env["CLINE_API_BASE_URL"] = f"http://127.0.0.1:{port}"
        done = run(["doctor", "--bundle", "no/ticket.txt"], env, cwd=tmp_path)
    assert done.returncode == 1
    assert b"cannot write no/ticket.txt" in done.stderr


@pytest.mark.usefixtures("api")
def test_markdown_is_a_table(env: dict[str, str]) -> None:
    done = run(["doctor", "--markdown"], env)
    lines = done.stdout.decode().splitlines()
    assert lines[:2] == ["| check | status | what |", "|---|---|---|"]
    rows = [line for line in lines[2:] if line.startswith("| ")]
    assert all(line.count(" | ") == 2 for line in rows)
    assert {"| `api.auth` | ok | the key is valid<br>personal account |"} <= set(rows)


def test_a_server_puts_no_image_into_a_ticket(env: dict[str, str]) -> None:
    evil = b'{"error":{"code":401,"message":"<img src=x> ![](http://evil.example/x.png) [a](b)"}}'
    with RawServer(response(evil, status="401 Unauthorized")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["doctor", "--markdown"], env)
    assert done.returncode == 4
    assert b"\\<img src=x>" in done.stdout
    for forbidden in (rb"(?<!\\)<img", rb"(?<!\\)!\[", rb"(?<!\\)\[a"):
        assert not re.search(forbidden, done.stdout)


@pytest.mark.usefixtures("api")
def test_watch_as_json(env: dict[str, str]) -> None:
    done = run(["doctor", "--watch", "0.05", "--count", "2", "--json"], env)
    *runs, last = map(json.loads, done.stdout.splitlines())
    assert [(found["ok"], found["exit_status"], found["root_cause"]) for found in runs] == [
        (True, 0, None)
    ] * 2
    assert runs[0]["timings_ms"]["first_byte"] > 0
    assert (last["runs"], last["spread_ms"]["first_byte"]["runs"]) == (2, 2)
    assert last["spread_ms"]["first_byte"]["p50"] <= last["spread_ms"]["first_byte"]["p95"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--count", "2"], b"--count is for --watch alone"),
        (["--wait", "1", "--watch", "1"], b"--wait and --watch exclude each other"),
        (["--watch", "inf"], b"--watch"),
        (["--wait", "1e300"], b"--wait"),
        (["--baseline", "pipe", "--timeout", "0.2"], b"could not be read within 0.2 s"),
    ],
    ids=["count alone", "wait and watch", "watch for ever", "wait for ever", "a pipe"],
)
def test_what_cannot_be_asked_for(
    arguments: list[str], said: bytes, env: dict[str, str], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = run(["doctor", *arguments], env, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr


@pytest.mark.parametrize("flag", ["--bundle", "--save-chain"])
def test_a_pipe_is_no_place_for_a_file(flag: str, env: dict[str, str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = run(["doctor", flag, "pipe"], env, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"cannot write pipe: it is a named pipe" in done.stderr


@pytest.mark.usefixtures("api")
def test_without_certificates_there_is_no_chain_to_save(
    env: dict[str, str], tmp_path: Path
) -> None:
    done = run(["doctor", "--save-chain", "chain.pem"], env, cwd=tmp_path)
    assert done.returncode == 0
    assert b"no certificate was seen: chain.pem is not written" in done.stderr
    assert list(tmp_path.glob("chain*")) == []


def test_a_request_in_a_pipe_that_nobody_writes(env: dict[str, str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = run(["doctor", "message", "--request", "pipe", "--timeout", "0.2"], env, cwd=tmp_path)
    assert done.returncode == 2
    assert b"could not be read within 0.2 s" in done.stdout


def test_the_chain_of_a_server_that_is_not_trusted(env: dict[str, str], tmp_path: Path) -> None:
    authority = Authority()
    with TlsServer(REFUSAL, authority.valid()) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["doctor", "--save-chain", "chain.pem"], env, cwd=tmp_path)
    assert done.returncode == 8
    pem = (tmp_path / "chain.pem").read_text()
    assert ssl.PEM_cert_to_DER_cert(pem[: pem.index("-----END") + 26].strip() + "\n")


def test_an_interrupt_keeps_what_was_said(env: dict[str, str]) -> None:
    asked = threading.Event()

    def silent(connection: socket.socket) -> None:
        if connection.recv(65536):
            asked.set()
            stall(connection)

    with TcpServer(silent) as server:
        env["CLINE_API_BASE_URL"] = f"http://{server.address}"
        with started([*CLI, "doctor", "--json"], env) as process:
            assert asked.wait(PATIENCE)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGINT
    report = json.loads(out)
    assert report["interrupted_at"] == "api.http"
    assert (report["ok"], report["exit_status"]) == (False, 130)
    assert report["checks"][-1]["id"] == "net.ways"


@pytest.mark.usefixtures("api")
def test_an_interrupt_of_watch_sums_up(env: dict[str, str]) -> None:
    with started([*CLI, "doctor", "--watch", "60"], env) as process:
        assert process.stdout
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGINT
    assert b"  ok  " in first
    assert b"first_byte: p50" in rest
