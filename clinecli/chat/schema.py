"""`--schema`: does a reply parse and validate?"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from clinecli.errors import Code, IncompleteError, UsageError
from clinecli.jsontext import dumps

if TYPE_CHECKING:
    from jsonschema.protocols import Validator


def load_schema(schema: Any, path: str) -> Validator:
    """The validator of a JSON Schema, of the draft it names. Raises `UsageError` with the file
    that it was parsed from."""
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry

    hint = "correct the file: https://json-schema.org tells what it may hold"
    # Numbers that are kept as they were spelled become numbers.
    schema = json.loads(dumps(schema))
    dialect = schema.get("$schema", "") if isinstance(schema, dict) else ""
    is_schema = isinstance(schema, dict | bool) and isinstance(dialect, str)
    if not is_schema:
        raise UsageError(f"{path} is not a JSON Schema", hint=hint)
    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise UsageError(f"{path} is not a JSON Schema: {error.message[:200]}", hint=hint) from None
    # An empty registry: a $ref to a URL is not fetched.
    registry: Registry[Any] = Registry()
    validator: Validator = kind(schema, registry=registry)
    return validator


def mismatch(validator: Validator, text: str) -> IncompleteError | None:
    """Why `text` does not satisfy the schema, or None."""
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    hint = "ask for JSON alone in the prompt, or try a model with structured outputs (-m)"
    try:
        reply = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        error = best_match(validator.iter_errors(reply))
    except (ValueError, RecursionError):
        return IncompleteError("the reply is not JSON", code=Code.SCHEMA_MISMATCH, hint=hint)
    except Unresolvable as unresolvable:
        return IncompleteError(
            f"the schema refers to {unresolvable.ref}, which it does not contain",
            code=Code.SCHEMA_REFERENCE,
            hint="put the definition into the schema file: nothing is fetched",
        )
    if error is None:
        return None
    return IncompleteError(
        f"the reply does not match the schema at {error.json_path}: {error.message[:200]}",
        code=Code.SCHEMA_MISMATCH,
        hint=hint,
    )


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(spelling: str) -> float:
    number = float(spelling)
    return number if math.isfinite(number) else _no_number(spelling)
