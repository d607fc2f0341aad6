"""What a certificate says of itself, read from its DER (RFC 5280, X.690) and not verified.

Python's ssl tells it of verified certificates only, and `cryptography` is too much for it.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from clinecli.reading import MIB, TooLarge, read_file

_SECONDS = 10.0
_OCTETS = 0x04
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87
_BMP_STRING = 0x1E
_COMMON_NAME, _ORGANIZATION = b"\x55\x04\x03", b"\x55\x04\x0a"
_SUBJECT_ALT_NAME = b"\x55\x1d\x11"


class Certificate(NamedTuple):
    """Whom it is for, by whom and for how long. `names` are its host names and addresses."""

    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Its members in the JSON report."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
        }


class _Item(NamedTuple):
    tag: int
    content: bytes


def read_certificate(der: bytes) -> Certificate | None:
    """The certificate, or None for what is none."""
    try:
        return _certificate(der)
    except (ValueError, IndexError, UnicodeError, StopIteration):
        return None


def client_certificate_of(path: str | None) -> Certificate | None:
    """The certificate of `--cert`."""
    with suppress(OSError, ValueError, TooLarge):
        text = read_file(path or "", limit=MIB, seconds=_SECONDS).decode("latin-1")
        begin = text.index("-----BEGIN CERTIFICATE-----")
        end = text.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")
        return read_certificate(ssl.PEM_cert_to_DER_cert(text[begin:end]))
    return None


def _certificate(der: bytes) -> Certificate:
    (whole,) = _items(der)
    to_be_signed = next(_items(whole.content))
    fields = [item for item in _items(to_be_signed.content) if item.tag != _VERSION]
    _serial, _algorithm, issuer, validity, subject = fields[:5]
    not_before, not_after = (_time(item) for item in _items(validity.content))
    extensions = [item for item in fields[5:] if item.tag == _EXTENSIONS]
    return Certificate(
        _name(subject) or "nobody",
        _name(issuer) or "nobody",
        not_before,
        not_after,
        tuple(_alternative_names(extensions[0].content)) if extensions else (),
    )


def _items(data: bytes) -> Iterator[_Item]:
    """The elements that stand one after another. Raises `ValueError` where there are none."""
    position = 0
    while position < len(data):
        tag, length = data[position], data[position + 1]
        position += 2
        if length >= 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[position : position + size], "big")
            position += size
        if position + length > len(data):
            raise ValueError("cut off")
        yield _Item(tag, data[position : position + length])
        position += length


def _time(item: _Item) -> datetime:
    text = item.content.decode("ascii")
    if item.tag == _UTC_TIME:
        # RFC 5280, section 4.1.2.5.1: years from 50 on are of the last century.
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    elif item.tag != _GENERALIZED_TIME:
        raise ValueError("not a time")
    if len(text) != 15 or not text.endswith("Z") or not text[:-1].isdecimal():
        raise ValueError("not a time")
    # Not by strptime, which takes 2 ms to import.
    month, day, hour, minute, second = (int(text[at : at + 2]) for at in range(4, 14, 2))
    return datetime(int(text[:4]), month, day, hour, minute, second, tzinfo=UTC)


def _name(item: _Item) -> str:
    """Common name and organization, as far as there are any; else every attribute."""
    attributes: list[tuple[bytes, str]] = []
    for relative in _items(item.content):
        for pair in _items(relative.content):
            oid, value = _items(pair.content)
            attributes.append((oid.content, _text(value)))
    wanted = [
        value for oid in (_COMMON_NAME, _ORGANIZATION) for key, value in attributes if key == oid
    ]
    return ", ".join(dict.fromkeys(wanted)) or ", ".join(value for _, value in attributes)


def _text(item: _Item) -> str:
    return item.content.decode("utf-16-be" if item.tag == _BMP_STRING else "utf-8", "replace")


def _alternative_names(extensions: bytes) -> Iterator[str]:
    (listed,) = _items(extensions)
    for extension in _items(listed.content):
        oid, *_critical, value = _items(extension.content)
        if oid.content != _SUBJECT_ALT_NAME or value.tag != _OCTETS:
            continue
        (names,) = _items(value.content)
        for name in _items(names.content):
            if name.tag == _DNS_NAME:
                yield name.content.decode("ascii", "replace")
            elif name.tag == _IP_ADDRESS:
                from ipaddress import ip_address

                yield str(ip_address(name.content))
