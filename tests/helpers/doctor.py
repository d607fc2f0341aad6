"""What the tests of `doctor` share: reports that are checked as they come, and a small API."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import jsonschema

from clinecli.cli import parse
from clinecli.doctor.check import Result, select, verdict
from clinecli.doctor.checks import CHECKS
from clinecli.doctor.document import report as json_report
from clinecli.doctor.runner import Run
from clinecli.doctor.setup import Setup, gather
from clinecli.errors import ExitStatus
from clinecli.options.doctor import DoctorOptions
from clinecli.streams.console import Console
from tests.helpers.env import KEY
from tests.helpers.env import ROOT as REPOSITORY
from tests.helpers.process import CLI, no_traceback
from tests.helpers.replies import completion, response
from tests.helpers.servers import RawServer
from tests.helpers.tls import TlsServer

SCHEMA = REPOSITORY / "clinecli" / "doctor" / "report.schema.json"
ROOT = "/api/v1"
MODEL = "anthropic/claude-sonnet-4-6"
NOT_FOUND = response(b'{"error":{"code":404,"message":"no such endpoint"}}', status="404 Not Found")
UNAUTHORIZED = response(b'{"error":{"code":401,"message":"no key"}}', status="401 Unauthorized")

Answers = Mapping[str, bytes | Callable[[bytes, bytes], bytes]]


@cache
def _validator() -> Any:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


class Report:
    """A JSON report: valid, free of the key, and with the status that the process ended with."""

    def __init__(self, line: bytes, status: int) -> None:
        assert KEY.encode() not in line
        self.document: dict[str, Any] = json.loads(line)
        _validator().validate(self.document)
        self.status = status
        assert self.document["exit_status"] == status
        assert self.document["ok"] == (status == 0)
        self.checks: dict[str, dict[str, Any]] = {
            check["id"]: check for check in self.document["checks"]
        }

    def __getitem__(self, name: str) -> dict[str, Any]:
        return self.checks[name]

    @property
    def root_cause(self) -> str | None:
        cause: str | None = self.document["root_cause"]
        return cause

    def ids(self, status: str) -> list[str]:
        """The checks with a status, in order."""
        return [name for name, check in self.checks.items() if check["status"] == status]

    def text(self, name: str) -> str:
        """All that is said of a check."""
        check = self.checks[name]
        return "\n".join([check["summary"], *check["details"], check["remedy"] or ""])


def reported(env: dict[str, str], *arguments: str, command: Iterable[str] = CLI) -> Report:
    """The report of a process: `doctor --json`."""
    done = subprocess.run(
        [*command, "doctor", "--json", *arguments],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    no_traceback(done)
    assert done.stderr == b""
    (line,) = done.stdout.splitlines()
    return Report(line, done.returncode)


def diagnose(env: dict[str, str], *arguments: str, stdin: bytes = b"") -> Report:
    """The same report without a process, for what `broken` does not compare with `ask`."""
    invocation = parse(["doctor", "--json", *arguments])
    assert invocation
    options: DoctorOptions = invocation.options
    console = Console(quiet=True)
    text = stdin.decode() if options.request == "-" else gather(options, console)
    setup = Setup(options, env, console, text)
    run = Run(setup)
    results = [*run.results(select(CHECKS, options.checks or []))]
    found = verdict(results, strict=options.strict)
    document = json_report(results, found, options, setup.now(), redact=run.redactor)
    return Report(document, found.exit_status)


def broken(
    root_cause: str,
    status: int,
    env: dict[str, str],
    *flags: str,
    live: bool = False,
    request: str | None = None,
    command: Sequence[str] = CLI,
) -> Report:
    """The report of a set-up with one fault: it is the root cause, nothing else is failed for it,
    and `ask` exits with the same status."""
    whole = ["--request", request] if request else []
    report = reported(env, *flags, *whole, *(["--live"] if live else []), command=command)
    seen = (report.root_cause, report.status, report.ids("fail"), report.ids("error"))
    assert seen == (root_cause, status, [root_cause], []), report.document
    assert report[root_cause]["remedy"]
    asked = subprocess.run(
        [*command, "ask", *(whole or ["hi"]), "--retries", "0", *flags],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    no_traceback(asked)
    assert asked.returncode == status, asked
    return report


def enveloped(data: Any) -> bytes:
    return response(json.dumps({"data": data, "success": True}).encode())


def listed(*ids: str) -> bytes:
    return response(json.dumps({"data": [{"id": name} for name in ids]}).encode())


ACCOUNT = {"id": "usr-1", "email": "someone@example.com", "organizations": []}
HEALTHY: Answers = {
    "GET /users/me": lambda head, _: (
        enveloped(ACCOUNT) if b"Authorization: Bearer" in head else UNAUTHORIZED
    ),
    "GET /users/usr-1/balance": enveloped({"balance": 12_500_000, "userId": "usr-1"}),
    "GET /ai/cline/models": listed(MODEL, "openai/gpt-4o-mini"),
    "POST /chat/completions": response(completion("hello")),
}


class Routes:
    """Answers by method and path below the API's root, else with `default`."""

    def __init__(self, answers: Answers, default: bytes) -> None:
        self.answers = answers
        self.default = default
        self.server: RawServer | None = None

    def __call__(self, connection: socket.socket, number: int) -> None:
        assert self.server
        head, body = self.server.requests[number]
        method, target = head.split(b" ")[:2]
        name = f"{method.decode()} {target.decode().removeprefix(ROOT)}"
        answer = self.answers.get(name, self.default)
        connection.sendall(answer if isinstance(answer, bytes) else answer(head, body))


def api(
    changes: Answers | None = None,
    *,
    base: Answers = HEALTHY,
    default: bytes = NOT_FOUND,
    context: ssl.SSLContext | None = None,
    address: tuple[str, int] = ("127.0.0.1", 0),
) -> RawServer:
    """A server like the API, but for `changes`; behind TLS with `context`."""
    routes = Routes({**base, **(changes or {})}, default)
    routes.server = TlsServer(routes, context, address) if context else RawServer(routes, address)
    return routes.server


def targets(server: RawServer) -> list[str]:
    """Method and path of every request that came."""
    return [b" ".join(head.split(b" ")[:2]).decode() for head, _ in server.requests]


def a_setup() -> Setup:
    """Nobody's set-up."""
    return Setup(DoctorOptions(), {}, Console(quiet=True))


def result(name: str, status: Any = "ok", exit_status: ExitStatus | None = None) -> Result:
    return Result(name, name, status, f"about {name}", (), "do it", None, exit_status, 0.0)
