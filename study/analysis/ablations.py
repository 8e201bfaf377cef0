"""What the ablations of a trial have found: a row for the unchanged trial and for each ablation.

All are trained on the same fresh seeds and evaluated on the test part. The differences to the unchanged trial
are paired by seed, and tested with Holm's correction for all ablations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cops_core.config import TrialConfig
from search_spaces.question import Ablate
from study.analysis.configurations import ConfigurationResult
from study.analysis.judged import MethodResult, MethodTable, with_differences
from study.settings import Settings

UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Ablations:
    """A trial and its ablations.

    Attributes:
        trial: The trial: `STUDY/NUMBER`.
        table: See `ablation_table`.
    """

    trial: str
    table: MethodTable


def ablation_name(config: TrialConfig) -> str:
    """The name of a configuration's row: that of its ablation, or `unchanged`."""
    assert config.selection is not None
    return UNCHANGED if config.selection.ablation == "none" else config.selection.ablation


def ablation_table(found: Sequence[ConfigurationResult], seeds: int) -> MethodTable:
    """The rows of an ablation study.

    Args:
        found: Its configurations: the unchanged trial, then the ablations.
        seeds: The planned number of seeds.

    Returns:
        The table, in the order of `found`. Its baseline is the unchanged trial. There are p-values once all
        trials have ended.
    """
    rows = [
        MethodResult(each.rate, ablation_name(each.trials[0].config), (each,), each, each, seeds)
        for each in found
    ]
    table = MethodTable(tuple(rows), UNCHANGED, seeds, planned=1, exhaustive=False)
    return replace(table, rows=tuple(with_differences(rows, UNCHANGED, tested=table.is_complete)))


def study_ablations(found: Sequence[ConfigurationResult], settings: Settings) -> Ablations | None:
    """The ablations of a study; None if it is a study of another question.

    Args:
        found: All configurations of the study.
        settings: The study's settings.
    """
    question = settings.question
    if not isinstance(question, Ablate):
        return None
    return Ablations(question.trial, ablation_table(found, settings.seeds))
