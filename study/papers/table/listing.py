"""The presets as a table: what each is, how many trials it takes, whether its data are at hand."""

from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from cops_core.data import is_available
from search_spaces.presets import Preset


def preset_table(presets: Mapping[str, Preset], root: Path) -> Table:
    """A row per preset. root: the folder for downloads."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("preset", no_wrap=True)
    table.add_column("data", no_wrap=True)
    table.add_column("trials", justify="right", no_wrap=True)
    table.add_column("what it is")
    for name, preset in presets.items():
        data = "at hand" if is_available(preset.dataset, root) else "not here"
        table.add_row(name, data, str(preset.trials), preset.description)
    return table
