"""The check of the model: whether the server lists it, or refuses it."""

from __future__ import annotations

import re

from clinecli.chat.endpoints import CLINE_MODELS, OPENAI_MODELS, RECOMMENDED_MODELS
from clinecli.doctor.check import Finding, Findings, failed, ok, skip, warn
from clinecli.doctor.client import Client
from clinecli.doctor.setup import Setup
from clinecli.errors import AuthError, ClinecliError, RejectedError
from clinecli.models.catalogue import merge

_LIVE = "--live asks it for real"


def model(setup: Setup, findings: Findings) -> Finding:
    """The model in the catalogue of the server."""
    client = findings[Client]
    wanted = client.model
    try:
        known = _catalogue(client, wanted)
    except ClinecliError as error:
        return skip(f"the catalogue is not to be had: {error.text}")
    if not known:
        return skip("the catalogue is empty")
    if wanted in known:
        return ok(f"{wanted} is one of {len(known)} models")
    if _is_variant(wanted, known):
        return ok(f"{wanted} is listed with its variants")
    near = _near(wanted, known)
    alias = next((name for name in known if _plain(name) == _plain(wanted)), None)
    missing = f"the model {wanted} is not among the {len(known)} of the catalogue"
    if alias:
        missing = f"the model {wanted} is listed as {alias}"
        near = [alias]
    remedy = f"did you mean {' or '.join(near)}? " if near else ""
    remedy += "`clinecli models` lists what can be asked (-m, CLINE_MODEL)"
    if not wanted.strip():
        missing = "the name of the model is empty"
    if _is_refused(client):
        return failed(RejectedError(missing, hint=remedy))
    live = "" if setup.options.live else f"; {_LIVE}"
    return warn(missing, remedy=f"{remedy}{live}")


def _is_variant(wanted: str, known: list[str]) -> bool:
    """Whether it differs by a variant alone, such as `:free` or `:latest`, on either side."""
    return any(name.partition(":")[0] == wanted.partition(":")[0] for name in known)


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


def _catalogue(client: Client, wanted: str) -> list[str]:
    """The ids that the server lists."""
    try:
        listed = _get(client, CLINE_MODELS)
    except RejectedError as error:
        if error.http_status != 404:
            raise
        return [entry.id for entry in merge(_get(client, OPENAI_MODELS))]
    known = [entry.id for entry in merge(listed)]
    if wanted in known:
        return known
    try:
        recommended = _get(client, RECOMMENDED_MODELS)
    except ClinecliError:
        return known
    return [entry.id for entry in merge(listed, recommended)]


def _get(client: Client, path: str) -> bytes:
    """A list, without the key where the server does not take it there."""
    try:
        return client.document(path)
    except AuthError:
        return client.document(path, with_key=False)


def _is_refused(client: Client) -> bool:
    """Whether the chat endpoint refuses the model when it is asked nothing: by 404 where it knows
    it by no name. 400 is for the missing message: a model may be served that is not listed. Any
    other trouble is not the model's."""
    try:
        failure = client.ask_nothing(with_key=True).failure
    except ClinecliError:
        return False
    return isinstance(failure, RejectedError) and (
        failure.http_status == 404 or failure.server_code == "model_not_found"
    )
