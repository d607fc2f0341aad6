"""Host names and addresses, as they may stand in a URL (RFC 3986, section 3.2.2)."""

from __future__ import annotations

import re

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
# Underscores are no part of the rule (RFC 1123), but of many a name in a container network.
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# `127.1`, `0x7f.1` and `2130706433` are addresses to some programs and names to others.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# IDNA of 2003, which is Python's, maps these to others or to nothing; that of 2008 does not.
_DEVIATIONS = frozenset("ßς\u200c\u200d")
_LONGEST_NAME = 253

_IPV4_HINT = "an IPv4 address is four numbers from 0 to 255 with a dot between"
_ASCII_HINT = "write the host in its ASCII form (xn--…)"


class BadHost(ValueError):
    """What stands in the place of a host is none. `hint` says what to do; empty where nothing
    more is known."""

    def __init__(self, hint: str = "") -> None:
        super().__init__(hint)
        self.hint = hint


def parse_host(text: str) -> str:
    """A host as it is resolved: ASCII in lower case, an IPv6 address without brackets.

    Raises `BadHost`.
    """
    if ":" in text:
        return _ipv6(text)
    host = text.lower() if text.isascii() else _ascii(text)
    labels = host.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        if not _IPV4.fullmatch(host):
            raise BadHost(_IPV4_HINT)
        return host
    if len(host) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise BadHost
    for label in labels:
        if label.startswith("xn--") and not _is_punycode(label.removeprefix("xn--")):
            raise BadHost("a name that begins with xn-- has to be one in Punycode")
    return host


def is_loopback(host: str) -> bool:
    """Whether a host name or address never leaves this machine (RFC 6761, RFC 1122).

    What a name resolves to is looked at when it is connected to.
    """
    host = host.lower().rstrip(".")
    return (
        host in {"localhost", "::1"}
        or host.endswith(".localhost")
        or (host.startswith("127.") and _IPV4.fullmatch(host) is not None)
    )


def _ipv6(text: str) -> str:
    from socket import AF_INET6, inet_ntop, inet_pton

    try:
        return inet_ntop(AF_INET6, inet_pton(AF_INET6, text))
    except (OSError, ValueError):
        raise BadHost from None


def _ascii(text: str) -> str:
    """The ASCII form of an international name (IDNA), where all versions of it agree."""
    import unicodedata

    kinds = {unicodedata.category(character)[0] for character in text if character not in "-."}
    if _DEVIATIONS & set(text) or not kinds <= {"L", "M", "N"}:
        raise BadHost(_ASCII_HINT)
    try:
        return text.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise BadHost(_ASCII_HINT) from None


def _is_punycode(text: str) -> bool:
    import unicodedata

    try:
        name = text.encode().decode("punycode")
        is_same = name.encode("punycode").decode() == text
    except UnicodeError:
        return False
    # No control character, and none that is not assigned.
    kinds = {unicodedata.category(character)[0] for character in name}
    return is_same and not name.isascii() and not kinds & {"C", "Z"}
