"""`doctor`: what is wrong, in order, with the remedy.

How doctor comes to its verdict
-------------------------------
A check (`check.Check`) is a function from a `Setup` (options, environment, clock: given once) and
the `Findings` of the checks before it to one `Finding`: a status, words for people, the error that
`ask` would end with, and facts. A fact is a frozen value of a type of its own (`Settings`, `Key`,
`Line`, `Addresses`, `Account`, ...); a later check reads it by that type. Nothing is written on.

    config  -> Settings, Asked          key       -> Key
    env.proxy -> Line                   net.dns   -> Addresses
    net.tcp -> Peer, Open               net.proxy -> Tunnel, Open
    net.tls -> Handshake, Open          api.http  -> Client, Greeting
    api.auth -> Account

`Open` is the connection: each of the net checks brings it one stage further, and the first
request goes over it, so that doctor does once what `ask` does once. A net check that fails
compares its way with others at once (`ways.Ways`), and net.ways, which no failure blocks, tells
of it. A failure that came quickly and may pass is given a second chance, as `ask` gives itself.

The checks stand in `checks.CHECKS`, in the order in which `ask` meets what they look at. A check
is skipped when one that it needs has failed. Then

1. the root cause is the first failed check, and its error's exit status is doctor's; but
2. a message that `ask` would refuse before it sends anything (status 2 or 6) comes before the key
   and the network, since `ask` reads it first; only a bad config file comes earlier; and
3. without a failure the status is 0, or 1 when `--strict` makes the first warning count.

A check fails only for what makes `ask` fail. What is merely slow, odd or not to be known without
a real request is a warning. So doctor waits as long as `ask` does, uses the transport's own
functions for each stage, and takes errors from the same tables: it decides by their class and
`Code`, never by their prose. It says on stderr that it waits, and for how long. To a server that
is not trusted it sends nothing but handshakes, and no byte of one stands in a command that it
proposes. Two questions need more than one answer of the server:

- whether the key is good: `key_verdict.VERDICTS`, a table of what the account endpoint says against
  what the chat endpoint says;
- whether the API is there at all: `api.http`, which asks the chat endpoint for a second opinion.

What a later answer may refute is no warning before it: the key's looks (`doubts.Doubts`) become
part of the root cause when it is refused, and with `--live` the real answer decides about balance
and account (`check.Planned` says whether there will be one).

The chat endpoint is asked without a message, which costs nothing where it is refused. Every
distinct request is sent once (`client.Client`), and the one with the key to the chat endpoint as
early as possible, so that a rate limit that it meets is not one of doctor's own making.
"""
