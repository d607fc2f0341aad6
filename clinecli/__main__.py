"""`clinecli` and `python -m clinecli`: where an error becomes a message and a status."""

from __future__ import annotations

import gc
import os
import re
import signal
import sys
from types import FrameType
from typing import NoReturn

from clinecli.errors import ClinecliError, ExitStatus, InternalError, OutputError, bug_place
from clinecli.streams.stdio import ClosedPipe, Messages, Terminated, die_of, ensure_open


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    # Imports leave no garbage. Python's 700 would have it looked for thirty times until they are
    # done, for a twentieth of the whole call.
    gc.set_threshold(50_000)
    ensure_open()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _terminate)
    arguments = sys.argv[1:]
    try:
        status = _run(arguments)
        if sys.stdout:
            sys.stdout.flush()
    except ClinecliError as error:
        status = _report(error, as_json=_wants_json(arguments))
    except (ClosedPipe, BrokenPipeError):
        die_of(_received[0] if _received else signal.SIGPIPE)
    except Terminated as signalled:
        die_of(signalled.number)
    except OSError as error:
        failure = OutputError(f"input or output failed: {error.strerror}")
        status = _report(failure, as_json=_wants_json(arguments))
    except Exception as error:  # noqa: BLE001 - a bug becomes a message and a status
        status = _report(_bug(error), as_json=_wants_json(arguments))
    # Everything is written and closed: taking the interpreter down module by module would
    # cost a tenth of the whole call.
    os._exit(status)


def _run(arguments: list[str]) -> int:
    from clinecli import cli

    if not arguments:
        Messages().data(cli.help_text().encode())
        return ExitStatus.USAGE
    invocation = cli.parse(arguments)
    if not invocation:
        return ExitStatus.OK
    try:
        return invocation.run()
    except ClinecliError as error:
        return _report(error, as_json=getattr(invocation.options, "json", False))


def _wants_json(arguments: list[str]) -> bool:
    """Whether a command line that could not be parsed asks for JSON, as far as one can tell."""
    flags = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return any(flag == "--json" or re.match("-[vqx]*j", flag) for flag in flags)


def _report(error: ClinecliError, *, as_json: bool) -> ExitStatus:
    if _received:
        # What a signal raises comes out as another error when it meets a lock of `threading`
        # half taken, or when cleaning up fails.
        die_of(_received[0])
    Messages(as_json=as_json).error(error)
    return error.status


def _bug(error: Exception) -> InternalError:
    return InternalError(f"internal error: {type(error).__name__}{bug_place(error)}")


_received: list[int] = []


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    _received.append(number)
    raise Terminated(number)


if __name__ == "__main__":
    main()
