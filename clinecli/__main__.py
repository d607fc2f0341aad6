"""`clinecli` and `python -m clinecli`: where an error becomes a message and a status."""

import _signal  # type: ignore[import-not-found]
import os

# Before anything else is imported. Python's own handler raises KeyboardInterrupt wherever the
# process happens to be, with a traceback, and within the import of a native module with a crash.
# What comes before this line is Python's own start.
try:
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
except KeyboardInterrupt:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    os.kill(os.getpid(), _signal.SIGINT)

import gc
import re
import sys
from typing import NoReturn

from clinecli.errors import ClinecliError, ExitStatus, InternalError, OutputError
from clinecli.streams.console import Console
from clinecli.streams.descriptors import ClosedPipe, ensure_open
from clinecli.streams.report import bug_place


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    # Imports leave no garbage. Python's 700 would have it looked for thirty times until they are
    # done, for a twentieth of the whole call.
    gc.set_threshold(50_000)
    ensure_open()
    arguments = sys.argv[1:]
    try:
        status = _run(arguments)
        if sys.stdout:
            sys.stdout.flush()
    except ClinecliError as error:
        status = _report(error, as_json=_wants_json(arguments))
    except (ClosedPipe, BrokenPipeError):
        from clinecli.streams.signals import die_of

        die_of(_signal.SIGPIPE)
    except OSError as error:
        failure = OutputError(f"input or output failed: {error.strerror}")
        status = _report(failure, as_json=_wants_json(arguments))
    except Exception as error:  # noqa: BLE001 - a bug becomes a message and a status
        status = _report(_unforeseen(error), as_json=_wants_json(arguments))
    # Everything is written and closed: taking the interpreter down module by module would
    # cost a tenth of the whole call.
    os._exit(status)


def _run(arguments: list[str]) -> int:
    from clinecli import cli

    if not arguments:
        Console().text(cli.help_text())
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
    Console(as_json=as_json).error(error)
    return error.status


def _unforeseen(error: Exception) -> ClinecliError:
    """What an exception means that nobody has foreseen: no memory is left, or it is a bug."""
    if isinstance(error, MemoryError) or str(error) == "can't start new thread":
        return ClinecliError(
            "there is not enough memory", hint="raise the limit (ulimit -v), or ask for less"
        )
    if isinstance(error, ImportError) or str(error).startswith("unknown encoding"):
        return ClinecliError(
            f"{getattr(error, 'name', None) or 'a library'} could not be loaded",
            hint="is there enough memory (ulimit -v)? else install clinecli again",
        )
    return _bug(error)


def _bug(error: Exception) -> InternalError:
    return InternalError(f"internal error: {type(error).__name__}{bug_place(error)}")


if __name__ == "__main__":
    main()
