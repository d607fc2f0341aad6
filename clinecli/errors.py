"""Exit statuses, codes, and errors as values.

Every failure that a user, a server or a network can cause is a `ClinecliError`. Its class
decides the exit status, its `code` names the cause for scripts, and its facts never change:
`but` and `with_hint` return a new error. Words for people are put together in one place, `text`.
"""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum
from typing import Any, ClassVar, Self


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


class Code(StrEnum):
    """What exactly failed, as a word that scripts may rely on: the `code` of a JSON error where
    the server sent none. Append-only; README and man page print the table.

    `meaning` is the cause in a few words. `verify_N` are verification codes of OpenSSL
    (x509_vfy.h), `proxy_N` HTTP statuses with which a proxy answers CONNECT.
    """

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Code:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    NO_KEY = "no_key", "no API key is configured"
    DNS_NOT_FOUND = "dns_not_found", "the host name does not exist"
    DNS_FAILED = "dns_failed", "DNS has no answer now"
    DNS_TIMEOUT = "dns_timeout", "DNS did not answer in time"
    REFUSED = "refused", "nothing listens on that port"
    UNREACHABLE = "unreachable", "no route to the host"
    CONNECT_TIMEOUT = "connect_timeout", "the host did not accept in time (--connect-timeout)"
    CLOSED = "closed", "the connection was closed without an answer"
    PROXY = "proxy", "the proxy failed, is misconfigured, or is no HTTP proxy"
    PROXY_403 = "proxy_403", "the proxy does not allow this host"
    PROXY_407 = "proxy_407", "the proxy asks for credentials"
    PROXY_502 = "proxy_502", "the proxy cannot reach the host"
    PROXY_503 = "proxy_503", "the proxy is overloaded, or cannot reach the host"
    PROXY_504 = "proxy_504", "the host did not answer the proxy in time"
    TRUST = "trust", "the CA certificates of a setting cannot be used"
    VERIFY_9 = "verify_9", "the certificate is not valid yet"
    VERIFY_10 = "verify_10", "the certificate has expired"
    VERIFY_18 = "verify_18", "the certificate is self-signed"
    VERIFY_19 = "verify_19", "a self-signed CA that is not trusted"
    VERIFY_20 = "verify_20", "a CA that is not trusted, or a missing intermediate"
    VERIFY_21 = "verify_21", "a CA that is not trusted, or a missing intermediate"
    VERIFY_62 = "verify_62", "the certificate is for another host name"
    VERIFY_64 = "verify_64", "the certificate is for another IP address"
    VERIFY_85 = "verify_85", "the CA lacks an Authority Key Identifier"
    VERIFY = "verify", "the certificate is refused for another reason"
    PLAIN_TEXT = "plain_text", "the port does not speak TLS"
    CLIENT_CERTIFICATE = "client_certificate", "the server asks for a client certificate"
    TLS_VERSION = "tls_version", "the server speaks no TLS from 1.2 on"
    TLS_CIPHER = "tls_cipher", "no cipher in common, or the host name is refused"
    TLS_WEAK = "tls_weak", "a key or signature is too weak for OpenSSL"
    HANDSHAKE = "handshake", "the TLS handshake failed"
    HANDSHAKE_CUT = "handshake_cut", "the peer cut the TLS handshake"
    TIMEOUT = "timeout", "no complete answer in time (--timeout, --idle-timeout)"
    NOT_THE_API = "not_the_api", "something else than the API answered: HTML, a redirect"
    CUT = "cut", "the reply was cut before its end"
    TOO_LARGE = "too_large", "the reply is larger than clinecli reads"
    EMPTY_REPLY = "empty_reply", "the model's reply has no content"
    LENGTH = "length", "the reply was cut at its length limit"
    CONTENT_FILTER = "content_filter", "a content filter stopped the reply, or the model refused"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded", "the message is longer than the context"
    NO_CODE_BLOCK = "no_code_block", "the reply has no fenced code block (--extract)"
    SCHEMA_MISMATCH = "schema_mismatch", "the reply does not satisfy --schema"
    SCHEMA_UNCHECKED = "schema_unchecked", "the schema cannot check the reply, or not in time"
    SCHEMA_REFERENCE = "schema_reference", "the schema refers to what it does not contain"
    QUOTA = "quota", "a quota of the model or the plan is used up"
    UNKNOWN_MODEL = "unknown_model", "the API does not have the model"
    MAX_COST = "max_cost", "the request could cost more than --max-cost"
    REGION = "region", "the service is not offered to this country or region"


