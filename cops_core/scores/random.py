"""Random: scores without information, for comparison."""

from typing import final

import torch

from cops_core.mask import Scores
from cops_core.scores.base import Score, Traits
from cops_core.scores.problem import Problem
from cops_core.streams import stream


@final
class RandomScore(Score):
    """omega ~ U[0, 1), independent of weights, data and mask; one stream per parameter.

    In float64, since among 10^7 float32 values many would be equal.
    """

    @property
    def traits(self) -> Traits:
        """No data, no network."""
        return Traits(
            needs_data=False,
            needs_second_derivative=False,
            normalisation="unused",
            precision="float64",
            signed=False,
        )

    def compute(self, problem: Problem) -> Scores:
        """Random draws per maskable weight, of its shape, the same on every device."""
        scores = {}
        for name, weight in problem.network.scored.items():
            draws = stream(problem.seed, "random score", name).random_sample(tuple(weight.shape))
            scores[name] = torch.from_numpy(draws).to(weight.device)
        return scores


RANDOM = RandomScore()
