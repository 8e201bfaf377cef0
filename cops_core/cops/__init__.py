"""COPS: the mask that keeps most of one score while keeping enough of others, solved exactly."""

from cops_core.cops.solution import CopsSolution
from cops_core.cops.solve import solve_cops

__all__ = ["CopsSolution", "solve_cops"]
