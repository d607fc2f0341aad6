"""CPU of a long stream, against a bare httpx loop that parses every event and prints none.

    python benchmarks/stream.py [--rounds 5]

Once each event has an HTTP chunk of its own, as a server sends them; once 50 share one, as a proxy
that buffers does. The cost of starting is in it on both sides. Memory must not grow with the
length of the stream: its peak is shown for a tenth of the events and for all.
"""

from __future__ import annotations

from measure import CLI, PYTHON, Contestant, compare, environment, head, in_turn, megabytes, rounds
from servers import serving

EVENTS = 100_000
BARE = """
import httpx, orjson, os
url = os.environ["CLINE_API_BASE_URL"] + "/api/v1/chat/completions"
rest = b""
with httpx.stream("POST", url, json={"stream": True}) as response:
    for chunk in response.iter_raw():
        *events, rest = (rest + chunk).split(b"\\n\\n")
        for event in events:
            if event != b"data: [DONE]":
                orjson.loads(event[6:])
"""
STREAM = (CLI, "stream", "--no-stdin", "hi")
# Events in an HTTP chunk, and the goal against the bare loop.
SHARES = ((1, 0.8), (50, 1.5))


def main(turns: int) -> None:
    """Measure and print."""
    head(f"A stream of {EVENTS} chunks, CPU")
    contestants = [
        Contestant("text", STREAM),
        Contestant("JSON", [*STREAM, "--json"]),
        Contestant("bare", [PYTHON, "-c", BARE]),
    ]
    for share, goal in SHARES:
        with serving("stream", str(EVENTS), str(share)) as url:
            text, json, bare = in_turn(contestants, environment(url), turns)
        with serving("stream", str(EVENTS // 10), str(share)) as url:
            (short,) = in_turn(contestants[:1], environment(url), 1)
        many = "an event an HTTP chunk" if share == 1 else f"{share} events an HTTP chunk"
        compare(f"stream / bare loop, {many}", text, bare, goal=goal)
        compare(f"stream --json / bare loop, {many}", json, bare, goal=goal)
        print(f"    peak memory {megabytes(short)} for a tenth of them, {megabytes(text)} for all")


if __name__ == "__main__":
    main(rounds(__doc__, 5))
