"""CPU of a cold start: `ask` and the commands that send nothing, against what they are built on.

python benchmarks/startup.py [--rounds 15]
"""

from __future__ import annotations

import shutil

from measure import (
    ASK,
    CLI,
    PROMPT,
    PYTHON,
    Contestant,
    compare,
    environment,
    head,
    in_turn,
    megabytes,
    rounds,
)
from servers import serving

IMPORTS = "import typer, httpx, orjson; httpx.Client()"
# A Typer application with two parameters and nothing else.
BARE = """
import typer
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
@app.command()
def main(name: str = "x", count: int = 1) -> None: print(name, count)
app()
"""
# What sends nothing, and its goal against the bare application.
QUIET = (
    ("--version", (CLI, "--version"), 1.25),
    ("--help", (CLI, "--help"), 1.25),
    ("ask --help", (CLI, "ask", "--help"), 1.25),
    ("a usage error", (CLI, "ask", "--no-such-flag"), 1.25),
    ("ask --dry-run", (*ASK, "--dry-run"), 1.3),
)


def main(turns: int) -> None:
    """Measure and print."""
    head("Start-up, CPU")
    with serving("reply") as url:
        asked, imports = in_turn(
            [Contestant("ask", ASK), Contestant("imports", [PYTHON, "-c", IMPORTS])],
            environment(url),
            turns,
        )
        compare("ask / import typer, httpx, orjson; Client()", asked, imports, goal=0.7)
        print(f"    peak memory {megabytes(asked)} / {megabytes(imports)}")
        if llm := shutil.which("llm"):
            openai = {"OPENAI_API_KEY": "benchmark", "OPENAI_BASE_URL": f"{url}/api/v1"}
            prompt = [llm, "-m", "gpt-4o-mini", "--no-stream", "--no-log", PROMPT]
            asked, other = in_turn(
                [Contestant("ask", ASK), Contestant("llm", prompt, openai)],
                environment(url),
                max(3, turns // 3),
            )
            compare("ask / the same prompt through llm", asked, other, goal=0.15)
        contestants = [Contestant("bare", [PYTHON, "-c", BARE])]
        contestants += [Contestant(name, command) for name, command, _ in QUIET]
        bare, *quiet = in_turn(contestants, environment(url), turns)
        for (name, _, goal), usages in zip(QUIET, quiet, strict=True):
            compare(f"{name} / a bare Typer application", usages, bare, goal=goal)


if __name__ == "__main__":
    main(rounds(__doc__, 15))
