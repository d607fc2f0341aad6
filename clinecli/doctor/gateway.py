"""Who answers in the API's place, and why, by what it shows of itself. Pure.

Gateways, firewalls and CDNs refuse by pages, headers and numbers of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from clinecli.errors import AuthError, ClinecliError, Code

# (header, what its value begins with, whose that is)
_MARKS = (
    ("cf-ray", "", "Cloudflare"),
    ("server", "cloudflare", "Cloudflare"),
    ("server", "akamai", "Akamai"),
    ("x-amzn-errortype", "", "Amazon API Gateway"),
    ("server", "awselb", "an AWS load balancer"),
    ("x-amz-cf-id", "", "Amazon CloudFront"),
    ("x-azure-ref", "", "Azure Front Door"),
    ("apim-request-id", "", "Azure API Management"),
    ("x-iinfo", "", "Imperva"),
    ("x-sucuri-id", "", "Sucuri"),
    ("server", "big-ip", "F5 BIG-IP"),
    ("server", "fortigate", "FortiGate"),
    ("server", "zscaler", "Zscaler"),
    ("x-squid-error", "", "Squid"),
    ("server", "squid", "Squid"),
    ("server", "envoy", "Envoy"),
    ("server", "istio-envoy", "Envoy"),
    ("server", "kong", "Kong"),
    ("server", "openresty", "OpenResty"),
    ("server", "nginx", "nginx"),
    ("server", "apache", "Apache"),
    ("server", "microsoft-iis", "IIS"),
    ("x-served-by", "cache-", "Fastly"),
    ("x-varnish", "", "Varnish"),
)


class _Reason(NamedTuple):
    text: str
    hint: str
    code: Code | None = None


_REGION = _Reason(
    "it bars this country or region",
    "it is not the key: the service is not offered to this region or network: ask its operator",
    Code.REGION,
)
_ADDRESS = _Reason(
    "it bars this IP address",
    "it is not the key: try another network, or ask the operator to allow this address",
)
# developers.cloudflare.com, "Cloudflare 1xxx errors".
_CLOUDFLARE = {
    "1006": _ADDRESS,
    "1007": _ADDRESS,
    "1008": _ADDRESS,
    "1009": _REGION,
    "1010": _Reason(
        "it bars this program by its signature",
        "it is not the key: ask the operator to allow clinecli",
    ),
    "1020": _Reason(
        "a firewall rule bars this request",
        "it is not the key: try another network or VPN, or ask the operator which rule it is",
    ),
}
_CLOUDFLARE_CODE = re.compile(r"\berror (?:code: )?(1\d{3})\b", re.IGNORECASE)


def server_of(headers: Mapping[str, str]) -> str:
    """The product that an answer comes from, by its headers; empty where none is known."""
    return next((name for header, start, name in _MARKS if _begins(headers.get(header), start)), "")


def _begins(value: str | None, start: str) -> bool:
    return value is not None and value.lower().startswith(start)


def refused_by(
    error: ClinecliError, headers: Mapping[str, str], words: str, what: str
) -> AuthError:
    """The refusal of `what` by something in front of the API, which says `words`."""
    who = server_of(headers)
    ray = f" (cf-ray {headers['cf-ray']})" if "cf-ray" in headers else ""
    reason = _reason(who, words)
    message = f"{who or 'a proxy or gateway'}{ray} refuses{what}"
    said = "; ".join(filter(None, [f"“{words}”" if words else "", reason.text]))
    return AuthError(
        f"{message}: {said}" if said else message,
        hint=reason.hint,
        code=reason.code or error.code,
        server_code=error.server_code,
        http_status=error.http_status,
        request_id=error.request_id,
    )


def _reason(who: str, words: str) -> _Reason:
    found = _CLOUDFLARE_CODE.search(words) if who == "Cloudflare" else None
    if found and found[1] in _CLOUDFLARE:
        return _CLOUDFLARE[found[1]]
    runs = f"runs {who}" if who else "runs the gateway"
    return _Reason("", f"it is not the key: ask who {runs} there, or check base URL and proxy")
