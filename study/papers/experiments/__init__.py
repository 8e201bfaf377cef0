"""Experiments: fixed questions, each answered by one command. The answers are in `docs/results.md`."""

from collections.abc import Mapping

from study.papers.experiments.base import Experiment
from study.papers.experiments.headline import Headline
from study.papers.experiments.iterated_snip import IteratedSnip

EXPERIMENTS: Mapping[str, type[Experiment]] = {
    "headline": Headline,
    "iterated_snip": IteratedSnip,
}
