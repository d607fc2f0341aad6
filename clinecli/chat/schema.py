"""`--schema`: does a reply parse and validate?

A schema is looked at before anything is sent. A reply is a stranger's: it may make a pattern take
for ever, or be compared in a time that grows with its square. So `Checker` has its work done by a
function that can be ended (`streams.worker`), with `answer` on its other side; `load_schema` and
`mismatch` do it here and now.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from clinecli.chat.api_errors import one_line
from clinecli.chat.error_body import cut
from clinecli.chat.patterns import with_patterns
from clinecli.errors import Code, IncompleteError, UsageError
from clinecli.jsontext import dumps

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_HINT = "correct the file: https://json-schema.org tells what it may hold"
# What a schema is tried on: whatever refers to itself or to nothing shows at once.
_PROBES: tuple[Any, ...] = (None, True, 1, "a", [], [1], {}, {"a": 1})


def load_schema(schema: Any, path: str) -> Validator:
    """The validator of a JSON Schema, of the draft it names. Raises `UsageError`, with the file
    that it was parsed from, for one that cannot be used."""
    from jsonschema import SchemaError

    try:
        # Numbers that are kept as they were spelled become numbers.
        plain = json.loads(dumps(schema))
        dialect = plain.get("$schema", "") if isinstance(plain, dict) else ""
        if not (isinstance(plain, dict | bool) and isinstance(dialect, str)):
            raise UsageError(f"{path} is not a JSON Schema", hint=_HINT)
        validator = _validator(with_patterns(plain))
        _check_references(validator)
        for probe in _PROBES:
            validator.is_valid(probe)
    except SchemaError as error:
        raise _unusable(path, error.message) from None
    except RecursionError:
        raise _unusable(path, "it refers to itself without end, or is nested too deeply") from None
    except (ValueError, ArithmeticError) as error:
        raise _unusable(path, str(error)) from None
    except LookupError as error:
        raise UsageError(
            f"{path} refers to {str(error.args[0])[:200]}, which is no schema in it",
            code=Code.SCHEMA_REFERENCE,
            hint="put the definition into the schema file: nothing is fetched",
        ) from None
    return validator


def _unusable(path: str, why: str) -> UsageError:
    return UsageError(f"{path} is not a JSON Schema: {why[:200]}", hint=_HINT)


def _registry() -> Any:
    """The drafts' own schemas: a $ref to another URL is not fetched."""
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

    return REGISTRY


def _validator(schema: Any) -> Validator:
    from jsonschema import validators

    kind: Any = validators.validator_for(schema)
    kind.check_schema(schema)
    keywords = {"uniqueItems": _unique_items, "multipleOf": _multiple_of}
    kind = validators.extend(kind, keywords)  # type: ignore[no-untyped-call]
    validator: Validator = kind(schema, registry=_registry())
    return validator


def _check_references(validator: Validator) -> None:
    """Raise `LookupError` with the first reference that leads to no schema."""
    from referencing.jsonschema import DRAFT202012, specification_with

    schema = validator.schema
    if not isinstance(schema, dict):
        return
    dialect = specification_with(schema.get("$schema", ""), default=DRAFT202012)
    root = dialect.create_resource(schema)
    resolver = _registry().with_resource(root.id() or "", root).resolver_with_root(root)
    places = [(root, resolver)]
    while places:
        resource, resolver = places.pop()
        if isinstance(resource.contents, dict):
            for name in ("$ref", "$dynamicRef", "$recursiveRef"):
                _resolve(resource.contents.get(name), resolver)
        for inner in resource.subresources():
            places.append((inner, resolver.in_subresource(inner)))


def _resolve(reference: Any, resolver: Any) -> None:
    from referencing.exceptions import Unresolvable

    if not isinstance(reference, str):
        return
    try:
        found = resolver.lookup(reference).contents
    except (Unresolvable, LookupError, TypeError, ValueError, AttributeError):
        found = None
    if not isinstance(found, dict | bool):
        raise LookupError(reference)


def _unique_items(_validator: Any, unique: Any, instance: Any, _schema: Any) -> Iterator[Exception]:
    """In a time that grows with the size of the array: jsonschema compares each with each."""
    from jsonschema import ValidationError

    if unique is True and isinstance(instance, list):
        seen = set()
        for item in instance:
            spelled = json.dumps(_comparable(item), sort_keys=True)
            if spelled in seen:
                yield ValidationError(f"{json.dumps(item)[:100]} is not unique")
                return
            seen.add(spelled)


