"""What becomes of the model that is looked at: nothing. Masks of another one are refused."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from cops_core.collapse import connectivity

from .networks import Convolutional, Perceptron, full


class Moody(nn.Module):
    """Lets nothing through while it is trained, and draws random numbers always."""

    def forward(self, x):
        torch.rand(3)
        return torch.zeros_like(x) if self.training else x


def test_the_paths_are_those_of_eval_mode():
    model = nn.Sequential(nn.Flatten(), Moody(), nn.Linear(4, 2)).train()
    state = torch.get_rng_state()
    assert connectivity(model, (1, 2, 2), full(model)).effective_density == 1
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for module in model.modules())


def snapshot(model):
    return (
        {name: tensor.clone() for name, tensor in model.state_dict().items()},
        [(p.requires_grad, p.grad, p._version) for p in model.parameters()],
        [module.training for module in model.modules()],
        torch.get_rng_state(),
        torch.is_grad_enabled(),
    )


@pytest.mark.parametrize("fails", [False, True], ids=["works", "raises"])
@pytest.mark.parametrize("grad", [False, True], ids=["no grad", "grad"])
def test_the_model_is_left_as_it_was(fails, grad):
    model = Convolutional()
    model.train()
    model.norm.eval()
    model.conv1.weight.requires_grad_(False)
    model.head.weight.grad = torch.ones(2, 3)
    images = torch.ones((1, *Convolutional.shape))
    before = snapshot(model)
    with torch.set_grad_enabled(grad):
        if fails:
            with pytest.raises(RuntimeError):
                connectivity(model, (5, 9, 8), full(model))
        else:
            connectivity(model, Convolutional.shape, full(model))
        after = snapshot(model)
    for old, new in zip(before[0].items(), after[0].items(), strict=True):
        assert old[0] == new[0]
        assert torch.equal(old[1], new[1])
    assert all(
        a[0] == b[0] and a[1] is b[1] and a[2] == b[2] for a, b in zip(before[1], after[1], strict=True)
    )
    assert before[2] == after[2]
    assert torch.equal(before[3], after[3])
    assert after[4] == grad
    assert model.head.weight.grad.eq(1).all()
    # Outside, max pooling is max pooling again.
    assert torch.equal(
        functional.max_pool2d(images.cumsum(3), 2)[0, 0, 0], torch.tensor([2.0, 4.0, 6.0, 8.0])
    )


def test_masks_of_another_model_are_refused(refused):
    model = Perceptron()
    with refused("names no weight"):
        connectivity(model, Perceptron.shape, {})
    with refused(r"the mask has shape \(5, 6\) at 'fc.weight' where the model has nothing"):
        connectivity(model, Perceptron.shape, {"fc.weight": torch.ones(5, 6).bool()})
    with refused(r"the mask has shape \(6, 5\) at '1.weight' where the model has \(5, 6\)"):
        connectivity(model, Perceptron.shape, {"1.weight": torch.ones(6, 5).bool()})
