"""Checks of what the key may do: account, credit, model."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from clinecli.catalogue import CLINE_PATH, OPENAI_PATH, RECOMMENDED_PATH, merge
from clinecli.commands.doctor.context import Context
from clinecli.commands.doctor.model import Outcome, failed, ok, skip, warn
from clinecli.commands.doctor.service import (
    ACCOUNT_PATH,
    CHAT_PATH,
    elsewhere,
    second_opinion,
)
from clinecli.errors import AuthError, ClinecliError, CreditError, RejectedError
from clinecli.jsontext import dumps, loads

# The API counts in micro-dollars.
_DOLLAR = 1_000_000
_LOW_DOLLARS = 1
_SUBSCRIPTION = "cline-pass/"
NO_ACCOUNTS = "this server has no account endpoints (it is another OpenAI-compatible one)"


def auth(context: Context) -> Outcome:
    """The account of the key."""
    try:
        account = loads(context.client().get(ACCOUNT_PATH))
    except AuthError as error:
        return failed(error, f"the key is {_which(context)}")
    except ClinecliError as error:
        if error.http_status == 404:
            return _without_accounts(context, error)
        context.account_error = error
        return warn(f"could not verify the key: {error.message}", remedy=error.hint)
    if not isinstance(account, dict) or not isinstance(account.get("id"), str | int):
        return warn(
            "could not verify the key: the account is in an unknown shape",
            remedy="check the base URL, or ask for a reply with --live",
        )
    context.account = account
    context.has_accounts = True
    name = _organization(account)[1]
    return ok("the key is valid", f"active organization: {name}" if name else "personal account")


def _which(context: Context) -> str:
    return f"from {context.key.source}" if context.key else "missing"


def _without_accounts(context: Context, error: ClinecliError) -> Outcome:
    context.has_accounts = False
    wrong = second_opinion(context, error, with_key=True)
    if wrong:
        return failed(elsewhere(context, wrong), f"GET {ACCOUNT_PATH}: HTTP 404")
    return skip(NO_ACCOUNTS)


def _organization(account: dict[str, Any]) -> tuple[str, str]:
    """Id and name of the active organization; empty without one."""
    listed = account.get("organizations")
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and entry.get("active") is True:
            return str(entry.get("organizationId", "")), str(entry.get("name", ""))
    return "", ""


def credit(context: Context) -> Outcome:
    """The balance that is spent: the active organization's, else the user's."""
    if context.has_accounts is False:
        return skip(NO_ACCOUNTS)
    if isinstance(context.account_error, CreditError):
        raise context.account_error
    if context.account is None:
        return skip("the balance is not known without the account")
    organization, name = _organization(context.account)
    whose = f"of the organization {name}" if organization else "of the account"
    kind, owner = ("organizations", organization) if organization else ("users", "")
    path = f"/{kind}/{quote(str(owner or context.account['id']), safe='')}/balance"
    try:
        balance = _balance(context.client().get(path))
    except CreditError:
        raise
    except ClinecliError as error:
        return skip(f"the balance {whose} is not to be had: {error.message}")
    if balance is None:
        return skip(f"the balance {whose} is not to be had: it is no number")
    return _judged(context, balance / _DOLLAR, whose)


def _balance(body: bytes) -> float | None:
    answer = loads(body)
    balance = answer.get("balance") if isinstance(answer, dict) else None
    return None if isinstance(balance, bool) or not isinstance(balance, int | float) else balance


def _judged(context: Context, dollars: float, whose: str) -> Outcome:
    summary = f"the balance {whose} is {'-' if dollars < 0 else ''}${abs(dollars):,.2f}"
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


def wanted_model(context: Context) -> str:
    """The model that would be asked: that of `--request`, else the configured one."""
    try:
        named = context.request.body.get("model") if context.request else None
    except ClinecliError:
        # The check of the message tells.
        named = None
    return named if isinstance(named, str) else context.settings.model


def model(context: Context) -> Outcome:
    """The model in the catalogue of the server."""
    wanted = wanted_model(context)
    try:
        known, is_complete = _catalogue(context, wanted)
    except ClinecliError as error:
        return skip(f"the catalogue is not to be had: {error.message}")
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
    status = _chat_status(context, wanted)
    if status == 404 or (is_complete and status >= 300):
        return failed(RejectedError(missing, hint=remedy))
    return warn(missing, remedy=remedy)


def _plain(model_id: str) -> str:
    """An id as others may spell it: 4-6 for 4.6, and with a variant such as `:free`."""
    return re.sub(r"[._]", "-", model_id.partition(":")[0]).lower()


def _near(wanted: str, known: list[str]) -> list[str]:
    from difflib import get_close_matches

    bare = _plain(wanted).rpartition("/")[2]
    same = [name for name in known if _plain(name).rpartition("/")[2] == bare]
    close = get_close_matches(wanted, known, n=3)
    part = [name for name in known if bare in _plain(name)]
    return list(dict.fromkeys([*same, *close, *part]))[:3]


def _catalogue(context: Context, wanted: str) -> tuple[list[str], bool]:
    """The ids that the server lists, and whether they are all that it serves. Other
    OpenAI-compatible servers promise no such thing."""
    try:
        listed = _get(context, CLINE_PATH)
    except RejectedError as error:
        if error.http_status != 404:
            raise
        return [entry.id for entry in merge(_get(context, OPENAI_PATH))], False
    known = [entry.id for entry in merge(listed)]
    if wanted in known:
        return known, True
    try:
        recommended = _get(context, RECOMMENDED_PATH)
    except ClinecliError as error:
        return known, error.http_status == 404
    return [entry.id for entry in merge(listed, recommended)], True


def _get(context: Context, path: str) -> bytes:
    """A list, without the key where the server does not take it there."""
    try:
        return context.client().get(path)
    except AuthError:
        return context.client().get(path, with_key=False)


def _chat_status(context: Context, wanted: str) -> int:
    """What the chat endpoint answers when the model is asked nothing, which costs nothing: 404
    where it knows the model by no name, a success where it looks at no name. 400 tells nothing.
    """
    body = dumps({"model": wanted, "messages": [], "stream": False})
    try:
        return context.client().probe("POST", CHAT_PATH, body).status
    except ClinecliError:
        return 400
