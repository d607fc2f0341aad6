"""A lab for `doctor`: broken and healthy set-ups with their ground truth, and a printed score.

    python -m tests.lab [NAME...]

It runs in network and mount namespaces of its own, with its own resolver, routes and hosts file,
where root or user namespaces allow that (`unshare -rnm`).
"""
