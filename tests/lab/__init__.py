"""A lab for `doctor`: broken and healthy set-ups with their ground truth, and a printed score.

    python -m tests.lab [NAME...]

Each broken one carries its cure: what doctor's remedy says is done (a command that it names is
run), and doctor must then find nothing.

It runs in network and mount namespaces of its own, with its own resolver, routes and hosts file,
where root or user namespaces allow that (`unshare -rnm`).
"""
