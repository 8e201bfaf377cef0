"""Experiments: fixed questions with an answer in `docs/results.md`, each from one command."""

from collections.abc import Mapping

from study.experiments.cops_pairs import CopsPairs

EXPERIMENTS: Mapping[str, type[CopsPairs]] = {"cops_pairs": CopsPairs}
