"""FORCE and Iterative SNIP against their algorithm written by hand."""

from decimal import Decimal

import pytest
import torch
from torch.nn.functional import cross_entropy

from cops_core.config import NAMED_SELECTIONS, Selection, named_selection
from cops_core.data import load_split
from cops_core.errors import InputError
from cops_core.initialization import initialize
from cops_core.mask import kept_weights
from cops_core.models import build_model
from cops_core.prunable import maskable
from cops_core.scoring import Scorer
from cops_core.trial_selection import select_weights

SEED = 3
DENSITY = Decimal("0.02")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return load_split("digits", tmp_path_factory.mktemp("data"), SEED, Decimal("0.2"))


def network(parts):
    model = build_model("lenet_300_100", parts.data.shape, 10).double()
    initialize(model, SEED)
    return model


def by_hand(model, parts, *, revive, batches, rounds=60):
    """Backward pass at the masked weights, |theta0 g|, sort, mask: de Jorge et al. 2021, Algorithm 1."""
    weights = list(maskable(model).values())
    theta0 = torch.cat([weight.detach().reshape(-1).clone() for weight in weights])
    keep = torch.ones_like(theta0, dtype=torch.bool)
    sizes = [weight.numel() for weight in weights]
    for k in range(1, rounds + 1):
        with torch.no_grad():
            for weight, part in zip(weights, (theta0 * keep).split(sizes), strict=True):
                weight.copy_(part.reshape(weight.shape))
        total = torch.zeros_like(theta0)
        for number in range(1, batches + 1):
            (images, labels), _ = parts.scoring_batch(SEED, 13, round_=k, number=number)
            loss = cross_entropy(model(images.double()), labels)
            total += torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, weights)]) / batches
        saliency = (theta0 * total).abs()
        if not revive:
            saliency[~keep] = -1
        kappa = int(len(theta0) * float(DENSITY) ** (k / rounds) + 0.5)
        kappa = kept_weights(DENSITY, len(theta0)) if k == rounds else kappa
        keep = torch.zeros_like(keep)
        keep[saliency.argsort(descending=True, stable=True)[:kappa]] = True  # ties: the lower index
    return keep


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize("name", NAMED_SELECTIONS)
def test_the_mask_is_that_of_the_algorithm(parts, name, batches):
    selection = named_selection(name, batches=batches)
    selected = select_weights(Scorer(network(parts), SEED, "theta0"), parts, selection, DENSITY)
    expected = by_hand(network(parts), parts, revive=name == "force", batches=batches)
    ours = torch.cat([layer.reshape(-1) for layer in selected.mask.values()])
    assert int((ours != expected).sum()) == 0
    assert len(selected.manifest["sample_indices"]) == 60


def test_what_the_names_mean():
    force, iterative = named_selection("force"), named_selection("iterative_snip")
    assert force == Selection(target="snip", rounds=60, revive=True, fresh_batches=True, samples_per_class=13)
    assert iterative == force.model_copy(update={"revive": False})
    assert force.method == "snip, 60 rounds with revival on fresh batches"
    many = named_selection("force", samples_per_class=1, batches=10)
    assert (many.samples_per_class, many.batches, many.rounds) == (1, 10, 60)


def test_other_names_are_refused():
    with pytest.raises(InputError, match="unknown selection 'forc': did you mean 'force'"):
        named_selection("forc")
