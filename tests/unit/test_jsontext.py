from __future__ import annotations

import json
import math
import re
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.jsontext import (
    InvalidJson,
    Number,
    compact,
    dumps,
    dumps_any,
    json_spans,
    loads,
    loads_exact,
    member,
    unwrap,
)

BOM = b"\xef\xbb\xbf"
DEEP = 100_000


def nested(depth: int, core: bytes = b"") -> bytes:
    return b"[" * depth + core + b"]" * depth


def spelled(data: bytes | str) -> Any:
    """A document with numbers as spelled and objects as lists, to compare meaning exactly."""
    return json.loads(
        data,
        strict=False,
        parse_int=lambda s: ("number", s),
        parse_float=lambda s: ("number", s),
        parse_constant=lambda s: ("number", s),
        object_pairs_hook=lambda pairs: ["object", *pairs],
    )


LENIENT: dict[str, tuple[bytes, Any]] = {
    "object": (b'{"a": [1, 2.5, null, true, "x"]}', {"a": [1, 2.5, None, True, "x"]}),
    "scalar": (b"7", 7),
    "white-space": (b" \r\n\t{} \n", {}),
    "utf8": ('"é😀"'.encode(), "é😀"),
    "surrogate-pair": (b'"\\ud83d\\ude00"', "😀"),
    "lone-high-surrogate": (b'"\\ud83d"', "\ud83d"),
    "lone-low-surrogate": (b'["\\ude00x"]', ["\ude00x"]),
    "surrogates-in-wrong-order": (b'"\\ude00\\ud83d"', "\ude00\ud83d"),
    "lone-surrogate-key": (b'{"\\ud83d": 1}', {"\ud83d": 1}),
    "infinity": (b"[Infinity, -Infinity]", [math.inf, -math.inf]),
    "raw-newline": (b'"a\nb"', "a\nb"),
    "raw-tab-and-nul": (b'"a\t\x00b"', "a\t\x00b"),
    "bom": (BOM + b'{"a": 1}', {"a": 1}),
    "bom-and-raw-newline": (BOM + b'"a\nb"', "a\nb"),
    "huge-integer": (b"1" * 400, int("1" * 400)),
    "empty-key": (b'{"": 1}', {"": 1}),
    "duplicate-keys": (b'{"a": 1, "a": 2}', {"a": 2}),
}


INVALID: dict[str, bytes] = {
    "empty": b"",
    "white-space": b" \n",
    "only-bom": BOM,
    "bom-in-the-middle": b"[" + BOM + b"]",
    "html": b"<!DOCTYPE html><html></html>",
    "word": b"hello",
    "done": b"[DONE]",
    "cut-object": b'{"a": [1, 2',
    "cut-string": b'"abc',
    "cut-escape": b'"\\u12',
    "bad-escape": b'"\\x41"',
    "two-documents": b"{}{}",
    "trailing-text": b"{} x",
    "trailing-comma": b"[1,]",
    "single-quotes": b"{'a': 1}",
    "bad-number": b"[01]",
    "not-utf8": b'"\xff\xfe"',
    "cut-utf8": b'"\xf0\x9f\x98"',
    "utf16": '{"a": 1}'.encode("utf-16"),
    "deep-arrays-unclosed": b"[" * DEEP,
    "deep-objects-unclosed": b'{"a":' * DEEP + b"1" + b"}" * (DEEP - 1),
    "deep-closed-too-often": nested(DEEP) + b"]",
    "deep-and-cut-string": b'["' + b"[" * DEEP,
    "deep-and-large": nested(DEEP, b'"' + b" " * 5_000_000 + b'"'),
}


# Nested more deeply than parsers go: what is deep inside is null.
DEEP_DOCUMENTS: dict[str, bytes] = {
    "arrays": nested(DEEP),
    "just-too-deep": nested(1025),
    "objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "lenient": nested(DEEP, b"NaN"),
    "brackets-in-strings": nested(DEEP, b'"]}[{\\""'),
    "surrogate": nested(DEEP, b'"\\ud83d"'),
}


