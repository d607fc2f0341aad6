"""The lab's command: every case, its verdict, and the score."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.helpers.env import KEY, clean_environment
from tests.helpers.process import CLI

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
        ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:5 attempts:1\n"),
        ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ):
        (directory / name).write_text(text)
        subprocess.run(["mount", "--bind", str(directory / name), f"/etc/{name}"], check=True)


def examine(name: str) -> Outcome:
    """Set a case up, ask doctor and ask `ask`."""
    from tests.lab.cases import Bench, all_cases

    case = next(case for case in all_cases() if case.name == name)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (directory / "home").mkdir()
        bench = Bench(stack, directory, clean_environment(directory / "home", CLINE_API_KEY=KEY))
        case.make(bench)
        whole = ["--request", bench.request] if bench.request else []
        live = ["--live"] if bench.live else []
        done = _run(
            [*bench.prefix, *CLI, "doctor", "--json", *whole, *live, *bench.flags], bench.env
        )
        asked = _run(
            [*bench.prefix, *CLI, "ask", *(whole or ["hi"]), "--retries", "0", *bench.flags],
            bench.env,
        )
    if done is None or asked is None:
        return Outcome(name, case.check is not None, ["it hangs"])
    faults = []
    document = json.loads(done.stdout or b"{}")
    found = (document.get("root_cause"), done.returncode)
    if found != (case.check, case.status):
        faults.append(f"root cause {found}, not {(case.check, case.status)}")
    if asked.returncode != case.status:
        faults.append(f"`ask` ends with {asked.returncode}")
    text = " ".join(
        f"{check['summary']} {' '.join(check['details'])} {check['remedy']}"
        for check in document.get("checks", [])
        if check["id"] == case.check
    )
    faults += [f"it does not tell: {word}" for word in case.words if word not in text]
    secret = KEY.encode()
    if secret in done.stdout + done.stderr + asked.stdout + asked.stderr:
        faults.append("the key leaks")
    return Outcome(name, case.check is not None, faults)


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
    from concurrent.futures import ThreadPoolExecutor

    from tests.lab.cases import NAMES, all_cases
    from tests.lab.resolver import Resolver

    with tempfile.TemporaryDirectory() as directory:
        build_network(Path(directory))
        Resolver(NAMES)
        names = sys.argv[1:] or [case.name for case in all_cases()]
        with ThreadPoolExecutor(4) as pool:
            outcomes = []
            for outcome in pool.map(examine, names):
                outcomes.append(outcome)
                mark = "ok  " if not outcome.faults else "FAIL"
                _say(f"{mark} {outcome.name}  {'; '.join(outcome.faults)}".rstrip())
    _say("")
    score = 1.0
    for is_broken, what in ((True, "broken, named"), (False, "healthy, no alarm")):
        group = [outcome for outcome in outcomes if outcome.is_broken is is_broken]
        right = sum(not outcome.faults for outcome in group)
        if group:
            _say(f"{what}: {right} of {len(group)} ({right / len(group):.0%})")
            score = min(score, right / len(group))
    return 0 if score >= _GOAL else 1


if __name__ == "__main__":
    # Not by exit: the bind mounts end with the namespace, whatever still runs.
    sys.exit(main())
