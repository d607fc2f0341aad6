"""How many connections may be open at once: what the system allows."""

from __future__ import annotations

import os
import resource

# For what is opened beside connections: names are looked up, modules imported, files put in order.
_SPARE = 16


def room_for(connections: int) -> int:
    """How many of these connections may be open at once, one at least. The limit of open files is
    raised where it is too low, as far as that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connections
    taken = _first_free() + _SPARE
    if taken + connections > soft:
        soft = taken + connections
        if hard != resource.RLIM_INFINITY:
            soft = min(soft, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(connections, soft - taken))


def _first_free() -> int:
    """The lowest descriptor that is free: about as many are in use."""
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    return free