class TestLoads:
    @pytest.mark.parametrize("data", DEEP_DOCUMENTS.values(), ids=DEEP_DOCUMENTS)
    def test_what_is_around_a_deep_value_is_read(self, data: bytes) -> None:
        found = loads(b'{"a": "]", "deep": ' + data + b', "b": [1, {"c": 2}]}')
        assert found.pop("deep") is not None
        assert found == {"a": "]", "b": [1, {"c": 2}]}

    @pytest.mark.parametrize("digits", [4301, 5000, 100_000])
    def test_a_number_of_very_many_digits(self, digits: int) -> None:
        data = b'{"a": ' + b"1" * digits + b', "b": -' + b"1" * digits + b', "c": 1}'
        assert loads(data) == {"a": math.inf, "b": -math.inf, "c": 1}

    @pytest.mark.parametrize(("data", "expected"), LENIENT.values(), ids=LENIENT)
    def test_lenient(self, data: bytes, expected: Any) -> None:
        assert loads(data) == expected

    def test_nan(self) -> None:
        assert math.isnan(loads(b"[NaN]")[0])

    @pytest.mark.parametrize("data", INVALID.values(), ids=INVALID)
    def test_invalid(self, data: bytes) -> None:
        with pytest.raises(InvalidJson):
            loads(data)

    def test_the_error_quotes_nothing(self) -> None:
        with pytest.raises(InvalidJson) as caught:
            loads(b'{"key": "sk-secret')
        assert "secret" not in str(caught.value)
        assert "secret" not in repr(caught.value)

    @pytest.mark.parametrize("depth", [100, 500])
    def test_reasonable_depth_is_read(self, depth: int) -> None:
        assert loads(nested(depth)) == json.loads(nested(depth))

    @given(st.binary(max_size=60))
    def test_property_any_bytes(self, data: bytes) -> None:
        try:
            loads(data)
        except InvalidJson:
            with pytest.raises((ValueError, RecursionError)):
                json.loads(data.decode("utf-8-sig"), strict=False)


ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=12)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_property_loads_reads_all_that_python_writes(value: Any) -> None:
    text = json.dumps(value)
    # Floats are compared as they print, since NaN equals nothing.
    found = loads(text.encode())
    assert spelled_values(found) == spelled_values(json.loads(text))


