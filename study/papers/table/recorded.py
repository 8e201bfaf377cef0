"""The table of the recorded trials, and how many trials are left to run. Nothing is run here."""

from rich.console import Console

from cops_core.data import is_available
from cops_core.errors import InputError
from search_spaces.presets import Preset
from study.console import print_line
from study.papers.table.files import table_files
from study.papers.table.show import print_table
from study.papers.table.table import PaperTable, make_table
from study.records.store import StudyStore
from study.settings import Settings


def study_name(preset: Preset, asked: Preset) -> str:
    """The name of the study with a table's trials; another number of epochs has another study."""
    epochs = asked.training.epochs
    own = "" if epochs == preset.training.epochs else f"-{epochs}-epochs"
    return f"table-{preset.name}{own}"


def recorded_table(preset: Preset, asked: Preset, settings: Settings, console: Console) -> PaperTable:
    """Print and write the table of the recorded trials; nothing is run, no data are read.

    Args:
        preset: The published setting.
        asked: The preset with the epochs, seeds and rates to show.
        settings: With the name of the study (see `study_name`).
        console: Receives the table.

    Raises:
        InputError: The study's folder cannot be written.
    """
    store = StudyStore(settings.storage_uri, settings.name)
    table = find_recorded(preset, asked, store)
    print_table(console, table)
    if store.exists:
        files = table_files(table)
        try:
            for file, content in files.items():
                store.write(file, content)
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"{store.path} cannot be written ({reason}): make room, or change --storage"
            ) from error
        print_line(console, f"{', '.join(files)} in {store.path}")
    return table


def plan_table(preset: Preset, asked: Preset, settings: Settings, console: Console) -> None:
    """Print how many trials would run, and on which data; nothing is started, downloaded or written.

    Args:
        preset: The published setting.
        asked: The preset with the epochs, seeds and rates to run.
        settings: With the name of the study (see `study_name`).
        console: Receives the lines.
    """
    table = find_recorded(preset, asked, StudyStore(settings.storage_uri, settings.name))
    root = settings.data_root.expanduser()
    present = is_available(asked.dataset, root)
    data = "which is available" if present else f"which a run downloads into {root}"
    rates, epochs = len(asked.rates), asked.training.epochs
    lines = [
        f"{settings.name}: {table.missing} of {asked.trials} trials to run, {epochs} epochs each",
        f"{asked.seeds} seeds of dense and of {len(asked.methods)} methods at {rates} rates",
        f"{asked.model} on {asked.dataset}, {data}",
    ]
    for line in lines:
        print_line(console, line)


def find_recorded(preset: Preset, asked: Preset, store: StudyStore) -> PaperTable:
    """The table of a study's recorded trials; an empty one if there is no such study."""
    return make_table(preset, asked, store.trials() if store.exists else [])
