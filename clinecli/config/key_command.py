"""`key_command` of the config file: a program that prints the key."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Mapping

from clinecli.config.files import KEY_BYTES
from clinecli.errors import ConfigError

KEY_COMMAND_TIMEOUT = 30.0
_POLL_SECONDS = 0.1
_HINT = "run the command by hand, or set CLINE_API_KEY"


def run_key_command(command: tuple[str, ...], environ: Mapping[str, str]) -> str:
    """What the command prints. Raises `ConfigError`, which quotes none of it."""
    name = f"key_command ({command[0]})"
    program = _program(command[0], environ)
    if program is None:
        raise ConfigError(f"{name} cannot be run: no such command in PATH", hint=_HINT)
    try:
        process = subprocess.Popen(
            [program, *command[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
    except OSError as error:
        raise ConfigError(f"{name} cannot be run: {error.strerror}", hint=_HINT) from None
    with process:
        try:
            output = _output(process, time.monotonic() + KEY_COMMAND_TIMEOUT)
        except TimeoutError:
            reason = f"{name} did not finish within {KEY_COMMAND_TIMEOUT:.0f} s"
            raise ConfigError(reason, hint=_HINT) from None
        finally:
            process.kill()
    if len(output) > KEY_BYTES:
        reason = f"{name} prints more than {KEY_BYTES // 1024} KiB"
        raise ConfigError(reason, hint="it has to print the key and nothing else")
    if process.returncode:
        raise ConfigError(f"{name} failed with status {process.returncode}", hint=_HINT)
    return output.decode("utf-8", "replace")


def _program(name: str, environ: Mapping[str, str]) -> str | None:
    """The path of a program. What PATH finds in the working directory does not count."""
    if "/" in name:
        return name
    for directory in os.get_exec_path(environ):
        path = f"{directory}/{name}"
        if directory.startswith("/") and os.access(path, os.X_OK):
            return path
    return None


def _output(process: subprocess.Popen[bytes], give_up: float) -> bytes:
    """What a process prints until it ends, or prints more than a key. Raises `TimeoutError`.

    What it leaves behind, such as an agent, may hold its stdout: that is not waited for.
    """
    assert process.stdout
    output = b""
    while len(output) <= KEY_BYTES:
        left = max(give_up - time.monotonic(), 0.0)
        # Asked before it is looked for output: nothing more can come of it then.
        has_ended = process.poll() is not None
        wait = 0.0 if has_ended else min(left, _POLL_SECONDS)
        if not select.select([process.stdout], [], [], wait)[0]:
            if has_ended:
                break
            if not left:
                raise TimeoutError
            continue
        piece = os.read(process.stdout.fileno(), KEY_BYTES)
        if not piece:
            break
        output += piece
    if len(output) <= KEY_BYTES:
        try:
            process.wait(max(give_up - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
    return output