def spelled_values(value: Any) -> Any:
    """The value with numbers as text: integers beyond 64 bits are floats to orjson."""
    if isinstance(value, dict):
        return {key: spelled_values(item) for key, item in value.items()}
    if isinstance(value, list):
        return [spelled_values(item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(float(value))
    return value


SPELLINGS = """
    0 -0 7 -7 0.0 -0.0 1.0 1.10 0.1 0.10 100 1e5 1E5 1e+5 1e-5 1e05 1e-05 1.5e300 1e22 1e+22
    1E400 -1E400 1e-400 0.00001 0.000001 123456789012345678 1234567890123456789
    12345678901234567890 -12345678901234567890 9007199254740993 18446744073709551616
    3.141592653589793238462643383279 0.30000000000000004 1e16 1e+16 10000000000000000.0
    100000000000000000000.0 5e-324 1.7976931348623157e308 1.7976931348623157e+308
"""


class TestExact:
    @pytest.mark.parametrize("spelling", SPELLINGS.split())
    def test_spelling_survives(self, spelling: str) -> None:
        assert dumps(loads_exact(spelling)).decode() == spelling
        assert dumps(loads_exact(f'{{"a": [{spelling}]}}')).decode() == f'{{"a":[{spelling}]}}'

    @pytest.mark.parametrize("digits", [400, 4000, 10_000])
    def test_any_number_of_digits(self, digits: int) -> None:
        spelling = "1" * digits
        assert dumps(loads_exact(spelling)).decode() == spelling
        assert dumps(loads_exact(f"0.{spelling}")).decode() == f"0.{spelling}"

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            pytest.param("7", 7, id="int"),
            pytest.param("0.5", 0.5, id="float"),
            pytest.param("true", True, id="true"),
            pytest.param("null", None, id="null"),
            pytest.param('"a"', "a", id="text"),
            pytest.param('{"b": 1, "a": [2]}', {"b": 1, "a": [2]}, id="object"),
        ],
    )
    def test_usual_values_are_usual_types(self, text: str, expected: object) -> None:
        found = loads_exact(text)
        assert found == expected
        assert type(found) is type(expected)

    @pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
    def test_constants_are_refused(self, constant: str) -> None:
        with pytest.raises(ValueError, match=f"{constant} is not JSON"):
            loads_exact(f'{{"a": [{constant}]}}')

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            pytest.param("", "line 1 column 1", id="empty"),
            pytest.param('{\n  "a": 1\n  "b": 2\n}', "line 3 column 3", id="comma-missing"),
            pytest.param('{"a": 1} x', "line 1 column 10", id="trailing-text"),
            pytest.param('{"a"', "line 1 column 5", id="cut"),
            pytest.param('"a\nb"', "line 1 column 3", id="raw-newline"),
            pytest.param("[01]", "line 1 column 3", id="leading-zero"),
        ],
    )
    def test_errors_name_the_place(self, text: str, place: str) -> None:
        with pytest.raises(ValueError, match=place):
            loads_exact(text)

    @pytest.mark.parametrize("text", ["[" * DEEP, nested(DEEP).decode(), '{"a":' * DEEP])
    def test_deep_nesting_is_a_value_error(self, text: str) -> None:
        with pytest.raises(ValueError, match="nested too deeply"):
            loads_exact(text)


class TestDumps:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            pytest.param({"b": 1, "a": [1.5, None, True]}, '{"b":1,"a":[1.5,null,true]}', id="any"),
            pytest.param("é😀\n\u2028", '"é😀\\n\u2028"', id="text-stays-utf8"),
            pytest.param(Number("1.10"), "1.10", id="number"),
            pytest.param([{"n": Number("1E400")}], '[{"n":1E400}]', id="number-inside"),
            pytest.param({}, "{}", id="empty"),
        ],
    )
    def test_compact_utf8(self, value: Any, expected: str) -> None:
        assert dumps(value).decode() == expected

    @pytest.mark.parametrize(
        "value",
        [
            pytest.param("\ud83d", id="lone-surrogate"),
            pytest.param({"a": ["\ud83d"]}, id="lone-surrogate-inside"),
            pytest.param({"\ud83d": 1}, id="lone-surrogate-key"),
            pytest.param({1, 2}, id="unknown-type"),
            pytest.param(2**70, id="beyond-64-bits"),
            pytest.param(json.loads(nested(500)), id="deep"),
        ],
    )
    def test_what_cannot_be_written_is_a_value_error(self, value: Any) -> None:
        with pytest.raises(ValueError, match=r"\w"):
            dumps(value)


class TestDumpsAny:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            pytest.param({"a": 1.5}, b'{"a":1.5}', id="usual"),
            pytest.param(["\ud83d"], b'["\\ud83d"]', id="lone-surrogate"),
            pytest.param([10**400, "é"], f'[1{"0" * 400},"é"]'.encode(), id="huge-integer"),
            pytest.param(json.loads(nested(400)), nested(400), id="deep"),
        ],
    )
    def test_what_loads_has_read(self, value: Any, expected: bytes) -> None:
        assert dumps_any(value) == expected

    def test_what_is_too_deep(self) -> None:
        deep: list[Any] = []
        for _ in range(DEEP):
            deep = [deep]
        with pytest.raises(ValueError, match="nested too deeply"):
            dumps_any(deep)

    def test_infinity_is_not_json(self) -> None:
        with pytest.raises(ValueError, match="not JSON"):
            dumps_any([math.inf, 10**400])


