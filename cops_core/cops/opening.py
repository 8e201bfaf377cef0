"""The choice of a store: it depends on the scores' device."""

import torch

from cops_core.cops.numpy_store import NumpyStore
from cops_core.cops.problem import CopsProblem
from cops_core.cops.store import Store
from cops_core.cops.torch_store import TorchStore


def open_store(problem: CopsProblem) -> Store:
    """The store for a problem: one class for numpy arrays and CPU tensors, another one for other devices."""
    tensors = [score for score in problem.scores if isinstance(score, torch.Tensor)]
    if tensors and tensors[0].device.type != "cpu":
        return TorchStore(problem, tensors)
    arrays = [
        score.detach().numpy() if isinstance(score, torch.Tensor) else score for score in problem.scores
    ]
    return NumpyStore(problem, arrays)
