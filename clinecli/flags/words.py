"""Words that flags and arguments take, and what each means: for help, completion and man pages."""

from __future__ import annotations

# The modules that know these take long to import; a test compares the names with theirs.
FAULTS = {
    "auth": "401, the key is wrong",
    "forbidden": "403, the key may not do this",
    "credit": "402, no credits are left",
    "spend-limit": "429, the spend limit is reached",
    "rate-limit": "429, too many requests",
    "server-error": "500, the server failed",
    "overload": "503, the server is overloaded",
    "rejected": "400, the request is at fault",
    "empty-reply": "a reply without text",
    "cut-stream": "the reply breaks off",
    "mid-stream-error": "an error in the midst of the reply",
    "model": "404, for a model that is not in the list",
    "length": "the reply stops at a length limit",
    "html": "the page of a captive portal",
    "not-json": "text that is not JSON",
    "redirect": "302, go somewhere else",
    "stall": "no answer at all",
    "refuse": "connections are refused",
}
CHECKS = {
    "runtime": "versions of clinecli and what it runs on",
    "config": "config file, base URL and other settings",
    "key": "the API key and where it comes from",
    "env.proxy": "the proxy that is used, if any",
    "env.ca": "the certificate authorities that are trusted",
    "net.dns": "the address of the API, or of the proxy",
    "net.tcp": "a connection to that address",
    "net.proxy": "a tunnel through the proxy",
    "net.tls": "the TLS handshake and the certificate",
    "api.http": "an answer that comes from the API",
    "api.clock": "this machine's clock against the server's",
    "api.auth": "whether the key is accepted",
    "api.credit": "the balance of the account",
    "api.model": "the model in the catalogue",
    "message": "the request of --request",
    "api.chat": "the endpoint that answers, with --live for real",
}
