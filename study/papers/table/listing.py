"""The presets as a table: what each is, how many trials it has, and whether its data are available."""

from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from cops_core.data import is_available
from search_spaces.presets import Preset


def preset_table(presets: Mapping[str, Preset], root: Path) -> Table:
    """A table with a row for each preset.

    Args:
        presets: By name.
        root: The folder for downloads.
    """
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("preset", no_wrap=True)
    table.add_column("data", no_wrap=True)
    table.add_column("trials", justify="right", no_wrap=True)
    table.add_column("description")
    for name, preset in presets.items():
        data = "available" if is_available(preset.dataset, root) else "missing"
        table.add_row(name, data, str(preset.trials), preset.description)
    return table
