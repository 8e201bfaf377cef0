"""`cops table`: run what is not recorded yet, then show and write the table."""

from rich.console import Console

from search_spaces.presets import Preset
from study.papers.experiments.fixed import run_fixed
from study.papers.table.recorded import find_recorded, recorded_table
from study.papers.table.table import PaperTable
from study.records.store import StudyStore
from study.run.preflight import check_data, check_home, check_score_cache
from study.settings import Settings


def run_table(preset: Preset, asked: Preset, settings: Settings, console: Console) -> PaperTable:
    """Run what the table lacks, print and write it. Resumable: what has a result is not run again.

    preset: as it stands. asked: with the epochs, seeds and rates to run. settings: their name is that of
    the study (see `study_name`). Raises InputError before any trial starts, or if some could not be finished.
    """
    store = StudyStore(settings.storage_uri, settings.name)
    if find_recorded(preset, asked, store).missing:
        check_home(settings.home)
        check_score_cache(settings.score_cache)
        configs = asked.configs()
        check_data(configs[0], settings.data_root)
        run_fixed(configs, settings, console)
    return recorded_table(preset, asked, settings, console)
