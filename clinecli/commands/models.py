"""`models`: what can be asked, from the API or from the cache."""

from __future__ import annotations

import os
import shutil

from clinecli.config.load import load_settings
from clinecli.errors import ExitStatus
from clinecli.models.catalogue import Model, json_array
from clinecli.models.fetch import listed
from clinecli.models.listing import ids, lines, select, table, terminal_json
from clinecli.options.models import ModelsOptions
from clinecli.streams.console import Console
from clinecli.streams.descriptors import STDOUT, is_terminal
from clinecli.streams.stdout import StdoutSink
from clinecli.text import sanitize, utf8

# As grep does; no error, since nothing failed.
NOTHING_FOUND = 1


def run(options: ModelsOptions) -> int:
    """Print the models that match; status 1 when none does. Raises `ClinecliError`."""
    network = options.network
    console = Console(quiet=network.quiet, verbose=network.verbose, as_json=options.json)
    settings = load_settings(network, os.environ)
    sink = StdoutSink()
    models = listed(settings, console, options)
    found = select(models, options)
    sink.write(utf8(_layout(found, options)))
    sink.commit()
    if not found:
        filters = f"none of {len(models)} models matches" if models else "there are no models"
        console.note(filters)
        return NOTHING_FOUND
    return ExitStatus.OK


def _layout(models: list[Model], options: ModelsOptions) -> str:
    terminal = is_terminal(STDOUT)
    if options.json:
        text = json_array(models) + "\n"
        return terminal_json(text) if terminal else text
    if options.ids:
        return sanitize(ids(models)) if terminal else ids(models)
    if not terminal:
        return lines(models)
    return table(models, shutil.get_terminal_size().columns) if models else ""
