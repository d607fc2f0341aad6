"""The check of the model: whether the server lists it, or refuses it."""

from __future__ import annotations

import re

from clinecli.doctor.check import Finding, Findings, failed, ok, skip, warn
from clinecli.doctor.client import Client
from clinecli.doctor.setup import Setup
from clinecli.errors import AuthError, ClinecliError, RejectedError

_LIVE = "--live asks it for real"


def model(setup: Setup, findings: Findings) -> Finding:
    """The model in the catalogue of the server."""
    client = findings[Client]
    wanted = client.model
    try:
        known = client.model_ids()
    except ClinecliError as error:
        # That the key is refused is told by another check.
        why = " with this key" if isinstance(error, AuthError) else f": {error.text}"
        return skip(f"the catalogue is not to be had{why}")
    if not known:
        return _nothing_listed(setup, client)
    if wanted in known or _is_variant(wanted, known):
        one = f"one of {len(known)} models" if wanted in known else "listed with its variants"
        return ok(f"{wanted} is {one}")
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


def _nothing_listed(setup: Setup, client: Client) -> Finding:
    """A server that has no model yet, as one for models that were not fetched."""
    missing = f"the server lists no models, and so not {client.model}"
    remedy = "fetch or load a model on the server, or check the base URL"
    if _is_refused(client):
        return failed(RejectedError(missing, hint=remedy))
    return warn(missing, remedy=remedy + ("" if setup.options.live else f"; {_LIVE}"))


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
