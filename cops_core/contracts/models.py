"""The contract of models (see `cops_core.models`), checked with images of several shapes.

Each check takes the name of a model in `MODELS`. Shapes that the model refuses by an InputError are skipped;
the first check requires that one shape is accepted.
"""

from collections.abc import Sequence
from copy import deepcopy
from decimal import Decimal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cops_core.arms import SCALES
from cops_core.config import Arm, Training
from cops_core.contracts.agreement import check_training
from cops_core.contracts.base import Check, each, require
from cops_core.data import ImageData, split
from cops_core.errors import InputError, listed
from cops_core.freeze_net import FreezeNet
from cops_core.initialization import initialize
from cops_core.mask import Mask
from cops_core.models import build_model
from cops_core.models.base import Shape
from cops_core.prunable import maskable
from cops_core.train import Trainer

SHAPES: tuple[Shape, ...] = ((1, 28, 28), (3, 32, 32), (2, 17, 40))
CLASSES = (37, 10, 2)
# For training: as small as the models allow.
SMALL: Shape = (1, 16, 16)
IMAGES = 5
STEPS = 2


def some_images_fit(model: str) -> None:
    """It is built for images of at least one of the shapes; others are refused by an InputError."""
    require(
        any(_built(model, shape, 10) is not None for shape in SHAPES),
        f"refuses images of each of the shapes {', '.join(map(str, SHAPES))}",
    )


def every_image_has_logits(model: str, shape: Shape, classes: int) -> None:
    """The logits have the shape (images, classes), are finite, and differ from image to image."""
    network = _built(model, shape, classes)
    if network is None:
        return
    initialize(network, 0)
    logits = network.eval()(_images(shape))
    require(isinstance(logits, Tensor), f"returns {type(logits).__name__}, not a tensor of logits")
    expected = (IMAGES, classes)
    require(logits.shape == expected, f"logits of shape {tuple(logits.shape)}, not {expected}")
    require(bool(logits.isfinite().all()), "logits are not finite")
    require(len({tuple(row) for row in logits.tolist()}) == IMAGES, "images have the same logits")


def every_parameter_has_a_gradient(model: str, shape: Shape, classes: int) -> None:
    """The loss depends on every parameter."""
    network = _built(model, shape, classes)
    if network is None:
        return
    # In eval mode: a bias before a batch's own normalisation has no gradient.
    loss = cross_entropy(network.eval()(_images(shape)), torch.arange(IMAGES) % classes)
    loss.backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        require(parameter.grad is not None and bool(parameter.grad.any()), f"{name} has no gradient")


def logits_depend_on_their_image_alone(model: str, shape: Shape) -> None:
    """In eval mode, the logits of an image depend on no other image and on no random draw."""
    network = _built(model, shape, 10)
    if network is None:
        return
    with torch.random.fork_rng(), torch.no_grad():
        network.eval()
        together, first = network(_images(shape)), network(_images(shape)[:2])
    require(
        torch.allclose(together[:2], first, rtol=1e-3, atol=1e-4),
        "logits depend on the other images, or on a random draw",
    )


def weights_are_maskable(model: str, shape: Shape) -> None:
    """There is a convolution or linear layer, and layers have names."""
    network = _built(model, shape, 10)
    if network is None:
        return
    weights = maskable(network)
    require(bool(weights), "has no convolution or linear layer")
    for name, _ in network.named_parameters():
        # Digits may count layers within a stage that has a name.
        require(not name.split(".")[0].isdigit(), f"{name} has a number as its name: use an OrderedDict")


def networks_share_no_tensors(model: str, shape: Shape) -> None:
    """Two networks have the same names, and no parameter or buffer in common."""
    first, second = _built(model, shape, 10), _built(model, shape, 10)
    if first is None or second is None:
        return
    require(list(first.state_dict()) == list(second.state_dict()), "a second network has other names")
    shared = _memory(first).keys() & _memory(second).keys()
    require(not shared, f"a second network shares {listed(_memory(first)[place] for place in shared)}")


