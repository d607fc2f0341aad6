"""What to do about a failed request, as far as only this machine knows it."""

from __future__ import annotations

import os

from clinecli.chat.endpoints import CHAT
from clinecli.config.base_url import BaseUrl
from clinecli.config.hints import fit_hints
from clinecli.config.keys import Key
from clinecli.errors import ClinecliError, Code, RejectedError


def with_advice(
    error: ClinecliError, base_url: BaseUrl, key: Key | None, model: str, *, suggests_models: bool
) -> ClinecliError:
    """The error with hints that fit server, key and model; the nearest models are among them where
    the model is unknown."""
    source = key.source if key else ""
    fitted = fit_hints(error, base_url, path=CHAT, key_source=source, model=model)
    is_unknown = error.http_status == 404 or error.code is Code.UNKNOWN_MODEL
    if not (suggests_models and is_unknown and isinstance(error, RejectedError)):
        return fitted
    from clinecli.models.cache import nearest

    names = nearest(model, os.environ)
    if not names or model in names:
        # Where the model is listed, it is the path that was not found.
        return fitted
    return fitted.with_hint(f"the nearest models: {', '.join(names)}")
