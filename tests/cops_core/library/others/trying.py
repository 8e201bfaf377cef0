"""What is tried with a model, each attempt with its result in one line."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

import cops_core as cops
from cops_core.errors import described

from .other_models import Tried

SCORES = ("magnitude", "snip", "grasp", "synflow", "fisher")
ITERATED = ("snip", "synflow")
ROUNDS = 3
DENSITY = 0.1
ATTEMPTS = (
    *SCORES,
    *(f"{score}, {ROUNDS} rounds" for score in ITERATED),
    "prune",
    "freeze",
    "save, load",
)


@dataclass
class Row:
    """What was found.

    Attributes:
        name: The model's.
        parameters: The number of all its parameters' values.
        candidates: D.
        file: The size of the file of the frozen model, as a share of its dense values.
        failures: The attempts that failed, and why, in one line.
    """

    name: str
    parameters: int = 0
    candidates: int = 0
    file: float | None = None
    failures: dict[str, str] = field(default_factory=dict)


def try_model(name: str, tried: Tried, folder: Path) -> Row:
    """Try everything with a model.

    Args:
        name: Its name.
        tried: The model.
        folder: For files.

    Returns:
        What was found. A failure does not end the other attempts.
    """
    row = Row(name)
    built: list[nn.Module] = []
    attempt(row, "build", lambda: built.append(tried.build()))
    if not built:
        return row
    model = built[0]
    cops.initialize(model, 7)
    row.parameters = sum(parameter.numel() for parameter in model.parameters())
    row.candidates = cops.candidates(model).size

    def select(score: str, rounds: int) -> None:
        mask = cops.select(
            model,
            tried.batch,
            target=score,
            density=DENSITY,
            loss=tried.loss,
            sample_losses=tried.sample_losses,
            example=tried.example,
            rounds=rounds,
        )
        assert mask.kappa == int(DENSITY * mask.size + 0.5), f"{mask.kappa} weights of {mask.size} kept"
        assert not keeps_the_first(mask), "all scores are equal"

    for score in SCORES:
        attempt(row, score, lambda score=score: select(score, 1))
    for score in ITERATED:
        attempt(row, f"{score}, {ROUNDS} rounds", lambda score=score: select(score, ROUNDS))
    # Each layer keeps weights: at this density a network that another mask prunes may be disconnected.
    mask = cops.select(model, target="magnitude", density=DENSITY, scope="layer")
    attempt(row, "prune", lambda: step(tried, cops.prune, mask, factor=0))
    frozen: list[nn.Module] = []
    attempt(row, "freeze", lambda: frozen.append(step(tried, cops.freeze, mask, factor=1)))
    if frozen:
        attempt(row, "save, load", lambda: save_and_load(row, tried, frozen[0], folder))
    else:
        row.failures["save, load"] = "not frozen"
    return row


def attempt(row: Row, what: str, action: Callable[[], object]) -> None:
    """Note what an action raises."""
    try:
        action()
    except cops.InputError as error:
        row.failures[what] = str(error)
    except Exception as error:
        row.failures[what] = described(error)


def keeps_the_first(mask: cops.Mask) -> bool:
    """Whether a mask keeps the first weights of all, as for scores that are all equal."""
    flat = torch.cat([layer.flatten() for layer in mask.values()])
    return mask.kappa < mask.size and bool(flat[: mask.kappa].all())


def step(
    tried: Tried, arm: Callable[[nn.Module, cops.Mask], nn.Module], mask: cops.Mask, factor: float
) -> nn.Module:
    """Mask a model and train it for a step: what is outside the mask stays, bit for bit."""
    model = tried.build()
    cops.initialize(model, 7)
    before = {name: model.get_parameter(name).detach().clone() for name in mask}
    arm(model, mask)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loss = tried.loss_of(model)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    assert bool(loss.isfinite()), f"the loss is {loss.item()}"
    assert cops.audit(model) == mask.size - mask.kappa
    changed = False
    for name, keep in mask.items():
        owner, _, leaf = name.rpartition(".")
        now: Tensor = getattr(model.get_submodule(owner), leaf).detach()
        assert torch.equal(now[~keep], before[name][~keep] * factor), f"{name} has changed outside the mask"
        changed |= not torch.equal(now[keep], before[name][keep])
    assert changed, "no kept weight was trained"
    return model


def save_and_load(row: Row, tried: Tried, model: nn.Module, folder: Path) -> None:
    """The same values after a round trip, and the same loss."""
    path = folder / "model.safetensors"
    size = cops.save(model, path)
    loaded = cops.load(path, tried.build)
    before, after = model.state_dict(), loaded.state_dict()
    assert list(before) == list(after)
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]), f"{name} is another after loading"
    losses = []
    for each in (model, loaded):
        with torch.random.fork_rng():
            torch.manual_seed(11)  # of dropout
            losses.append(tried.loss_of(each).item())
    assert losses[0] == losses[1], f"the loss is {losses[1]} where it was {losses[0]}"
    row.file = size / (4 * row.parameters)
