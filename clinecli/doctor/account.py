"""The check of whether the key is accepted, by what two endpoints say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from clinecli.chat.codec import json_body
from clinecli.chat.endpoints import ACCOUNT
from clinecli.config.keys import Key
from clinecli.doctor.answered import Answered, chat_failure
from clinecli.doctor.api import Greeting, not_at_base_url
from clinecli.doctor.check import Finding, Findings, Planned, failed, ok, skip, warn
from clinecli.doctor.client import Client
from clinecli.doctor.doubts import Doubts
from clinecli.doctor.gateway import refused_by
from clinecli.doctor.key_verdict import AccountSays, ChatSays, Says, judge
from clinecli.doctor.setup import Line, Setup
from clinecli.errors import AuthError, ClinecliError, CreditError, IncompleteError
from clinecli.jsontext import loads

NO_ACCOUNTS = "this server has no account endpoints (it is another OpenAI-compatible one)"


class Account(NamedTuple):
    """The account of the key, as far as it is known. `details` is the API's own object, and
    `error` what the chat endpoint says of the credit."""

    details: Mapping[str, Any] | None = None
    is_missing: bool = False
    error: CreditError | None = None


class _Heard(NamedTuple):
    """What an endpoint said, and the error in it."""

    says: Any
    error: ClinecliError | None
    answer: Answered | None = None
    details: Mapping[str, Any] | None = None


def auth(setup: Setup, known: Findings) -> Finding:
    """The account of the key."""
    client = known[Client]
    if not setup.options.live:
        # It is asked anyway: first, so that no limit that it meets is of doctor's own making.
        _hear_chat(client)
    account = _hear_account(client, known[Greeting])
    if account.says is AccountSays.ACCOUNT:
        return _valid(account)
    chat = _hear_chat(client)
    if chat.says is ChatSays.FORM and _guards(client):
        chat = chat._replace(says=ChatSays.TAKES)
    credit_error = chat.error if isinstance(chat.error, CreditError) else None
    verdict = judge(account.says, chat.says)
    if _is_left_to_chat(setup, known) and _is_a_guess(verdict, chat):
        verdict = Says.LEFT_TO_CHAT
    finding = _FINDINGS[verdict](known, account, chat)
    return finding.knowing(Account(None, verdict is Says.NO_ACCOUNTS, credit_error))


def _is_left_to_chat(setup: Setup, known: Findings) -> bool:
    return setup.options.live and "api.chat" in known[Planned].checks


def _is_a_guess(verdict: Says, chat: _Heard) -> bool:
    """Whether a real request may refute what is concluded of a request without a message."""
    return verdict is Says.UNVERIFIED or (verdict is Says.REJECTED and chat.says is ChatSays.FORM)


def _hear_account(client: Client, greeting: Greeting) -> _Heard:
    try:
        answer = client.side(ACCOUNT)
    except ClinecliError as error:
        return _Heard(AccountSays.OTHER, error)
    failure = answer.failure
    if isinstance(failure, AuthError):
        both = greeting.refusal == "page" or (greeting.status == answer.status == 403)
        if both:
            return _Heard(AccountSays.BARRED, failure, answer)
        return _Heard(AccountSays.PAGE if answer.is_page else AccountSays.REFUSED, failure, answer)
    if failure:
        missing = failure.http_status == 404
        return _Heard(AccountSays.MISSING if missing else AccountSays.OTHER, failure, answer)
    account = loads(json_body(answer.body))
    if not isinstance(account, dict) or not isinstance(account.get("id"), str | int):
        hint = "check the base URL, or ask for a reply with --live"
        unknown = IncompleteError("the account is in an unknown shape", hint=hint)
        return _Heard(AccountSays.OTHER, unknown, answer)
    return _Heard(AccountSays.ACCOUNT, None, answer, account)


def _hear_chat(client: Client) -> _Heard:
    try:
        answer = client.ask_nothing(with_key=True)
    except ClinecliError as error:
        return _Heard(ChatSays.FAILS, error)
    failure = chat_failure(answer)
    if failure is None:
        return _Heard(ChatSays.FORM if answer.failure else ChatSays.TAKES, None, answer)
    if isinstance(failure, AuthError):
        return _Heard(ChatSays.PAGE if answer.is_page else ChatSays.REFUSES, failure, answer)
    if isinstance(failure, CreditError):
        return _Heard(ChatSays.NO_CREDIT, failure, answer)
    absent = failure.http_status in {404, 405} and not client.lists_models(with_key=True)
    return _Heard(ChatSays.ABSENT if absent else ChatSays.FAILS, failure, answer)


def _guards(client: Client) -> bool:
    """Whether the chat endpoint looks at the key before it looks at the form of a request."""
    try:
        return isinstance(client.ask_nothing(with_key=False).failure, AuthError)
    except ClinecliError:
        return False


def _valid(account: _Heard) -> Finding:
    details = account.details or {}
    name = organization_of(details)[1]
    finding = ok("the key is valid", f"active organization: {name}" if name else "personal account")
    return finding.knowing(Account(details))


def _rejected(known: Findings, account: _Heard, chat: _Heard) -> Finding:
    error = account.error if isinstance(account.error, AuthError) else chat.error
    doubts = known.get(Doubts) or Doubts()
    named = _basic(error, account, chat)
    return failed(
        doubts.explain(named) if named is error else named,
        _source(known),
        *_telling(account, chat),
    )


def _gateway(known: Findings, account: _Heard, chat: _Heard) -> Finding:
    if account.says is AccountSays.BARRED and account.error and account.answer:
        answer = account.answer
        what = ", with the key and without"
        error: ClinecliError = refused_by(account.error, answer.headers, answer.words, what)
    else:
        # What is said of the chat endpoint.
        error = chat.error or AuthError("the key is refused")
    return failed(_basic(error, account, chat), _source(known), *_telling(account, chat))


def _basic(error: ClinecliError | None, *heard: _Heard) -> ClinecliError:
    """The same error; where a server asks for user and password instead, it says so."""
    error = error or AuthError("the key is refused")
    for each in heard:
        asked = each.answer.headers.get("www-authenticate", "") if each.answer else ""
        if asked.lower().startswith("basic"):
            return error.but(
                message=f"{error.message}: it asks for user and password ({asked})",
                hints=(
                    (
                        "it is not the key: this server wants a login before it. Check the base "
                        "URL, or ask who runs it"
                    ),
                ),
            )
    return error


def _source(known: Findings) -> str:
    key = known.get(Key)
    return f"the key is from {key.source}" if key else "the key is missing"


def _telling(*heard: _Heard) -> list[str]:
    shown: dict[str, str] = {}
    for each in heard:
        shown.update(each.answer.telling if each.answer else {})
    return [f"{name}: {value}" for name, value in shown.items()]


def _not_the_api(known: Findings, account: _Heard, chat: _Heard) -> Finding:
    error = not_at_base_url(known[Line], chat.error or account.error or IncompleteError("nothing"))
    return failed(error, f"GET {ACCOUNT}: HTTP 404")


def _no_accounts(_known: Findings, _account: _Heard, _chat: _Heard) -> Finding:
    return skip(NO_ACCOUNTS)


def _taken(_known: Findings, account: _Heard, _chat: _Heard) -> Finding:
    return ok("the chat endpoint takes the key", *_why_no_account(account))


def _left_to_chat(_known: Findings, account: _Heard, _chat: _Heard) -> Finding:
    return skip("a real request tells whether the key is good", *_why_no_account(account))


def _why_no_account(account: _Heard) -> list[str]:
    return [f"GET {ACCOUNT}: {account.error.text}"] if account.error else []


def _unverified(known: Findings, account: _Heard, _chat: _Heard) -> Finding:
    error = account.error or IncompleteError("no account")
    doubts = known.get(Doubts) or Doubts()
    said = doubts.explain(error.but(message=f"could not verify the key: {error.message}"))
    return warn(said.text, remedy="ask for real: clinecli doctor --live", error=error)


_FINDINGS = {
    Says.REJECTED: _rejected,
    Says.GATEWAY: _gateway,
    Says.NOT_THE_API: _not_the_api,
    Says.NO_ACCOUNTS: _no_accounts,
    Says.TAKEN: _taken,
    Says.LEFT_TO_CHAT: _left_to_chat,
    Says.UNVERIFIED: _unverified,
}


def organization_of(account: Mapping[str, Any]) -> tuple[str, str]:
    """Id and name of the active organization; empty without one."""
    listed = account.get("organizations")
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and entry.get("active") is True:
            return str(entry.get("organizationId", "")), str(entry.get("name", ""))
    return "", ""
