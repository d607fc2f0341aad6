"""Coverage-guided fuzzing of the SSE decoder and the codec, with the checks of their unit tests.

`nox -s atheris` runs it for a minute; `python -m tests.fuzz.codec [libFuzzer options] [CORPUS]`
for as long as you like. What breaks a check is left in a file `crash-…`: give it as the only
argument to see it again, then make it a case of the unit tests.

The first byte of an input chooses the media type and where the network cuts the rest.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["clinecli"]):
    from clinecli.chat.codec import decode_body, decode_chunk, decode_reply
    from clinecli.errors import ClinecliError
    from tests.unit.chat import test_codec, test_sse

MEDIA_TYPES = ("text/event-stream", "application/json", "text/html", "")
# What random bytes find too rarely.
WORDS = (
    *(b"data: ", b"event: error\n", b"[DONE]", b"\r\n\r\n", b"\n\n", b"\xef\xbb\xbf"),
    *(b'{"choices":[{"', b'"index":0', b'"delta":{', b'"message":{', b'"content":"', b"null"),
    *(b'"tool_calls":[{', b'"function":{', b'"arguments":"', b'"finish_reason":"stop"'),
    *(b'"error":{"', b'"code":"', b'"success":false', b'"usage":{', b"\\ud83d", b"1e999"),
)


def check(data: bytes) -> None:
    """Raise `AssertionError`, or whatever a decoder must not raise, for an input that breaks it."""
    choice, body = data[0] if data else 0, data[1:]
    media_type, size = MEDIA_TYPES[choice & 3], (choice >> 2) + 1
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    expected = test_sse.reference(body)
    assert test_sse.decode(body) == expected
    assert test_sse.decode(*pieces) == expected
    assert test_codec.read(pieces, media_type) == test_codec.read([body], media_type)
    for decode in (decode_chunk, decode_reply):
        test_codec.check_any(decode, body)
    with contextlib.suppress(ClinecliError):
        assert b"\n" not in decode_body(body).raw


def seed(corpus: Path) -> None:
    """Write the tables of the unit tests into the corpus."""
    for number, (body, media_type, _) in enumerate(test_codec.STREAMS.values()):
        choice = MEDIA_TYPES.index(media_type) if media_type in MEDIA_TYPES else 3
        (corpus / f"stream-{number}").write_bytes(bytes([choice | 7 << 2]) + body)
    for number, (body, _) in enumerate(test_sse.COMPLETE.values()):
        (corpus / f"events-{number}").write_bytes(b"\0" + body)


def write_dictionary(path: Path) -> str:
    """Write libFuzzer's word list, and give the option that names it."""
    lines = ['"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in WORDS]
    path.write_text("".join(lines))
    return f"-dict={path}"


def main(arguments: list[str]) -> None:
    """Run libFuzzer, which ends the process."""
    corpus = Path(arguments[-1]) if len(arguments) > 1 else None
    if corpus and corpus.is_dir():
        seed(corpus)
        arguments.insert(1, write_dictionary(corpus.parent / "words.dict"))
    atheris.Setup(arguments, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