def test_numbers_are_equal_by_spelling() -> None:
    assert Number("1.10") == Number("1.10")
    assert hash(Number("1.10")) == hash(Number("1.10"))
    assert Number("1.10") != Number("1.1")
    assert Number("1.10") != 1.1
    assert repr(Number("1.10")) == "Number('1.10')"


# JSON texts, with numbers, white space and escapes in every spelling.
SPACE = st.text(" \t\r\n", max_size=3)
NUMBER = st.from_regex(
    r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)
STRING = st.builds(
    lambda text, ascii_only: json.dumps(text, ensure_ascii=ascii_only),
    st.text(max_size=8) | st.sampled_from(['"', "\\", '\\"', '" : "', "a \n b", "\\\\", "{ }"]),
    st.booleans(),
)


def _container(open_: str, items: list[str], close: str, spaces: list[str]) -> str:
    gaps = iter(spaces * (2 * len(items) + 2))
    inner = ",".join(next(gaps) + item + next(gaps) for item in items)
    return open_ + next(gaps) + inner + close


JSON_TEXTS = st.recursive(
    NUMBER | STRING | st.sampled_from(["true", "false", "null"]),
    lambda inner: st.one_of(
        st.builds(
            lambda items, spaces: _container("[", items, "]", spaces),
            st.lists(inner, max_size=4),
            st.lists(SPACE, min_size=1, max_size=4),
        ),
        st.builds(
            lambda members, spaces: _container(
                "{",
                [f"{key}{spaces[0]}:{spaces[-1]}{value}" for key, value in members],
                "}",
                spaces,
            ),
            # Keys are compared by what they mean: "a" and "\u0061" are the same.
            st.lists(st.tuples(STRING, inner), max_size=4, unique_by=lambda m: json.loads(m[0])),
            st.lists(SPACE, min_size=1, max_size=4),
        ),
    ),
    max_leaves=15,
)


@given(JSON_TEXTS)
def test_property_exact_numbers_survive(text: str) -> None:
    again = dumps(loads_exact(text))
    assert spelled(again) == spelled(text)
    assert dumps(loads_exact(again.decode())) == again


@given(NUMBER)
def test_property_exact_number(spelling: str) -> None:
    assert dumps(loads_exact(spelling)).decode() == spelling


COMPACT: dict[str, tuple[bytes, bytes]] = {
    "already": (b'{"a":[1,2]}', b'{"a":[1,2]}'),
    "pretty": (b'{\n  "a": [\r\n\t1,\n 2 ]\n}\n', b'{"a":[1,2]}'),
    "string-with-space": (b'{ "a b" : " c  d " }', b'{"a b":" c  d "}'),
    "escaped-quote": (b'[ "a\\" b" , "c" ]', b'["a\\" b","c"]'),
    "escaped-backslash": (b'[ "a\\\\" , " b" ]', b'["a\\\\"," b"]'),
    "escapes": (b'[ "\\n\\t\\u00e9\\/" ]', b'["\\n\\t\\u00e9\\/"]'),
    "numbers": (b"[ 1.10 , -0 , 1E400, 0.1e-05 ]", b"[1.10,-0,1E400,0.1e-05]"),
    "key-order-and-duplicates": (b'{"b": 1, "a": 2, "b": 3}', b'{"b":1,"a":2,"b":3}'),
    "utf8": ('{ "é": "😀 \u2028" }'.encode(), '{"é":"😀 \u2028"}'.encode()),
    "no-break-space-is-text": ('["\u00a0"]'.encode(), '["\u00a0"]'.encode()),
    "bom": (BOM + b"{ }", b"{}"),
    "bom-in-a-string": (b'["' + BOM + b'"]', b'["' + BOM + b'"]'),
    "scalar": (b" 7\n", b"7"),
    "lone-surrogate": (b'[ "\\ud83d" ]', b'["\\ud83d"]'),
    "nan": (b"[ NaN ]", b"[NaN]"),
    "raw-newline-in-a-string": (b'[ "a\nb\r\n" ]', b'["a\\u000ab\\u000d\\u000a"]'),
    "raw-control-in-a-string": (b'[ "a\tb\x00\x1f\x7f" ]', b'["a\\u0009b\\u0000\\u001f\x7f"]'),
    "empty": (b"", b""),
}