class Retry(Enum):
    """How often a failed call may be tried again: `limit` attempts more, None for as many as
    `--retries` allows. `--retries` caps every one of them."""

    NEVER = 0
    ONCE = 1
    TWICE = 2
    AS_ASKED = None

    @property
    def limit(self) -> int | None:
        """The most attempts after the first; None leaves it to `--retries`."""
        limit: int | None = self.value
        return limit


class ClinecliError(Exception):
    """Base of all failures that have an exit status. A value: no attribute can be assigned.

    `message` says what failed and where, each of `hints` what to do next; none ever holds a key.
    `code` is the cause by our own table. `http_status`, `server_code` and `request_id` are the
    server's, where it sent them; `retry_after` is its wish in seconds.
    """

    status: ClassVar[ExitStatus] = ExitStatus.INTERNAL
    default_hint: ClassVar[str] = ""
    default_retry: ClassVar[Retry] = Retry.NEVER

    message: str
    hints: tuple[str, ...]
    code: Code | None
    server_code: str | None
    http_status: int | None
    request_id: str | None
    retry: Retry
    retry_after: float | None

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        hints: tuple[str, ...] | None = None,
        code: Code | None = None,
        server_code: str | None = None,
        http_status: int | None = None,
        request_id: str | None = None,
        retry: Retry | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        if hints is None:
            hints = (self.default_hint if hint is None else hint,)
        # Not by assignment, which is closed.
        self.__dict__.update(
            message=message,
            hints=tuple(filter(None, hints)),
            code=code,
            server_code=server_code,
            http_status=http_status,
            request_id=request_id,
            retry=self.default_retry if retry is None else retry,
            retry_after=retry_after,
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("__"):
            raise AttributeError(f"an error is a value: use but({name}=…)")
        # Python's own: contextlib sets __traceback__.
        super().__setattr__(name, value)

    def but(self, **changes: Any) -> Self:
        """The same error with some of its facts changed."""
        facts = {name: value for name, value in vars(self).items() if not name.startswith("__")}
        return type(self)(**{**facts, **changes}).with_traceback(self.__traceback__)

    def with_hint(self, hint: str) -> Self:
        """The same error with one more thing to do."""
        return self.but(hints=(*self.hints, hint))

    @property
    def kind(self) -> str:
        """The name of the exit status."""
        return self.status.label

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later without a change."""
        return self.retry is not Retry.NEVER

    @property
    def hint(self) -> str:
        """All hints as one line."""
        line = ""
        for hint in self.hints:
            line += f"{' ' if line.endswith('?') else '; '}{hint}" if line else hint
        return line

    @property
    def text(self) -> str:
        """The message as people see it: what the server said of the failure is in parentheses."""
        where = [f"HTTP {self.http_status}"] if self.http_status else []
        if self.server_code and self.server_code != str(self.http_status):
            where.append(f"code {self.server_code}")
        where += [f"request {self.request_id}"] if self.request_id else []
        return f"{self.message} ({', '.join(where)})" if where else self.message

    def as_dict(self) -> dict[str, Any]:
        """The object that `--json` prints under `error`. `code` is the server's where it sent
        one, else ours."""
        return {
            "kind": self.kind,
            "message": self.text,
            "hint": self.hint,
            "status": self.http_status,
            "code": self.server_code or (str(self.code) if self.code else None),
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
    default_retry = Retry.AS_ASKED


class TlsError(ClinecliError):
    status = ExitStatus.TLS
    default_hint = "if a proxy inspects TLS, pass its CA with --ca-file or SSL_CERT_FILE"


class RejectedError(ClinecliError):
    status = ExitStatus.REJECTED
    default_hint = "the request itself is at fault: look at it with --dry-run"


class TransientError(ClinecliError):
    status = ExitStatus.TRANSIENT
    default_hint = "try again later, or raise --retries and --timeout"
    default_retry = Retry.AS_ASKED


class IncompleteError(ClinecliError):
    """The reply is not a complete, non-empty answer."""

    status = ExitStatus.INCOMPLETE
    default_hint = "run it again; if it persists, try another model (-m)"
