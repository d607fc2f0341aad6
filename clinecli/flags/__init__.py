"""The table of commands, and what is derived from it and from the rows of `clinecli.options`:
parser, help, completions, description, and the way out of a typing slip."""
