"""One word for what failed, for scripts: a table from codes, HTTP statuses and kinds of errors."""

from __future__ import annotations

from clinecli.errors import ClinecliError, Code, CreditError, ExitStatus

_BY_CODE: dict[Code, str] = {
    Code.NO_KEY: "no_key",
    Code.DNS_NOT_FOUND: "dns_not_found",
    Code.DNS_FAILED: "dns_failed",
    Code.DNS_TIMEOUT: "dns_timeout",
    Code.REFUSED: "refused",
    Code.UNREACHABLE: "unreachable",
    Code.CONNECT_TIMEOUT: "timeout",
    Code.CLOSED: "closed",
    Code.PROXY: "proxy",
    Code.PROXY_403: "proxy_forbidden",
    Code.PROXY_407: "proxy_auth",
    Code.PROXY_502: "proxy_upstream",
    Code.PROXY_503: "proxy_upstream",
    Code.PROXY_504: "proxy_upstream",
    Code.TRUST: "trust_settings",
    Code.VERIFY_9: "tls_expired",
    Code.VERIFY_10: "tls_expired",
    Code.VERIFY_18: "tls_untrusted",
    Code.VERIFY_19: "tls_untrusted",
    Code.VERIFY_20: "tls_untrusted",
    Code.VERIFY_21: "tls_untrusted",
    Code.VERIFY_62: "tls_wrong_host",
    Code.VERIFY_64: "tls_wrong_host",
    Code.VERIFY_85: "tls_untrusted",
    Code.VERIFY: "tls_untrusted",
    Code.PLAIN_TEXT: "tls_plain_text",
    Code.CLIENT_CERTIFICATE: "tls_client_certificate",
    Code.TLS_VERSION: "tls_version",
    Code.TLS_CIPHER: "tls_cipher",
    Code.TLS_WEAK: "tls_weak",
    Code.HANDSHAKE: "tls_handshake",
    Code.HANDSHAKE_CUT: "tls_handshake",
    Code.TIMEOUT: "timeout",
    Code.NOT_THE_API: "captive_portal",
    Code.EMPTY_REPLY: "empty_reply",
    Code.REGION: "blocked_region",
}
_BY_HTTP_STATUS = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    407: "proxy_auth",
    413: "too_large",
    429: "throttled",
    451: "blocked_region",
    511: "captive_portal",
}
_BY_KIND = {
    ExitStatus.INTERNAL: "internal",
    ExitStatus.USAGE: "usage",
    ExitStatus.CONFIG: "config",
    ExitStatus.AUTH: "unauthorized",
    ExitStatus.CREDIT: "no_credit",
    ExitStatus.EMPTY_MESSAGE: "empty_message",
    ExitStatus.CONNECTION: "connection",
    ExitStatus.TLS: "tls_handshake",
    ExitStatus.REJECTED: "rejected",
    ExitStatus.TRANSIENT: "server_error",
    ExitStatus.INCOMPLETE: "incomplete",
}
INTERCEPTED = "tls_intercepted"
NOT_THE_API = "not_the_api"
_OTHERS = {INTERCEPTED, NOT_THE_API}
CLASSES = sorted({*_BY_CODE.values(), *_BY_HTTP_STATUS.values(), *_BY_KIND.values(), *_OTHERS})


def failure_class(
    error: ClinecliError, *, is_intercepted: bool = False, for_programs: bool = False
) -> str:
    """The class of a failure. Append-only: scripts depend on the words. What is not the API and
    `for_programs`, no page and no redirect, is no captive portal."""
    if is_intercepted:
        return INTERCEPTED
    if for_programs and error.code is Code.NOT_THE_API:
        return NOT_THE_API
    if isinstance(error, CreditError):
        return _BY_KIND[error.status]
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    return _BY_HTTP_STATUS.get(error.http_status or 0) or _BY_KIND[error.status]
