"""`cops table`: runs the trials that are not recorded, then prints and writes the table."""

from rich.console import Console

from search_spaces.presets import Preset
from study.papers.experiments.fixed import run_fixed
from study.papers.table.recorded import find_recorded, recorded_table
from study.papers.table.table import PaperTable
from study.records.store import StudyStore
from study.run.preflight import check_data, check_home, check_score_cache
from study.settings import Settings


def run_table(preset: Preset, asked: Preset, settings: Settings, console: Console) -> PaperTable:
    """Run the trials that the table lacks, then print and write it.

    A further call resumes the table: trials with a result are not run again.

    Args:
        preset: The published setting.
        asked: The preset with the epochs, seeds and rates to run.
        settings: With the name of the study (see `study_name`).
        console: Shows the progress and receives the table.

    Raises:
        InputError: The home, the score cache or the data cannot be used, or trials were not finished.
    """
    store = StudyStore(settings.storage_uri, settings.name)
    if find_recorded(preset, asked, store).missing:
        check_home(settings.home)
        check_score_cache(settings.score_cache)
        configs = asked.configs()
        check_data(configs, settings.data_root)
        run_fixed(configs, settings, console)
    return recorded_table(preset, asked, settings, console)
