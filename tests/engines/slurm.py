"""A Slurm cluster on this machine, of Debian's slurmctld, slurmd and munge, without systemd.

Each node is a slurmd in a PID namespace of its own. When the namespace's first process is killed,
the kernel kills all that runs in it at once: that is how a machine dies. Needs root.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "sinfo", "unshare")
INSTALL = "apt-get install --no-install-recommends slurmctld slurmd slurm-client munge"
PATIENCE = 120.0

_CONFIGURATION = """\
ClusterName=engines
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
# A node that does not answer for this long is down, and what ran there is queued again.
SlurmdTimeout=5
SlurmctldTimeout=5
MessageTimeout=5
KillWait=2
JobRequeue=1
ReturnToService=2
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MailProg=/bin/true
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
_NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus}\n"


def wait_until(what: str, is_so: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Look again and again: Slurm tells nobody when something happens."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.1)


def missing_programs() -> list[str]:
    """What has to be installed first."""
    return [program for program in PROGRAMS if not shutil.which(program)]


class Cluster:
    """A controller and nodes of two processors each. A context manager."""

    def __init__(self, folder: Path, nodes: tuple[str, ...] = ("n1", "n2")) -> None:
        self._folder = folder
        self._env = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self._names = nodes
        self._nodes: dict[str, subprocess.Popen[bytes]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._stack = stack
            self._configure()
            munge = self._folder / "munge"
            self._start(
                "munged", "-F", "--force", f"--key-file={munge}/key", f"--socket={munge}/socket",
                f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed",
            )  # fmt: skip
            wait_until("munge", (munge / "socket").exists)
            self._start("slurmctld", "-D", "-c")
            for name in self._names:
                self._nodes[name] = self._start(
                    "unshare", "--pid", "--fork", "--mount-proc", "--kill-child",
                    "slurmd", "-D", "-N", name,
                )  # fmt: skip
                stack.callback(self.kill_node, name)
            idle = ["idle"] * len(self._names)
            wait_until("an idle cluster", lambda: self._ask("sinfo", "-hN", "-o", "%T") == idle)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _configure(self) -> None:
        for name in ("munge", "state", *(f"spool.{node}" for node in self._names)):
            (self._folder / name).mkdir(mode=0o700)
        key = self._folder / "munge" / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        host = socket.gethostname()
        ports = _free_ports(len(self._names) + 1)
        text = _CONFIGURATION.format(host=host, folder=self._folder, port=ports[0])
        for name, port in zip(self._names, ports[1:], strict=True):
            text += _NODE.format(name=name, host=host, port=port, cpus=2)
        (self._folder / "slurm.conf").write_text(text)

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self._folder / f"{command[0]}.log").open("ab"))
        process = subprocess.Popen(
            command, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        self._stack.callback(_end, process)
        return process

    def _ask(self, *command: str) -> list[str]:
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, check=False)
        return done.stdout.split()

    def submit(self, script: Path, env: dict[str, str], folder: Path) -> str:
        """Queue a batch script; gives the job's number."""
        done = subprocess.run(
            ["sbatch", "--parsable", f"--chdir={folder}", str(script)],
            env={**env, "SLURM_CONF": self._env["SLURM_CONF"]},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def tasks_on(self, job: str, node: str) -> list[str]:
        """The array's tasks that run on a node."""
        return self._ask("squeue", "-hr", "-j", job, "-t", "RUNNING", "-w", node, "-o", "%K")

    def kill_node(self, name: str) -> None:
        """Let a node die with all that runs on it."""
        process = self._nodes[name]
        process.send_signal(signal.SIGKILL)
        process.wait()

    def wait_for_requeue(self, job: str, tasks: list[str]) -> None:
        """Wait until tasks of a dead node are queued again, and let them start.

        Slurm lets them rest for two minutes first.
        """
        queued = sorted(tasks)
        command = ("squeue", "-hr", "-j", job, "-t", "PENDING", "-o", "%K")
        wait_until("the requeue", lambda: sorted(self._ask(*command)) == queued)
        for task in tasks:
            self._ask("scontrol", "update", f"JobId={job}_{task}", "StartTime=now")

    def wait_for_end(self, job: str) -> None:
        """Wait until no task is queued or runs."""
        wait_until("the end of the job", lambda: not self._ask("squeue", "-hr", "-j", job))


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
