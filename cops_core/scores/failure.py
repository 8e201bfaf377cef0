"""A score that a network does not allow: which score, which layer, and what to write instead."""

import re
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from cops_core.errors import InputError, described
from cops_core.scores.isolation import isolated
from cops_core.scores.problem import Problem

NO_DERIVATIVE = re.compile(r"derivative for aten::_?(\w+?)(?:_backward)? is not implemented")
REENTRANT = "use_reentrant=True"


def failure(score: str, problem: Problem, error: Exception) -> InputError:
    """What to say where a score cannot be computed.

    Args:
        score: The score's name.
        problem: What it was computed on.
        error: What was raised.

    Returns:
        The error in one line, with the layer where it is known.
    """
    words = " ".join(str(error).split())
    layer = layer_of(problem.network.model, error)
    if found := NO_DERIVATIVE.search(words):
        layer = layer or _layer_that_calls(problem, found[1])
        return InputError(
            f"score {score!r} needs a derivative that torch's {found[1]} does not have{_in(layer)}:"
            " write a score without second derivatives, or another function there"
        )
    if REENTRANT in words:
        layer = layer or _layer_that_checkpoints(problem)
        return InputError(
            f"score {score!r} does not work with torch.utils.checkpoint(use_reentrant=True){_in(layer)}:"
            " write use_reentrant=False there"
        )
    return InputError(
        f"score {score!r} cannot be computed on this network{_in(layer)} ({described(error)}):"
        " write another score, or change the network"
    )


def layer_of(model: nn.Module, error: Exception) -> str:
    """The innermost of a model's layers whose code raised an error.

    Args:
        model: The model.
        error: The error, with its traceback.

    Returns:
        The layer's name in the model, and its class: `stage1.act (Hardsigmoid)`; empty where no layer's code
        was running, as in a backward pass.
    """
    names = {id(module): name for name, module in model.named_modules()}
    found = ""
    step: TracebackType | None = error.__traceback__
    while step is not None:
        module = step.tb_frame.f_locals.get("self")
        if isinstance(module, nn.Module) and id(module) in names:
            found = _named(names[id(module)], module)
        step = step.tb_next
    return found


class _Calls(TorchFunctionMode):
    """Notes in which layer functions of torch are called.

    Args:
        current: Returns the layer that is running.
    """

    def __init__(self, current: Callable[[], str]) -> None:
        super().__init__()
        self.layers: dict[str, str] = {}
        self._current = current

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `func`, and note where."""
        self.layers.setdefault(getattr(func, "__name__", "").strip("_"), self._current())
        return func(*args, **(kwargs or {}))


def _layer_that_checkpoints(problem: Problem) -> str:
    """The innermost layer whose code calls a reentrant checkpoint: its output has one, its inputs do not."""
    found: list[str] = []

    def note(named: str, inputs: tuple[object, ...], output: object) -> None:
        if not found and _recomputed(output) and not any(map(_recomputed, inputs)):
            found.append(named)

    model, network = problem.network.model, problem.network
    hooks = []
    for name, module in model.named_modules():
        named = _named(name, module)
        hooks.append(module.register_forward_hook(lambda *given, named=named: note(named, *given[1:])))
    try:
        with isolated(model, "eval", problem.seed):
            weights = {name: weight.detach().requires_grad_() for name, weight in network.weights.items()}
            network.output(weights, problem.example)
    except Exception:  # the first error is the one to report
        return ""
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else ""


def _recomputed(value: object) -> bool:
    """Whether a reentrant checkpoint is in the autograd graph of a tensor; False for anything else."""
    left = [value.grad_fn] if isinstance(value, torch.Tensor) else []
    seen = set()
    while left:
        node = left.pop()
        if node is None or node in seen:
            continue
        if node.name().startswith("CheckpointFunction"):
            return True
        seen.add(node)
        left += [earlier for earlier, _ in node.next_functions]
    return False


def _layer_that_calls(problem: Problem, function: str) -> str:
    """The first layer that calls the function of torch whose name is in `function`."""
    model = problem.network.model
    running: list[str] = []
    calls = _Calls(lambda: running[-1] if running else "")
    hooks = []
    for name, module in model.named_modules():
        named = _named(name, module)
        hooks.append(module.register_forward_pre_hook(lambda *_, named=named: running.append(named)))
        hooks.append(module.register_forward_hook(lambda *_: running.pop() and None))
    try:
        with isolated(model, "eval", problem.seed), torch.no_grad(), calls:
            problem.network.output(problem.network.weights, problem.example)
    except Exception:  # the first error is the one to report
        return ""
    finally:
        for hook in hooks:
            hook.remove()
    known = [name for name in calls.layers if name and name in function]
    return calls.layers[max(known, key=len)] if known else ""


def _named(name: str, module: nn.Module) -> str:
    kind = type(module).__name__
    return f"{name} ({kind})" if name else f"the network's own forward ({kind})"


def _in(layer: str) -> str:
    return f" in {layer}" if layer else ""
