"""What is a trial? Complete, frozen descriptions: wrong values are refused here and nowhere else."""

from cops_core.config.named import NAMED_SELECTIONS, named_selection
from cops_core.config.regrow import Regrow
from cops_core.config.selection import (
    Ablation,
    At,
    Combine,
    Control,
    ConventionName,
    Floor,
    IfInfeasible,
    LevelKind,
    Schedule,
    Scope,
    ScoreName,
    Selection,
)
from cops_core.config.training import Training
from cops_core.config.trial import Arm, Density, TrialConfig, parse_config
from cops_core.scores.steps import Steps

__all__ = [
    "NAMED_SELECTIONS",
    "Ablation",
    "Arm",
    "At",
    "Combine",
    "Control",
    "ConventionName",
    "Density",
    "Floor",
    "IfInfeasible",
    "LevelKind",
    "Regrow",
    "Schedule",
    "Scope",
    "ScoreName",
    "Selection",
    "Steps",
    "Training",
    "TrialConfig",
    "named_selection",
    "parse_config",
]
