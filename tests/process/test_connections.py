"""The connection is begun as soon as it is known that there will be a call, and not before; and
there is one for every attempt."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.helpers.kept import Close, KeptServer, Request
from tests.helpers.process import altered_cli, run
from tests.helpers.replies import completion, response
from tests.helpers.servers import TcpServer

# The first thread after this module was imported is the one that connects; what is imported
# later does not hold it up.
SNAPSHOT = """
import pathlib, threading
file = pathlib.Path({file!r})
start = threading.Thread.start
def snapshot(thread):
    if "clinecli.transport.dial" in sys.modules and not file.exists():
        file.write_text(" ".join(sys.modules))
    start(thread)
threading.Thread.start = snapshot
"""
# What a call with a prompt alone does not need before, and what takes a millisecond or more.
LATER = {
    "base64",
    "clinecli.chat.codec",
    "clinecli.chat.reply",
    "clinecli.transport.exchange",
    "clinecli.transport.failures",
    "dataclasses",
    "encodings.idna",
    "h11",
    "html",
    "inspect",
    "json",
    "orjson",
    "random",
    "ssl",
    "tempfile",
    "tomllib",
    "typer",
}


@pytest.mark.skipif("coverage" in sys.modules, reason="coverage imports in every process")
def test_a_connection_waits_for_no_import_that_it_does_not_need(
    tmp_path: Path, env: dict[str, str]
) -> None:
    file = tmp_path / "modules"
    command = altered_cli(tmp_path, SNAPSHOT.format(file=str(file)))
    with TcpServer(lambda connection: None) as server:
        env["CLINE_API_BASE_URL"] = f"https://{server.address}"
        done = subprocess.run(
            [*command, "ask", "--retries", "0", "hi"],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    # It speaks no TLS.
    assert done.returncode == 8
    modules = set(file.read_text().split())
    assert modules & LATER == set()


NOTHING_SENT: dict[str, tuple[list[str], dict[str, str], int]] = {
    "dry run": (["hi", "--dry-run"], {}, 0),
    "curl": (["hi", "--curl"], {}, 0),
    "a flag's value": (["hi", "-t", "3"], {}, 2),
    "a file that is not there": (["hi", "-f", "/nonexistent"], {}, 2),
    "JSON that is no text": (["hi", "-p", r'x="\ud83d"'], {}, 2),
    "a schema that is none": (["hi", "--schema", "/dev/null"], {}, 2),
    "a malformed key": (["hi"], {"CLINE_API_KEY": "a b"}, 3),
    "no key": (["hi"], {"CLINE_API_KEY": ""}, 3),
    "a CA file that is not there": (["hi", "--ca-file", "/nonexistent"], {}, 3),
    "an empty message": ([" "], {}, 6),
    "an output that cannot be": (["hi", "-o", "/nonexistent/x"], {}, 1),
}


@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize("name", NOTHING_SENT)
def test_nothing_is_connected(name: str, command: str, env: dict[str, str]) -> None:
    arguments, more, status = NOTHING_SENT[name]
    accepted = threading.Event()
    with TcpServer(lambda _: accepted.set()) as server:
        env |= {"CLINE_API_BASE_URL": f"https://{server.address}"} | more
        done = run([command, *arguments], env)
        # Connections are accepted in the order in which they come.
        with socket.create_connection(("127.0.0.1", server.port)):
            assert accepted.wait(60)
        assert server.connections == 1
    assert done.returncode == status


def smuggling(connection: socket.socket, request: Request) -> None:
    """An overloaded gateway, and behind its answer another user's reply."""
    if request.connection == 0:
        first = response(b"{}", status="503 X", Retry_After="0", Connection="keep-alive")
        connection.sendall(first + response(completion("SMUGGLED")))
    else:
        connection.sendall(response(completion("real")))
        raise Close


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_every_attempt_has_a_connection_of_its_own(command: str, env: dict[str, str]) -> None:
    with KeptServer(smuggling) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "hi"], env)
    assert (done.returncode, done.stdout) == (0, b"real\n")
    assert server.places == [(0, 0), (1, 0)]
