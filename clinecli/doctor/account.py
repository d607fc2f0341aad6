"""Checks of what the key may do: account, credit, model."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from clinecli.chat.codec import json_body
from clinecli.chat.endpoints import ACCOUNT, CLINE_MODELS, OPENAI_MODELS, RECOMMENDED_MODELS
from clinecli.doctor.api import (
    ask_nothing,
    chat_failure,
    elsewhere,
    is_page,
    lists_models,
    wanted_model,
)
from clinecli.doctor.check import Outcome, failed, ok, skip, warn
from clinecli.doctor.context import Context
from clinecli.errors import (
    AuthError,
    ClinecliError,
    CreditError,
    IncompleteError,
    RejectedError,
)
from clinecli.jsontext import loads
from clinecli.models.catalogue import merge

# The API counts in micro-dollars.
_DOLLAR = 1_000_000
_LOW_DOLLARS = 1
_CENT = 0.01
_DECIMAL = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)
_SUBSCRIPTION = "cline-pass/"
NO_ACCOUNTS = "this server has no account endpoints (it is another OpenAI-compatible one)"


def auth(context: Context) -> Outcome:
    """The account of the key."""
    try:
        answer = context.probe(context.call("GET", ACCOUNT))
    except ClinecliError as error:
        if context.is_late:
            raise
        return _doubtful(context, error)
    if answer.failure:
        return _doubtful(context, answer.failure, page=is_page(answer))
    account = loads(json_body(answer.body))
    if not isinstance(account, dict) or not isinstance(account.get("id"), str | int):
        hint = "check the base URL, or ask for a reply with --live"
        return _doubtful(context, IncompleteError("the account is in an unknown shape", hint=hint))
    context.account = account
    context.has_accounts = True
    name = _organization(account)[1]
    return ok("the key is valid", f"active organization: {name}" if name else "personal account")


def _doubtful(context: Context, error: ClinecliError, *, page: bool = False) -> Outcome:
    """An account that is not to be had: the endpoint that `ask` uses tells what that means."""
    word, vouches = _word(context, page=page)
    if isinstance(word, AuthError) or (isinstance(error, AuthError) and not (word or vouches)):
        return _rejected(context, error if isinstance(error, AuthError) else word, page=page)
    if isinstance(word, CreditError):
        context.account_error = word
    missing = error.http_status == 404
    if missing and word and word.http_status in {404, 405} and not _has_models(context):
        return failed(elsewhere(context, word), f"GET {ACCOUNT}: HTTP 404")
    told = error.http_status is not None or isinstance(error, IncompleteError)
    if missing or (told and not context.is_guarded and not isinstance(error, CreditError)):
        context.has_accounts = False
        return skip(NO_ACCOUNTS)
    return warn(f"could not verify the key: {error.text}", remedy=error.hint)


def _word(context: Context, *, page: bool) -> tuple[ClinecliError | None, bool]:
    """What the chat endpoint has against the key or itself, and whether it takes the key. A web
    page says nothing of a key, so that no proof is needed against one."""
    try:
        answer = ask_nothing(context, with_key=True)
        word = chat_failure(answer)
        if word or page or not answer.failure:
            return word, not word
        # It may look at the form of a request before it looks at the key.
        return None, isinstance(ask_nothing(context, with_key=False).failure, AuthError)
    except ClinecliError as error:
        return error, False


def _rejected(context: Context, error: ClinecliError | None, *, page: bool) -> Outcome:
    source = f"the key is from {context.key.source}" if context.key else "the key is missing"
    if not (page and context.is_barred) or error is None:
        return failed(error or AuthError("the key is refused"), source)
    return failed(
        AuthError(
            f"a proxy or gateway refuses, with the key and without: {error.text}",
            hint="it is not the key: ask who runs the gateway, or check base URL and proxy",
            http_status=error.http_status,
        ),
        source,
    )


def _has_models(context: Context) -> bool:
    try:
        return lists_models(context, with_key=True)
    except ClinecliError:
        return False


def _organization(account: dict[str, Any]) -> tuple[str, str]:
    """Id and name of the active organization; empty without one."""
    listed = account.get("organizations")
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and entry.get("active") is True:
            return str(entry.get("organizationId", "")), str(entry.get("name", ""))
    return "", ""


def credit(context: Context) -> Outcome:
    """The balance that is spent: the active organization's, else the user's."""
    if isinstance(context.account_error, CreditError):
        raise context.account_error
    if context.has_accounts is False:
        return skip(NO_ACCOUNTS)
    if context.account is None:
        return skip("the balance is not known without the account")
    organization, name = _organization(context.account)
    whose = f"of the organization {name}" if organization else "of the account"
    kind, owner = ("organizations", organization) if organization else ("users", "")
    path = f"/{kind}/{quote(str(owner or context.account['id']), safe='')}/balance"
    try:
        balance = _balance(context.get(path))
    except CreditError:
        raise
    except ClinecliError as error:
        if context.is_late:
            raise
        return skip(f"the balance {whose} is not to be had: {error.text}")
    if balance is None:
        return skip(f"the balance {whose} is not to be had: it is no number")
    return _judged(context, balance / _DOLLAR, whose)


def _balance(body: bytes) -> float | None:
    answer = loads(body)
    balance = answer.get("balance") if isinstance(answer, dict) else None
    if isinstance(balance, str) and _DECIMAL.fullmatch(balance):
        return float(balance)
    return None if isinstance(balance, bool) or not isinstance(balance, int | float) else balance


def _judged(context: Context, dollars: float, whose: str) -> Outcome:
    amount = f"{abs(dollars):,.2f}"
    if 0 < abs(dollars) < _CENT:
        amount = f"{abs(dollars):.7f}".rstrip("0")
    summary = f"the balance {whose} is {'-' if dollars < 0 else ''}${amount}"
    if dollars <= 0 and wanted_model(context).startswith(_SUBSCRIPTION):
        return warn(
            f"{summary}; the model {wanted_model(context)} is paid by a subscription",
            remedy="add credits at https://app.cline.bot for other models",
        )
    if dollars <= 0:
        return failed(CreditError(summary))
    if dollars < _LOW_DOLLARS:
        return warn(f"{summary}, which is low", remedy=CreditError.default_hint)
    return ok(summary)


# Models


def model(context: Context) -> Outcome:
    """The model in the catalogue of the server."""
    wanted = wanted_model(context)
    try:
        known, is_complete = _catalogue(context, wanted)
    except ClinecliError as error:
        return skip(f"the catalogue is not to be had: {error.text}")
    if not known:
        return skip("the catalogue is empty")
    if wanted in known:
        return ok(f"{wanted} is one of {len(known)} models")
    alias = next((name for name in known if _plain(name) == _plain(wanted)), None)
    if alias:
        return ok(f"{wanted} is listed as {alias}")
    near = _near(wanted, known)
    remedy = f"did you mean {' or '.join(near)}? " if near else ""
    remedy += "`clinecli models` lists what can be asked (-m, CLINE_MODEL)"
    missing = f"the model {wanted} is not among the {len(known)} of the catalogue"
    if not wanted.strip():
        missing = "the name of the model is empty"
    if _is_refused(context, is_complete=is_complete):
        return failed(RejectedError(missing, hint=remedy))
    return warn(missing, remedy=remedy)


def _plain(model_id: str) -> str:
    """An id as others may spell it: 4-6 for 4.6, and with a variant such as `:free`."""
    return re.sub(r"[._]", "-", model_id.partition(":")[0]).lower()


def _near(wanted: str, known: list[str]) -> list[str]:
    from difflib import get_close_matches

    bare = _plain(wanted).rpartition("/")[2].strip()
    if not bare:
        return []
    same = [name for name in known if _plain(name).rpartition("/")[2] == bare]
    close = get_close_matches(wanted, known, n=3)
    part = [name for name in known if bare in _plain(name)]
    return list(dict.fromkeys([*same, *close, *part]))[:3]


def _catalogue(context: Context, wanted: str) -> tuple[list[str], bool]:
    """The ids that the server lists, and whether they are all that it serves. Other
    OpenAI-compatible servers promise no such thing."""
    try:
        listed = _get(context, CLINE_MODELS)
    except RejectedError as error:
        if error.http_status != 404:
            raise
        return [entry.id for entry in merge(_get(context, OPENAI_MODELS))], False
    known = [entry.id for entry in merge(listed)]
    if wanted in known:
        return known, True
    try:
        recommended = _get(context, RECOMMENDED_MODELS)
    except ClinecliError as error:
        return known, error.http_status == 404
    return [entry.id for entry in merge(listed, recommended)], True


def _get(context: Context, path: str) -> bytes:
    """A list, without the key where the server does not take it there."""
    try:
        return context.get(path)
    except AuthError:
        return context.get(path, with_key=False)


def _is_refused(context: Context, *, is_complete: bool) -> bool:
    """Whether the chat endpoint refuses the model when it is asked nothing: by 404 where it knows
    it by no name; 400 tells nothing by itself. Any other trouble is not the model's."""
    try:
        failure = ask_nothing(context, with_key=True).failure
    except ClinecliError:
        return False
    if not isinstance(failure, RejectedError):
        return False
    missing = failure.http_status == 404 or failure.server_code == "model_not_found"
    return missing or (is_complete and failure.http_status in {400, 422})
