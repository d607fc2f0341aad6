"""Exit statuses and the one error tree.

Every failure a user, a server or a network can cause is a `ClinecliError`; its class decides
the exit status, so that no caller compares messages or numbers.
"""

from __future__ import annotations

from enum import IntEnum
from types import EllipsisType
from typing import Any, ClassVar


class ExitStatus(IntEnum):
    """What the process exits with. Append-only: scripts depend on the numbers.

    `label` is the name in the documentation and the `kind` of a JSON error, `when` the
    cause in one line; help and man pages are printed from them.
    """

    label: str
    when: str

    def __new__(cls, value: int, label: str, when: str) -> ExitStatus:
        member = int.__new__(cls, value)
        member._value_ = value
        member.label = label
        member.when = when
        return member

    OK = 0, "ok", "a complete, non-empty reply"
    INTERNAL = 1, "internal", "a bug of clinecli, or local output failed (disk full)"
    USAGE = 2, "usage", "bad flags or unreadable input"
    CONFIG = 3, "config", "no key, or a malformed key, base URL or config file; nothing was sent"
    AUTH = 4, "auth", "401 or 403: the key is wrong or may not do this"
    CREDIT = 5, "credit", "402, no credits, a spend limit, a ClinePass or free-model limit"
    EMPTY_MESSAGE = 6, "empty-message", "no user message with content; nothing was sent"
    CONNECTION = 7, "connection", "DNS, refused, unreachable, proxy or connect timeout"
    TLS = 8, "tls", "certificate not trusted, or the handshake failed"
    REJECTED = 9, "rejected", "400, 404, 413, 422, context too long, content filtered"
    TRANSIENT = 10, "transient", "429, 5xx or reply timeout, after retries"
    INCOMPLETE = 11, "incomplete", "empty or cut reply, not the API, length limit, wrong schema"


class ClinecliError(Exception):
    """Base of all failures that have an exit status.

    `message` says what failed and where, `hint` what to do next; neither ever holds a key.
    `http_status`, `code` and `request_id` are the server's, where it sent them.
    `retry_limit` caps automatic retries below the user's `--retries`; None leaves it to that.
    `retry_after` is the server's wish in seconds.
    """

    status: ClassVar[ExitStatus] = ExitStatus.INTERNAL
    default_hint: ClassVar[str] = ""
    default_retry_limit: ClassVar[int | None] = 0

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        http_status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        retry_limit: int | EllipsisType | None = ...,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint
        self.http_status = http_status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        # Ellipsis means "as the class says", since None is a value of its own.
        self.retry_limit = (
            self.default_retry_limit if isinstance(retry_limit, EllipsisType) else retry_limit
        )

    @property
    def kind(self) -> str:
        """The name of the exit status."""
        return self.status.label

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later without a change."""
        return self.retry_limit != 0

    def came_with(self, request_id: str | None) -> None:
        """Name the server's request in the message, unless that is done already."""
        if request_id:
            self.request_id = request_id
            if request_id not in self.message:
                # Into the parentheses that say where it happened, if there are some already.
                opened = self.message.endswith(")")
                where = f", request {request_id})" if opened else f" (request {request_id})"
                self.message = self.message[: -1 if opened else None] + where

    def as_dict(self) -> dict[str, Any]:
        """The object that `--json` prints under `error`."""
        return {
            "kind": self.kind,
            "message": self.message,
            "hint": self.hint,
            "status": self.http_status,
            "code": self.code,
            "request_id": self.request_id,
            "retryable": self.retryable,
            "exit_status": int(self.status),
        }


class InternalError(ClinecliError):
    default_hint = "this is a bug of clinecli: please report it with the command you ran"


class OutputError(ClinecliError):
    """stdout or a local file could not be written."""

    default_hint = "check free space and permissions where the output goes"


class UsageError(ClinecliError):
    """Bad flags, or input that cannot be read."""

    status = ExitStatus.USAGE


class ConfigError(ClinecliError):
    """A setting is missing or malformed; nothing was sent."""

    status = ExitStatus.CONFIG


class AuthError(ClinecliError):
    status = ExitStatus.AUTH
    default_hint = "check the key: create one at https://app.cline.bot, Settings > API Keys"


class CreditError(ClinecliError):
    status = ExitStatus.CREDIT
    default_hint = "add credits at https://app.cline.bot"


class EmptyMessageError(ClinecliError):
    status = ExitStatus.EMPTY_MESSAGE
    default_hint = "give a prompt, pipe text in, or attach a file: clinecli ask 'QUESTION'"


class ConnectionFailed(ClinecliError):
    """Nothing was answered: DNS, TCP or proxy."""

    status = ExitStatus.CONNECTION
    default_hint = "check the network, the base URL and the proxy variables"
    default_retry_limit = None


class TlsError(ClinecliError):
    status = ExitStatus.TLS
    default_hint = "if a proxy inspects TLS, pass its CA with --ca-file or SSL_CERT_FILE"


class RejectedError(ClinecliError):
    status = ExitStatus.REJECTED
    default_hint = "the request itself is at fault: look at it with --dry-run"


class TransientError(ClinecliError):
    status = ExitStatus.TRANSIENT
    default_hint = "try again later, or raise --retries and --timeout"
    default_retry_limit = None


class IncompleteError(ClinecliError):
    """The reply is not a complete, non-empty answer."""

    status = ExitStatus.INCOMPLETE
    default_hint = "run it again; if it persists, try another model (-m)"
