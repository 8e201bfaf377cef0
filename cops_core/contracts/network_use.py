"""What configurations have in common: networks on data sets, with scores and arms."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from cops_core.config import Training, TrialConfig
from cops_core.facts import UnusableScore
from cops_core.scores import AnyScore, kind_of


@dataclass(frozen=True)
class NetworkUse:
    """A network on a data set, as some configurations use it.

    Attributes:
        configs: The configurations; densities and levels do not matter.
    """

    configs: tuple[TrialConfig, ...]

    @property
    def config(self) -> TrialConfig:
        """The first of the configurations."""
        return self.configs[0]

    @property
    def name(self) -> str:
        """E.g. `lenet_300_100 on digits`."""
        return f"{self.config.model} on {self.config.dataset}"

    @cached_property
    def scores(self) -> dict[tuple[str, str], tuple[AnyScore, bool]]:
        """By convention and kind: a score, and whether it is computed on masked networks, too."""
        found: dict[tuple[str, str], tuple[AnyScore, bool]] = {}
        for selection in (config.selection for config in self.configs):
            for score in selection.scores if selection else ():
                key = (selection.convention, kind_of(score))  # type: ignore[union-attr]
                known, rounds = found.get(key, (score, False))
                found[key] = known, rounds or selection.rounds > 1  # type: ignore[union-attr]
        return found

    @cached_property
    def arms(self) -> dict[tuple[str, str, str], TrialConfig]:
        """A configuration for each arm, and each with a mask that changes, under each way to train it.

        Trainings before a mask is chosen count, too.
        """
        configs = [*(each for config in self.configs for each in _trained_before(config)), *self.configs]
        return {
            (_arm_of(config), str(config.scale), way_to_train(config.training)): config for config in configs
        }

    @property
    def key(self) -> str:
        """All that the checks depend on, apart from code, data and plugins."""
        scores = sorted([*key, str(masked)] for key, (_, masked) in self.scores.items())
        return json.dumps([*_network_of(self.config), scores, sorted(self.arms)])


def _arm_of(config: TrialConfig) -> str:
    """`prune`, or `prune, RigL`."""
    changes = config.selection is not None and config.selection.regrow is not None
    return config.arm + ", RigL" * changes


def _trained_before(config: TrialConfig) -> list[TrialConfig]:
    """The trainings before the mask as trials: the dense network, between rounds the pruned one."""
    selection = config.selection
    if selection is None or selection.at == "initial":
        return []
    dense = config.changed(arm="dense", selection=None, density=None, scale=None)
    return [dense, config.changed(arm="prune", scale=None)] if selection.rounds > 1 else [dense]


def way_to_train(training: Training) -> str:
    """What differs in the steps of two trainings: `adamw, label smoothing, clipped`, or `sgd`."""
    parts = [
        training.optimizer,
        "nesterov" if training.nesterov else "",
        "label smoothing" if training.label_smoothing else "",
        "" if training.max_gradient_norm is None else "clipped",
    ]
    return ", ".join(filter(None, parts))


def network_uses(configs: Iterable[TrialConfig]) -> list[NetworkUse]:
    """The networks that some configurations use, each with its configurations."""
    groups: dict[tuple[str, ...], list[TrialConfig]] = {}
    for config in configs:
        groups.setdefault(_network_of(config), []).append(config)
    return [NetworkUse(tuple(group)) for group in groups.values()]


def _network_of(config: TrialConfig) -> tuple[str, ...]:
    return config.dataset, config.model, config.initialization, config.training.precision


def unusable_score(config: TrialConfig, unusable: Iterable[UnusableScore]) -> UnusableScore | None:
    """The first unusable score that a configuration has; None if it has none."""
    if config.selection is None:
        return None
    kinds = {kind_of(score) for score in config.selection.scores}
    network = (config.dataset, config.model, config.training.precision, config.selection.convention)
    for found in unusable:
        where = (found["dataset"], found["model"], found["precision"], found["convention"])
        if where == network and found["score"] in kinds:
            return found
    return None
