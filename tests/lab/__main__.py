"""The lab's command: every case, its verdict, and the score."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from tests.helpers.env import KEY, clean_environment
from tests.helpers.process import CLI
from tests.lab.bench import PUBLIC, Bench, Case, NotCured
from tests.lab.cases import CASES
from tests.lab.certificates import HINT
from tests.lab.resolver import Resolver

_INSIDE = "CLINECLI_LAB"
_SECONDS = 60
_GOAL = 0.98


class Outcome(NamedTuple):
    """What became of a case; empty `faults` mean that doctor is right."""

    name: str
    is_broken: bool
    faults: list[str]


def enter() -> None:
    """Start over in namespaces of our own."""
    command = ["unshare", "-rnm", sys.executable, "-m", "tests.lab", *sys.argv[1:]]
    os.execvpe("unshare", command, {**os.environ, _INSIDE: "1"})


def build_network(directory: Path) -> None:
    """Loopback, a device that swallows everything, and our own resolver and hosts file."""
    for command in (
        "ip link set lo up",
        "ip link add out0 type veth peer name out1",
        "ip addr add 93.184.215.1/24 dev out0",
        "ip link set out0 up",
        "ip link set out1 up",
        "ip route add default via 93.184.215.98 dev out0",
        # The lab's internet: any address of it may be listened at.
        f"ip route add local {PUBLIC}0/24 dev lo",
        "mount --make-rprivate /",
    ):
        subprocess.run(command.split(), check=True)
    # Neighbours that never answer are unreachable after a while; fixed ones stay silent.
    for address in ("93.184.215.98", "93.184.215.99"):
        subprocess.run(
            ["ip", "neigh", "add", address, "lladdr", "02:00:00:00:00:01", "dev", "out0"],
            check=True,
        )
    for name, text in (
        ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:2 attempts:1\n"),
        ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ):
        (directory / name).write_text(text)
        subprocess.run(["mount", "--bind", str(directory / name), f"/etc/{name}"], check=True)


class Answer(NamedTuple):
    """What doctor and `ask` say of a set-up; None for one that hangs."""

    doctor: subprocess.CompletedProcess[bytes] | None
    ask: subprocess.CompletedProcess[bytes] | None

    @property
    def document(self) -> dict[str, Any]:
        """doctor's report."""
        found: dict[str, Any] = json.loads((self.doctor and self.doctor.stdout) or b"{}")
        return found

    @property
    def status(self) -> tuple[int | None, int | None]:
        """How both end."""
        return (
            self.doctor.returncode if self.doctor else None,
            self.ask.returncode if self.ask else None,
        )


def examine(name: str) -> Outcome:
    """Set a case up, ask doctor and `ask`; do what the remedy says, and ask again."""
    case = CASES[name]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (directory / "home").mkdir()
        bench = Bench(stack, directory, clean_environment(directory / "home", CLINE_API_KEY=KEY))
        case.make(bench)
        answer = _asked(bench)
        faults = [*_faults(case, answer)]
        if case.check and answer.doctor:
            faults += _after_cure(case, bench, answer)
    return Outcome(name, case.check is not None, faults)


def _asked(bench: Bench) -> Answer:
    whole = ["--request", bench.request] if bench.request else []
    live = ["--live"] if bench.live else []
    once = [] if bench.may_retry else ["--retries", "0"]
    doctor = [*CLI, "doctor", "--json", *whole, *live, *once, *bench.flags]
    ask = [*CLI, "ask", *(whole or ["hi"]), *once, *bench.flags]
    return Answer(*(_run([*bench.prefix, *command], bench.env) for command in (doctor, ask)))


def _faults(case: Case, answer: Answer) -> Iterator[str]:
    """What is wrong with a verdict."""
    doctor, ask = answer
    if doctor is None or ask is None:
        yield "it hangs"
        return
    found = (answer.document.get("root_cause"), doctor.returncode)
    if found != (case.check, case.status):
        yield f"root cause {found}, not {(case.check, case.status)}"
    if ask.returncode != case.status:
        yield f"`ask` ends with {ask.returncode}"
    text = _text(answer, case.check)
    yield from (f"it does not tell: {word}" for word in case.words if word not in text)
    if KEY.encode() in doctor.stdout + doctor.stderr + ask.stdout + ask.stderr:
        yield "the key leaks"


def _text(answer: Answer, check: str | None) -> str:
    return " ".join(
        f"{found['summary']} {' '.join(found['details'])} {found['remedy']}"
        for found in answer.document.get("checks", [])
        if found["id"] == check
    )


def _after_cure(case: Case, bench: Bench, answer: Answer) -> Iterator[str]:
    """What is wrong with a remedy: it does not say what cures, or that does not cure."""
    checks = answer.document.get("checks", [])
    remedy = next((found["remedy"] for found in checks if found["id"] == case.check), "") or ""
    if not case.cure:
        yield "there is no cure"
        return
    try:
        case.cure(bench, remedy)
    except NotCured as missing:
        yield f"the remedy does not help ({missing}): {remedy}"
        return
    cured = _asked(bench)
    if cured.status != (0, 0):
        cause = cured.document.get("root_cause")
        said = _text(cured, cause)
        yield f"after the cure {cured.status}, {cause}: {said}; the remedy was: {remedy}"


def _run(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[bytes] | None:
    try:
        return subprocess.run(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the cases that are named, or all of them."""
    if os.environ.get(_INSIDE) != "1":
        enter()
    with tempfile.TemporaryDirectory() as directory:
        build_network(Path(directory))
        Resolver()
        names = sys.argv[1:] or [*CASES]
        with ThreadPoolExecutor(4) as pool:
            outcomes = []
            for outcome in pool.map(examine, names):
                outcomes.append(outcome)
                mark = "ok  " if not outcome.faults else "FAIL"
                _say(f"{mark} {outcome.name}  {'; '.join(outcome.faults)}".rstrip())
    _say(HINT)
    score = 1.0
    for is_broken, what in ((True, "broken, named and cured"), (False, "healthy, no alarm")):
        group = [outcome for outcome in outcomes if outcome.is_broken is is_broken]
        right = sum(not outcome.faults for outcome in group)
        if group:
            _say(f"{what}: {right} of {len(group)} ({right / len(group):.0%})")
            score = min(score, right / len(group))
    return 0 if score >= _GOAL else 1


if __name__ == "__main__":
    # Not by exit: the bind mounts end with the namespace, whatever still runs.
    sys.exit(main())
