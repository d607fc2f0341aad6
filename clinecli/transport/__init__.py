"""One call under one deadline, from the name of a host to the last byte of a body.

How a call moves
----------------
A `Transport` is made once from settings and never changes: origin, proxy and trust. A `Call` is a
value: what is sent, by when (`Deadline`), with which patience between bytes (`idle`).
`Transport.send` takes a call through these stages, in this order, each a function on values:

    RESOLVE    host name -> addresses        dial.resolve        } share --connect-timeout
    CONNECT    addresses -> TCP socket       dial.connect        }
    PROXY_TLS  TLS with an https:// proxy    dial.handshake      --connect-timeout
    TUNNEL     CONNECT through the proxy     tunnel.open_tunnel  --connect-timeout
    TLS        TLS with the API              dial.handshake      --connect-timeout
    SEND       request -> socket             exchange.exchange   idle time
    WAIT       socket -> head of the answer  exchange.exchange   idle time between bytes
    BODY       socket -> body, pulled        Answer.read         idle time between bytes

Every stage is also bounded by the deadline of the whole call, retries and DNS included. Plain http
has no TLS stages, a direct connection no PROXY_TLS and no TUNNEL. The first five make a
`Connection`; they can run early, in a thread beside imports (`Transport.connect_early`), or not at
all when a connection is kept from the call before (`Answer.kept`).

Whatever a stage raises is turned into an error by one table, `failures`, by the stage and the
exception. An answer is a value too: status, headers, request id, timings; its body is pulled, one
item for each read of the network, so that the caller writes in its own frame. Nothing calls back.
"""
