"""Experiments: fixed questions with an answer in `docs/results.md`, each from one command."""

from collections.abc import Mapping

from study.papers.experiments.base import Experiment
from study.papers.experiments.headline import Headline
from study.papers.experiments.iterated_snip import IteratedSnip

EXPERIMENTS: Mapping[str, type[Experiment]] = {
    "headline": Headline,
    "iterated_snip": IteratedSnip,
}
