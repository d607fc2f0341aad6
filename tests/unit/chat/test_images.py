"""Images by their content, and their limits."""

from __future__ import annotations

from base64 import b64decode

import pytest

from clinecli.chat.images import MAX_IMAGE_BYTES, data_url, image_type, is_url
from clinecli.errors import UsageError

PNG = b"\x89PNG\r\n\x1a\n"
TYPES: dict[str, tuple[bytes, str | None]] = {
    "png": (PNG + b"rest", "image/png"),
    "jpeg": (b"\xff\xd8\xff\xe0", "image/jpeg"),
    "gif-87": (b"GIF87a", "image/gif"),
    "gif-89": (b"GIF89a..", "image/gif"),
    "webp": (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
    "webp-alone": (b"WEBP", None),
    "signature-later": (b" " + PNG, None),
    "cut": (PNG[:-1], None),
    "svg": (b"<svg/>", None),
    "empty": (b"", None),
}


@pytest.mark.parametrize(("data", "expected"), TYPES.values(), ids=TYPES)
def test_image(data: bytes, expected: str | None) -> None:
    assert image_type(data) == expected
    if expected:
        head, _, encoded = data_url(data, "a.bin").partition(",")
        assert (head, b64decode(encoded)) == (f"data:{expected};base64", data)
        return
    with pytest.raises(UsageError, match=r"^a.bin is not a PNG, JPEG, GIF or WebP") as caught:
        data_url(data, "a.bin")
    assert "--file" in caught.value.hint


def test_the_largest_image() -> None:
    data = PNG.ljust(MAX_IMAGE_BYTES, b"\0")
    assert data_url(data, "a.png").startswith("data:image/png;base64,")
    with pytest.raises(UsageError, match=r"^a.png has more than the 20 MiB that") as caught:
        data_url(data + b"\0", "a.png")
    assert "scale it down" in caught.value.hint


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("http://h/a.png", True),
        ("https://h/a.png", True),
        ("data:image/png;base64,AA==", True),
        ("data:text/plain,x", False),
        ("ftp://h/a.png", False),
        ("a.png", False),
        ("./https://h", False),
    ],
)
def test_is_url(image: str, expected: bool) -> None:
    assert is_url(image) is expected
