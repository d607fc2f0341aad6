"""Many requests, one exit status: concurrent, resumable, sharded, with a limit on the cost.

How a batch moves
-----------------
    flags       -> plan.Plan              what is wanted, as values: nothing is open
    outputs     -> checkpoint.Checkpoint  store.ResultFile locks a file; scan reads earlier results
    input       -> rows.Row               source reads records; sieve drops those that have an
                                          answer, or belong to another shard
    Row         -> tasks.Request          with the bound of its cost (money, models.price)
    Request     -> wire.Landed            sent and answered
    Landed      -> judge.Verdict          the judgement of `ask`, for one row
    Verdict     -> a line of the output   results writes lines, outputs puts them in their places

`engine.Engine` decides what is asked next and whether it is asked again; time is an argument, and
it has neither sockets nor files. It asks `limits.Throttle` for pace, `money.Budget` for cost,
`stops` whether the batch ends early, and `copies` for rows that are equal (`--dedupe`). `run.run`
is the loop around it: it takes tickets from the engine, gives them to `wire.Wire` (a selector over
many connections, in one thread), and writes what is finished. `job.ask` brings an open input and
open outputs to that loop, `session.ask_all` connects all of these; `finish` ends a run: order,
text, summary and exit status.

Without a run: `preview` and `estimate` are `--dry-run` and `--estimate`; `join` and `merge` are
`--merge`, `merge` for the files and `join` for the command.
"""
