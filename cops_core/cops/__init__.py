"""COPS: the mask that keeps most of one score while keeping enough of others, solved exactly."""

from cops_core.cops.path import CopsPath, cops_path
from cops_core.cops.solution import CopsSolution
from cops_core.cops.solve import solve_cops

__all__ = ["CopsPath", "CopsSolution", "cops_path", "solve_cops"]
