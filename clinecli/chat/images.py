"""Images in messages: what they are by their content, and how they are attached."""

from __future__ import annotations

from clinecli.errors import UsageError

MAX_IMAGE_BYTES = 20 * 1024 * 1024
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
)


def is_url(image: str) -> bool:
    """Whether `--image` names a URL, which is sent as it is, and no file."""
    return image.startswith(("http://", "https://", "data:image/"))


def data_url(data: bytes, name: str) -> str:
    """The `image_url` of an image's bytes, typed by its content and not by its name.

    Raises `UsageError` for what is no PNG, JPEG, GIF or WebP image, or larger than 20 MiB.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise UsageError(
            f"{name} has more than the {MAX_IMAGE_BYTES >> 20} MiB that images may have",
            hint="scale it down, or pass its URL",
        )
    media_type = image_type(data)
    if media_type:
        import base64

        return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    raise UsageError(
        f"{name} is not a PNG, JPEG, GIF or WebP image",
        hint="attach text with --file, or convert the image",
    )


def image_type(data: bytes) -> str | None:
    """The media type of a PNG, JPEG, GIF or WebP image, by its signature; None for all else."""
    for signature, offset, media_type in _SIGNATURES:
        if data[offset : offset + len(signature)] == signature:
            return media_type
    return None