class TestCompact:
    @pytest.mark.parametrize(("data", "expected"), COMPACT.values(), ids=COMPACT)
    def test_table(self, data: bytes, expected: bytes) -> None:
        assert compact(data) == expected
        if data:
            assert spelled(compact(data)) == spelled(data.removeprefix(BOM))

    def test_a_long_string_of_escapes(self) -> None:
        data = b'"' + b'\\"' * 500_000 + b'"'
        assert compact(b" " + data + b"\n") == data

    def test_what_needs_nothing_is_given_back(self) -> None:
        data = b'{"a":[1,"x y"]}'
        assert compact(data) is data

    # A frame or an object for each character or string would be a hundred times that.
    @pytest.mark.parametrize(
        "data",
        [
            b'{"a":"' + b"x" * 3_000_000 + b'"}',
            b'{"a": "' + b"x \\n" * 750_000 + b'"}',
            b'["' + b'","' * 1_000_000 + b'"]',
            b"[" + b'"", ' * 250_000 + b"1]",
            b'{"a":"' + b'\\"' * 1_500_000 + b'"}',
        ],
        ids=["text", "escapes", "strings", "spaces", "quotes"],
    )
    def test_memory_is_a_few_times_the_size(self, data: bytes) -> None:
        tracemalloc.start()
        line = compact(data)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 3 * len(data) + 1_000_000
        assert json.loads(line) == json.loads(data)

    @given(JSON_TEXTS, SPACE, SPACE)
    def test_property(self, text: str, before: str, after: str) -> None:
        data = (before + text + after).encode()
        line = compact(data)
        literal = rb'"(?:[^"\\]|\\.)*"'
        assert spelled(line) == spelled(data)
        assert not re.search(rb"[\r\n]", line)
        assert re.findall(literal, line) == re.findall(literal, data)
        assert not re.search(rb"\s", re.sub(literal, b"", line))
        assert compact(line) == line

    @given(JSON_VALUES)
    def test_property_what_loads_forgives(self, value: Any) -> None:
        # Text that is JSON but for the control characters in its strings, which stay raw.
        text = re.sub(r"\\u00([01].)", lambda m: chr(int(m[1], 16)), json.dumps(value, indent=1))
        text = text.replace("\\n", "\n").replace("\\r", "\r")
        data = text.encode()
        try:
            meant = loads(data)
        except InvalidJson:
            return  # The replacement cut an escaped backslash in two.
        line = compact(data)
        assert not re.search(rb"[\x00-\x1f]", line)
        assert spelled_values(loads(line)) == spelled_values(meant)


ENVELOPES: dict[str, tuple[str, str]] = {
    "envelope": ('{"success":true,"data":{"a":1}}', '{"a":1}'),
    "other-order": ('{"data":{"a":1},"success":true}', '{"a":1}'),
    "data-alone": ('{"data":[1,2]}', "[1,2]"),
    "with-error-null": ('{"success":true,"data":{},"error":null}', "{}"),
    "with-error-null-and-no-success": ('{"data":{"a":1},"error":null}', '{"a":1}'),
    "raw-control-character": ('{"data":{"a":"\t"}}', '{"a":"\t"}'),
    "with-more-members": ('{"success":true,"data":{"a":1},"requestId":"r"}', '{"a":1}'),
    "numbers-as-spelled": (
        '{"success":true,"data":{"a":1.10,"b":1E400}}',
        '{"a":1.10,"b":1E400}',
    ),
    "escapes-as-spelled": ('{"data":{"\\u0061":"\\/\\ud83d"}}', '{"\\u0061":"\\/\\ud83d"}'),
    "utf8": ('{"data":"é😀","success":true}', '"é😀"'),
    "scalar": ('{"data":1.0}', "1.0"),
    "null": ('{"success":true,"data":null}', "null"),
    "nested-data": ('{"data":{"data":{"success":true}}}', '{"data":{"success":true}}'),
    "braces-in-strings": ('{"data":{"a":"}]\\"}"},"success":true}', '{"a":"}]\\"}"}'),
    "nan": ('{"data":{"a":NaN}}', '{"a":NaN}'),
    "last-of-two-wins": ('{"data":1,"data":2}', "2"),
}


