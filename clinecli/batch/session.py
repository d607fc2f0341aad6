"""One run of a batch on what is prepared: engine, wire, outputs and progress put together."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from typing import NamedTuple

from clinecli.batch.copies import Copies, Spool
from clinecli.batch.engine import Engine, Feed, Policy, Ticket
from clinecli.batch.judge import Judge
from clinecli.batch.limits import Throttle
from clinecli.batch.money import Budget
from clinecli.batch.outputs import InOrder, Results
from clinecli.batch.plan import Plan
from clinecli.batch.prepare import Stored
from clinecli.batch.progress import Progress
from clinecli.batch.room import room_for
from clinecli.batch.run import Rim, run
from clinecli.batch.store import ResultFile
from clinecli.batch.summary import End
from clinecli.batch.tally import Tally
from clinecli.batch.wire import Wire
from clinecli.chat.endpoints import CHAT
from clinecli.config.secret import Secret
from clinecli.errors import OutputError
from clinecli.streams.console import Console
from clinecli.streams.descriptors import STDOUT, is_terminal
from clinecli.streams.stdout import StdoutSink
from clinecli.streams.worker import Worker
from clinecli.transport.client import JSON, Call, EarlyConnection, Transport
from clinecli.transport.deadline import Deadline


class Session(NamedTuple):
    """What a run needs. `output` is None for stdout. `rows` is how many there are to be answered,
    None where that is not known."""

    plan: Plan
    output: ResultFile | None
    errors: ResultFile | None
    kept: Stored
    transport: Transport
    early: EarlyConnection | None
    key: Secret
    console: Console
    rows: int | None
    copies: Copies | None = None
    spool: Spool | None = None


def ask_all(session: Session, feed_of: Callable[[Callable[[], None]], Feed]) -> End:
    """Ask what is left. `feed_of` makes the feed; it gets what wakes the loop.

    Raises `OutputError` and `ClosedPipe`.
    """
    plan, checkpoint = session.plan, session.kept.checkpoint
    started = time.monotonic()
    redact = session.transport.redactor(session.key, *_secrets(session))
    wire = Wire(session.transport, redact, session.early)
    tally = Tally(checkpoint.answered, checkpoint.failed)
    jobs = _jobs(session)
    throttle = Throttle(jobs, plan.rpm, plan.tpm)
    feed = feed_of(wire.wake)
    in_order = _in_order(session, feed)
    engine = _engine(session, in_order or feed, throttle, tally)
    files = tuple(file for file in (session.output, session.errors) if file)
    rim = Rim(
        engine,
        wire,
        _results(session, in_order),
        files,
        _calls(session),
        Progress(session.console, tally, throttle, session.rows).show,
        session.console.note,
        plan.options.grace,
    )
    try:
        run(rim)
    except OutputError:
        with contextlib.suppress(OutputError):
            _sync(files)
        raise
    finally:
        session.console.status("")
        wire.close()
    if in_order:
        in_order.close()
    _sync(files)
    seconds = time.monotonic() - started
    return End(tally, engine.stop, session.rows, seconds, resumes=_is_file(session))


def _jobs(session: Session) -> int:
    """How many requests may be in the air."""
    wanted = session.plan.options.jobs
    jobs = room_for(wanted)
    if jobs < wanted:
        session.console.note(
            f"--jobs {wanted}: this system allows too few open files, {jobs} at most are in the "
            "air; raise it with ulimit -n"
        )
    return jobs


def _engine(session: Session, feed: Feed, throttle: Throttle, tally: Tally) -> Engine:
    plan, settings = session.plan, session.plan.settings
    tolerance = plan.tolerance._replace(rows=session.rows)
    return Engine(
        Policy(plan.options.jobs, settings.retries, settings.timeout, tolerance),
        feed,
        throttle,
        tally=tally,
        budget=Budget(plan.cap, session.kept.spent),
        prices=plan.prices,
        judge=Judge(Worker("clinecli.chat.schema", "answer").ask),
        jitter=random.random,
        copies=session.copies,
    )


def _results(session: Session, in_order: InOrder | None) -> Results:
    return Results(
        in_order.put if in_order else _put(session),
        session.errors,
        text=_is_text(session),
        copies=session.copies,
        spool=session.spool,
    )


def _sync(files: tuple[ResultFile, ...]) -> None:
    for file in files:
        file.sync()


def _is_file(session: Session) -> bool:
    """Whether results go to a file that can be continued."""
    return session.output is not None and session.output.is_regular


def _is_text(session: Session) -> bool:
    """Whether replies alone are written now; a file has them in the end."""
    return session.plan.options.text and not _is_file(session)


def _write(session: Session) -> Callable[[bytes], int | None]:
    """What writes lines to the output; it gives their offset, where there is one."""
    if session.output:
        return session.output.append
    sink = StdoutSink()
    shares_terminal = is_terminal(STDOUT)

    def write(data: bytes) -> None:
        if shares_terminal:
            session.console.status("")
        sink.write(data)
        sink.flush()

    return write


def _put(session: Session) -> Callable[[int, bytes], int | None]:
    write = _write(session)
    return lambda _number, line: write(line) if line else None


def _in_order(session: Session, feed: Feed) -> InOrder | None:
    """What orders a stream; a file is put in order in the end."""
    options = session.plan.options
    if not (options.ordered or options.text) or _is_file(session):
        return None
    return InOrder(feed, _write(session), options.jobs)


def _secrets(session: Session) -> tuple[Secret, ...]:
    """Values of headers that were read from files."""
    request = session.plan.request
    return tuple(Secret(value) for name, value in request.headers if name in request.secret_headers)


def _calls(session: Session) -> Callable[[Ticket], Call]:
    settings = session.plan.settings
    request = session.plan.request
    headers = JSON + request.headers
    secrets = _secrets(session)
    detail = session.console.detail if session.console.verbose else None

    def call(ticket: Ticket) -> Call:
        row, _, spent = ticket.attempt
        deadline = Deadline(settings.timeout, spent=spent)
        return Call(
            "POST",
            CHAT,
            deadline,
            body=row.data,
            headers=headers,
            key=session.key,
            idle=settings.idle_timeout,
            log=detail,
            secrets=secrets,
        )

    return call
