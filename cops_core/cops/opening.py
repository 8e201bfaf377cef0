"""Where the scores live decides which store reads them."""

import torch

from cops_core.cops.numpy_store import NumpyStore
from cops_core.cops.problem import CopsProblem
from cops_core.cops.store import Store
from cops_core.cops.torch_store import TorchStore


def open_store(problem: CopsProblem) -> Store:
    """The store for a problem: numpy arrays and CPU tensors share one, other devices have another."""
    tensors = [score for score in problem.scores if isinstance(score, torch.Tensor)]
    if tensors and tensors[0].device.type != "cpu":
        return TorchStore(problem, tensors)
    arrays = [
        score.detach().numpy() if isinstance(score, torch.Tensor) else score for score in problem.scores
    ]
    return NumpyStore(problem, arrays)
