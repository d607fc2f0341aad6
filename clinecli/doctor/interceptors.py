"""Products that open TLS on its way, known by the name of their CA."""

from __future__ import annotations

from clinecli.doctor.certificate import Certificate

# What the issuers of products that open TLS call themselves, in lower case.
_INTERCEPTORS = {
    **{name: name.title() for name in ("zscaler", "netskope", "fortinet", "sophos", "kaspersky")},
    **{name: name.title() for name in ("barracuda", "watchguard", "forcepoint", "sonicwall")},
    **{name: name.title() for name in ("bitdefender", "avast", "squid", "smoothwall", "securly")},
    **{name: name.title() for name in ("untangle", "proxyman", "menlo security", "cato networks")},
    **{name: name for name in ("mitmproxy", "iboss", "pfsense", "adguard")},
    "fortigate": "FortiGate",
    "palo alto": "Palo Alto Networks",
    "blue coat": "Blue Coat (Symantec)",
    "bluecoat": "Blue Coat (Symantec)",
    "umbrella": "Cisco Umbrella",
    "cisco": "Cisco",
    "eset ssl": "ESET",
    "avg": "AVG",
    "charles proxy": "Charles Proxy",
    "do_not_trust": "Fiddler",
    "fiddler": "Fiddler",
    "portswigger": "Burp Suite",
    "http toolkit": "HTTP Toolkit",
    "check point": "Check Point",
    "mcafee": "McAfee (Skyhigh)",
    "skyhigh": "Skyhigh",
    "trellix": "Trellix",
    "websense": "Websense (Forcepoint)",
    "cloudflare managed": "Cloudflare Gateway",
    "gateway ca": "Cloudflare Gateway",
    "norton": "Norton",
    "trend micro": "Trend Micro",
    "goguardian": "GoGuardian",
    "lightspeed": "Lightspeed",
}


def interceptor(certificate: Certificate) -> str | None:
    """The product that issued a certificate in the API's place, by the name of the issuer."""
    issuer = certificate.issuer.lower()
    return next((name for word, name in _INTERCEPTORS.items() if word in issuer), None)
