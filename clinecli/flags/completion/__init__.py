"""The completion scripts of bash, zsh and fish: templates, filled from the rows.

They are static: no Python is started for commands, flags, choices or model ids.
"""

from __future__ import annotations

from clinecli.flags.completion.bash import script as bash
from clinecli.flags.completion.fish import script as fish
from clinecli.flags.completion.zsh import script as zsh

SCRIPTS = {"bash": bash, "zsh": zsh, "fish": fish}