def _comparable(value: Any) -> Any:
    """The value with equal numbers spelled alike: 1 is 1.0."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    if isinstance(value, dict):
        return {name: _comparable(item) for name, item in value.items()}
    return value


def _multiple_of(_validator: Any, factor: Any, instance: Any, _schema: Any) -> Iterator[Exception]:
    """Exactly: as decimals, which floats cannot hold."""
    from fractions import Fraction

    from jsonschema import ValidationError

    if isinstance(instance, int | float) and not isinstance(instance, bool):
        exact = (Fraction(repr(number)) for number in (instance, factor))
        quotient = next(exact) / next(exact)
        if quotient.denominator != 1:
            yield ValidationError(f"{instance!r} is not a multiple of {factor!r}")


def mismatch(validator: Validator, text: str) -> IncompleteError | None:
    """Why `text` does not satisfy the schema, or None."""
    from jsonschema.exceptions import best_match

    hint = "ask for JSON alone in the prompt, or try a model with structured outputs (-m)"
    try:
        reply = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        return IncompleteError("the reply is not JSON", code=Code.SCHEMA_MISMATCH, hint=hint)
    error, why = None, ""
    try:
        error = best_match(validator.iter_errors(reply))
    except RecursionError:
        why = "it is nested too deeply"
    except Exception as fault:  # noqa: BLE001
        # A schema may fail in as many ways as it can be written; the reply is there and paid for.
        why = f"the schema fails on it ({type(fault).__name__})"
    if why:
        return _unchecked(why)
    if error is None:
        return None
    return IncompleteError(
        # Secrets are taken out before it is cut to a line.
        f"the reply does not match the schema at {error.json_path}: {cut(error.message, 4000)}",
        code=Code.SCHEMA_MISMATCH,
        hint=hint,
    )


def _unchecked(why: str) -> IncompleteError:
    return IncompleteError(
        f"the reply cannot be checked: {why}",
        code=Code.SCHEMA_UNCHECKED,
        hint="simplify the schema: patterns with repetitions inside repetitions are slow",
    )


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(spelling: str) -> float:
    number = float(spelling)
    return number if math.isfinite(number) else _no_number(spelling)


# The same, by way of bytes


class Checker:
    """A schema whose replies are checked elsewhere: `run` takes a request and seconds, gives what
    `answer` answers, and raises `TimeoutError` after that time, `EOFError` when it fails.

    Raises `UsageError` for a schema that cannot be used.
    """

    def __init__(
        self, schema: Any, path: str, run: Callable[[bytes, float], bytes], seconds: float
    ) -> None:
        self._head = dumps([schema, path]) + b"\n"
        self._run = run
        try:
            found = self._ask(b"", seconds)
        except TimeoutError:
            raise _unusable(path, f"it takes more than {seconds:g} s to read") from None
        except EOFError:
            # No process is to be had: then here.
            self._run = lambda request, _: answer(request)
            found = self._ask(b"", seconds)
        if found:
            raise UsageError(found["message"], code=_code(found["code"]), hint=found["hint"])

    def mismatch(
        self, text: str, seconds: float, redact: Callable[[str], str] = str
    ) -> IncompleteError | None:
        """Why `text` does not satisfy the schema, or None. `redact` takes secrets out of it."""
        found, why = None, ""
        try:
            found = self._ask(b"=" + text.encode("utf-8", "surrogatepass"), seconds)
        except TimeoutError:
            why = f"that takes more than {seconds:.3g} s (--timeout)"
        except EOFError:
            why = "the process that does it has failed"
        if why:
            return _unchecked(why)
        if not found:
            return None
        message = one_line(redact(found["message"]))
        return IncompleteError(message, code=_code(found["code"]), hint=found["hint"])

    def _ask(self, request: bytes, seconds: float) -> Any:
        return json.loads(self._run(self._head + request, seconds))


def _code(name: str | None) -> Code | None:
    return next((code for code in Code if code == name), None)


def answer(request: bytes) -> bytes:
    """What a `Checker` is told: JSON, null where nothing is wrong. `request` is schema and path as
    JSON on a line, and after `=` the reply; without one it is about the schema alone."""
    head, _, reply = request.partition(b"\n")
    error: UsageError | IncompleteError | None = None
    try:
        validator = _loaded(head)
        if reply:
            error = mismatch(validator, reply[1:].decode("utf-8", "surrogatepass"))
    except UsageError as fault:
        error = fault
    told = error and {"message": error.message, "code": error.code, "hint": error.hint}
    return json.dumps(told).encode()


@lru_cache(maxsize=100)
def _loaded(head: bytes) -> Validator:
    from clinecli.jsontext import loads_exact

    schema, path = loads_exact(head.decode())
    return load_schema(schema, path)
