"""Errors as the user sees them: two lines, or one JSON object."""

from __future__ import annotations

from clinecli.errors import ClinecliError
from clinecli.text import clean


def error_text(error: ClinecliError) -> str:
    """The one or two lines on stderr."""
    hint = f"\nclinecli: hint: {error.hint}" if error.hint else ""
    return f"clinecli: error: {error.text}{hint}"


def error_json(error: ClinecliError) -> bytes:
    """The JSON object on stderr."""
    fields = error.as_dict()
    fields.update({key: clean(value) for key, value in fields.items() if isinstance(value, str)})
    # Not orjson: a usage error ends the process before anything so large is needed.
    import json

    return json.dumps({"error": fields}, ensure_ascii=False).encode()


def bug_place(error: BaseException) -> str:
    """Where in this package an exception came from: ` in FILE:LINE`. Not its message, which may
    quote what must stay secret."""
    place = ""
    trace = error.__traceback__
    while trace:
        directory, _, file = trace.tb_frame.f_code.co_filename.rpartition("/")
        if "clinecli" in directory:
            place = f" in {file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
