"""One turn of a chat, from options to output: what `ask`, `stream` and `batch` share.

Three steps on frozen values:

    preparation.prepare   options, environment, files, stdin -> Prepared: nothing is open or sent
    opening.opened        Prepared -> Opened: the key, the place of the output, a connection
    ending.finish         a complete reply -> thread, output and usage in their places

Between the last two a command sends, as often as its `RetryPolicy` allows, and judges
(`opening.failure_of`). `again` goes back there with another request: another model, or a
correction. `cache` puts a reply that is kept in the place of the transport.
"""
