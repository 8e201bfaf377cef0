"""Experiments: fixed questions with an answer in `docs/results.md`, each from one command."""

from collections.abc import Mapping

from study.experiments.base import Experiment
from study.experiments.cops_pairs import CopsPairs
from study.experiments.freezenet import FreezeNetRates
from study.experiments.headline import Headline
from study.experiments.iterated_snip import IteratedSnip

EXPERIMENTS: Mapping[str, type[Experiment]] = {
    "cops_pairs": CopsPairs,
    "freezenet": FreezeNetRates,
    "headline": Headline,
    "iterated_snip": IteratedSnip,
}