UNTOUCHED: dict[str, str] = {
    "reply": '{"id":"1","choices":[],"data":{"a":1}}',
    "list-of-models-of-openai": '{"object":"list","data":[]}',
    "no-data": '{"success":false,"error":"x"}',
    "empty-object": "{}",
    "array": '[{"data":1}]',
    "array-of-a-string": '["data",1]',
    "string": '"data"',
    "number": "1.10",
    "data-only-deeper": '{"success":{"data":1}}',
    "not-json": '{"data":',
    "not-json-2": '{"data":{"a":1',
    "html": "<html>",
    "empty": "",
    "deep": '{"data":' + "[" * DEEP,
    "bad-name": '{"\\x":1,"data":2}',
    "no-colon": '{"data" 1}',
    "no-comma": '{"data":[] "success":true}',
    "no-value": '{"data":,"success":true}',
}


class TestMember:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('{"data":{"a":1},"requestId":1}', '{"a":1}'),
            ('{"a":"}","data":1.10}', "1.10"),
            ('{"data":"é","x":{}}', '"é"'),
            ('{"data":1,"data":2}', "2"),
            ('{"data":' + nested(DEEP).decode() + ',"x":1}', nested(DEEP).decode()),
        ],
        ids=["object", "number", "text", "twice", "deep"],
    )
    def test_is_verbatim(self, text: str, expected: str) -> None:
        assert member(text.encode(), "data") == expected.encode()

    @pytest.mark.parametrize("text", ["{}", '{"a":1}', "[]", "7", "", '{"data":'])
    def test_that_is_not_there(self, text: str) -> None:
        with pytest.raises(InvalidJson):
            member(text.encode(), "data")


class TestSpans:
    @given(JSON_TEXTS)
    def test_property_of_every_item(self, text: str) -> None:
        line = compact(text.encode()).decode()
        try:
            found = [(name, line[start:end]) for name, start, end in json_spans(line)]
        except InvalidJson:
            assert not isinstance(json.loads(line), list | dict)
            return
        document = json.loads(line, object_pairs_hook=lambda pairs: pairs)
        if line[0] == "[":
            assert [spelled(value) for _, value in found] == spelled(line)
            assert {name for name, _ in found} <= {""}
        else:
            assert [name for name, _ in found] == [name for name, _ in document]
            assert [[name, spelled(value)] for name, value in found] == [
                list(pair) for pair in spelled(line)[1:]
            ]


class TestUnwrap:
    @pytest.mark.parametrize(("text", "expected"), ENVELOPES.values(), ids=ENVELOPES)
    def test_envelope(self, text: str, expected: str) -> None:
        assert unwrap(text.encode()) == expected.encode()

    @pytest.mark.parametrize("text", UNTOUCHED.values(), ids=UNTOUCHED)
    def test_untouched(self, text: str) -> None:
        assert unwrap(text.encode()) == text.encode()

    @given(
        JSON_TEXTS, st.sampled_from(['{"success":true,"data":%s}', '{"data":%s,"success":true}'])
    )
    def test_property_verbatim(self, text: str, envelope: str) -> None:
        payload = compact(text.encode())
        assert unwrap(compact((envelope % text).encode())) == payload

    @given(st.binary(max_size=40))
    def test_property_any_bytes(self, data: bytes) -> None:
        assert unwrap(data) in data