def the_seed_decides_all_values(model: str, shape: Shape) -> None:
    """Two networks of one seed have the same values in all their parameters and buffers."""
    first, second = _built(model, shape, 10), _built(model, shape, 10)
    if first is None or second is None:
        return
    others = second.state_dict(keep_vars=True) | dict(second.named_buffers())
    for name, one in (first.state_dict(keep_vars=True) | dict(first.named_buffers())).items():
        same = not isinstance(one, Tensor) or torch.equal(one.detach(), others[name].detach())
        require(same, f"{name} differs from network to network: draw it from torch's generators, or fill it")


def trains_and_resumes_with_frozen_weights(model: str) -> None:
    """With half of its weights frozen it trains and resumes from its state, and these never change."""
    shape = next((s for s in (SMALL, *SHAPES) if _built(model, s, 3) is not None), None)
    require(shape is not None, "refuses images of every shape")
    assert shape is not None
    images = _images(shape, 18).mul(50).clamp(0, 255).to(torch.uint8)
    labels = torch.arange(18) % 3
    data = ImageData(
        name="noise",
        classes=3,
        train_images=images[:12],
        train_labels=labels[:12],
        test_images=images[12:],
        test_labels=labels[12:],
    )
    # Nine training images in batches of four: a single one is left over.
    parts = split(data, 0, Decimal("0.25"))
    trainers = []
    for _ in range(2):
        network = build_model(model, shape, 3)
        initialize(network, 0)
        mask = Mask({name: weight > 0 for name, weight in maskable(network).items()})
        trainers.append(Trainer(FreezeNet(network, mask), parts, Training(epochs=2, batch_size=4), 0))
    whole, resumed = trainers
    whole.run_epoch()
    resumed.load_state(deepcopy(whole.state()))  # a copy like a checkpoint, since the state itself changes
    last, again = whole.run_epoch(), resumed.run_epoch()
    require(not last.diverged, "its loss diverges within two epochs")
    require(
        (last.train_loss, last.validation_loss) == (again.train_loss, again.validation_loss),
        "resumed from its state, it trains differently",
    )
    whole.network.audit(0, "xavier_normal")


def trains_as_a_dense_network(model: str, arm: Arm) -> None:
    """Its kept weights are trained as those of a dense copy whose other gradients are masked."""
    shape = next((s for s in (SMALL, *SHAPES) if _built(model, s, 3) is not None), None)
    require(shape is not None, "refuses images of every shape")
    assert shape is not None
    generator = torch.Generator().manual_seed(1)
    network = build_model(model, shape, 3)
    mask = Mask(
        {name: torch.rand(w.shape, generator=generator) < 0.1 for name, w in maskable(network).items()}
    )

    def build() -> nn.Module:
        initialize(built := build_model(model, shape, 3), 0)
        return built

    batches = [(_images(shape, 4 * step + 4)[-4:], torch.arange(4) % 3) for step in range(STEPS)]
    check_training(build, mask, SCALES[arm], batches, Training(learning_rate=0.01))


EVERY_SHAPE = each(*SHAPES)
SHAPES_AND_CLASSES = tuple(zip(SHAPES, CLASSES, strict=True))
MODEL_CHECKS: tuple[Check, ...] = (
    Check(some_images_fit),
    Check(every_image_has_logits, SHAPES_AND_CLASSES),
    Check(every_parameter_has_a_gradient, SHAPES_AND_CLASSES),
    Check(logits_depend_on_their_image_alone, EVERY_SHAPE),
    Check(weights_are_maskable, EVERY_SHAPE),
    Check(networks_share_no_tensors, EVERY_SHAPE),
    Check(the_seed_decides_all_values, EVERY_SHAPE),
    Check(trains_and_resumes_with_frozen_weights),
    Check(trains_as_a_dense_network, each("prune", "freeze")),
)


def _built(model: str, shape: Shape, classes: int) -> nn.Module | None:
    """The network with torch's own weights; None if it does not support such images."""
    try:
        return build_model(model, shape, classes)
    except InputError:
        return None


def _images(shape: Sequence[int], count: int = IMAGES) -> Tensor:
    """Images of noise, shape (count, *shape)."""
    return torch.randn((count, *shape), generator=torch.Generator().manual_seed(0))


def _memory(network: nn.Module) -> dict[int, str]:
    """The memory addresses of the network's parameters and buffers, with their names."""
    tensors = [*network.named_parameters(), *network.named_buffers()]
    return {tensor.data_ptr(): name for name, tensor in tensors if tensor.numel()}
