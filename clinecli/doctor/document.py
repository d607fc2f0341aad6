"""Results as JSON, for scripts. Members are only ever added while `schema` stays 1.

The schema is `report.schema.json`, which `clinecli doctor --schema` prints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from signal import SIGINT
from typing import Any, Protocol, runtime_checkable

from clinecli import __version__
from clinecli.config.secret import Redactor
from clinecli.doctor.addresses import Addresses
from clinecli.doctor.api import Greeting
from clinecli.doctor.check import Result, Verdict
from clinecli.doctor.failure_class import failure_class
from clinecli.doctor.proxy import Tunnel
from clinecli.doctor.refusal import RefusedChain
from clinecli.doctor.tcp import Peer
from clinecli.doctor.tls import Handshake
from clinecli.errors import ExitStatus
from clinecli.jsontext import dumps
from clinecli.options.doctor import DoctorOptions
from clinecli.text import clean

SCHEMA = 1
# What makes up the timings of a run, in the order in which a call meets the stages.
_STAGES = {
    "dns": Addresses,
    "tcp": Peer,
    "proxy": Tunnel,
    "tls": Handshake,
    "first_byte": Greeting,
}


@runtime_checkable
class Fact(Protocol):
    """What a check has learned and the report shows to scripts."""

    def as_dict(self) -> dict[str, Any]:
        """Its members in the JSON report."""
        ...


def report(
    results: Sequence[Result],
    verdict: Verdict,
    options: DoctorOptions,
    now: float,
    *,
    redact: Redactor,
    interrupted_at: str | None = None,
) -> bytes:
    """The whole report on one line."""
    root = verdict.root_cause
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "ok": verdict.exit_status == ExitStatus.OK,
        "exit_status": int(verdict.exit_status),
        "root_cause": root.id if root else None,
        "checks": [_check(result) for result in results],
        "failure_class": _class_of(root) if root else None,
        "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
        "clinecli": __version__,
        "options": _options(options),
        "timings_ms": timings(results),
    }
    if interrupted_at:
        # Whatever was found so far: it did not come to its end.
        stopped = {"ok": False, "exit_status": 128 + SIGINT, "interrupted_at": interrupted_at}
        document |= stopped
    return redacted(document, redact).replace(b"##[", b"##\\u005b")


def redacted(document: Any, redact: Redactor) -> bytes:
    """JSON without a secret in any of its strings."""

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            return clean(redact(value))
        if isinstance(value, Mapping):
            return {clean(redact(name)): walk(item) for name, item in value.items()}
        return [walk(item) for item in value] if isinstance(value, list | tuple) else value

    return dumps(walk(document))


def timings(results: Sequence[Result]) -> dict[str, float]:
    """Milliseconds of each stage that was measured."""
    facts = {type(fact): fact for result in results for fact in result.facts}
    found: dict[str, float] = {}
    for stage, kind in _STAGES.items():
        fact = facts.get(kind)
        if isinstance(fact, Addresses | Peer | Tunnel | Handshake | Greeting):
            found[stage] = round(1000 * fact.seconds, 1)
    return found


def timings_line(results: Sequence[Result]) -> str:
    """The same for people."""
    return ", ".join(f"{stage} {took:.1f} ms" for stage, took in timings(results).items())


def _check(result: Result) -> dict[str, Any]:
    error = result.error
    data: dict[str, Any] = {}
    for fact in result.facts:
        if isinstance(fact, Fact) and not isinstance(fact, type):
            data |= fact.as_dict()
    return {
        "id": result.id,
        "title": result.title,
        "status": result.status,
        "summary": result.summary,
        "details": list(result.details),
        "remedy": result.remedy,
        "blocked_by": result.blocked_by,
        "exit_status": None if result.exit_status is None else int(result.exit_status),
        "duration_ms": result.duration_ms,
        "failure_class": _class_of(result),
        "code": str(error.code) if error and error.code else None,
        "server_code": error.server_code if error else None,
        "http_status": error.http_status if error else data.get("http_status"),
        "request_id": error.request_id if error else None,
        "data": data,
    }


def _class_of(result: Result) -> str | None:
    if not result.error:
        return None
    chains = (fact for fact in result.facts if isinstance(fact, RefusedChain))
    is_intercepted = any(chain.interceptor for chain in chains)
    greeting = next((fact for fact in result.facts if isinstance(fact, Greeting)), None)
    return failure_class(
        result.error,
        is_intercepted=is_intercepted,
        for_programs=greeting is not None and not greeting.for_people,
    )


def _options(options: DoctorOptions) -> dict[str, Any]:
    """What was asked for, without values that may be secret."""
    network = options.network
    return {
        "checks": list(options.checks or []),
        "live": options.live,
        "strict": options.strict,
        "request": options.request,
        "model": options.model,
        "base_url": None if "@" in (network.base_url or "") else network.base_url,
        "connect_timeout": network.connect_timeout,
        "timeout": network.timeout,
    }
