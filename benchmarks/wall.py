"""Wall time of a cold `ask` over TLS on a link of 50 ms round trip, against curl and httpx.

    python benchmarks/wall.py [--rounds 15]

Of each contestant's time 150 ms is the link's: TCP, TLS 1.3, and the request. See `link.py` for
how it is made, and for where the name of the server is resolved.
"""

from __future__ import annotations

import json

import link
from measure import (
    ASK,
    KEY,
    PROMPT,
    PYTHON,
    Contestant,
    compare,
    environment,
    found,
    head,
    in_turn,
    rounds,
    wall,
)

ROUND_TRIP = 0.05
HTTPX = """
import httpx, os
reply = httpx.post(os.environ["URL"], headers={"Authorization": "Bearer benchmark"}, json={"model":
    "m", "messages": [{"role": "user", "content": "What is the capital of France?"}]}, timeout=60)
print(reply.json()["choices"][0]["message"]["content"])
"""
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": PROMPT}]})


def main(turns: int) -> None:
    """Measure and print."""
    link.enter()
    with link.link(ROUND_TRIP, "reply") as far:
        url = f"{far.url}/api/v1/chat/completions"
        curl = ["curl", "--silent", "--fail", "--header", f"Authorization: Bearer {KEY}"]
        curl += ["--header", "Content-Type: application/json", "--data-binary", BODY, url]
        private = {"SSL_CERT_FILE": far.ca_file}
        contestants = [
            Contestant("curl", [*curl, "--cacert", far.ca_file]),
            Contestant("ask", ASK, private),
            Contestant("ask", [*ASK, "--ca-file", far.ca_file]),
            Contestant("httpx", [PYTHON, "-c", HTTPX], {"URL": url} | private),
        ]
        if far.has_store:
            bundle = {"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}
            contestants += [
                Contestant("curl", curl),
                Contestant("ask", ASK),
                Contestant("httpx", [PYTHON, "-c", HTTPX], {"URL": url} | bundle),
            ]
        head(f"Cold call over TLS, {1000 * ROUND_TRIP:.0f} ms round trip, wall")
        if not found("curl"):
            return
        used = in_turn(contestants, environment(far.url), turns)
        compare("ask / curl, one private CA", used[1], used[0], wall, 1.35)
        compare("ask --ca-file / curl --cacert", used[2], used[0], wall, 1.35)
        compare("httpx in three lines / curl, one private CA", used[3], used[0], wall)
        if far.has_store:
            compare("ask / curl, the system's CAs", used[5], used[4], wall, 1.35)
            compare("httpx in three lines / curl, the system's CAs", used[6], used[4], wall)


if __name__ == "__main__":
    main(rounds(__doc__, 15))
