"""What the command line says: one frozen object per command, whose fields are the flags.

Each field carries its row (`flag.Flag`), from which parser, help, completions, man pages and
settings are derived: a new flag is one field here, and what uses it. A module per command, since
only that of the running command is imported.
"""
