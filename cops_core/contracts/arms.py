"""The check of an arm: it trains as a dense copy does, resumes from its state, and is saved as it is."""

from decimal import Decimal
from io import BytesIO
from typing import Any

import torch

from cops_core.arms import scale_of
from cops_core.artifact import header_of, load_artifact, pack
from cops_core.artifact.fingerprint import fingerprint
from cops_core.config import Regrow, Training, TrialConfig
from cops_core.contracts.agreement import check_training
from cops_core.contracts.base import require
from cops_core.contracts.small_data import BATCH, SEED, SmallNetwork
from cops_core.data import Split
from cops_core.freeze_net import FreezeNet
from cops_core.train import Trainer

STEPS, STEPS_OF_LARGE = 4, 2
# By optimizer: a few steps change the network, and do not break it.
LEARNING_RATES = {"sgd": 0.05, "adamw": 0.002}
CLIPPED_NORM = 0.1  # shorter than the gradient of an untrained network
REGROW = Regrow(every=2, fraction=0.9, until=1)  # in the first step of the second epoch


def check_arm(
    network: SmallNetwork,
    images: Split,
    config: TrialConfig,
    density: Decimal,
    *,
    resumed: bool = True,
    saved: bool = True,
) -> None:
    """Check that an arm trains as a dense copy does, resumes from its state, and is saved as it is.

    Args:
        network: The network.
        images: What it is trained on.
        config: Its arm, its scale and its training count, and whether its mask changes; of the training
            neither the learning rate nor how it changes.
        density: The kept fraction of each layer; not used for the dense arm.
        resumed: Whether to resume it.
        saved: Whether to save it.

    Raises:
        ContractError: It trains or resumes differently, or its artefact is another network.
        Exception: What its own code raises.
    """
    if config.arm != "dense":
        check_training(
            network.build,
            network.mask(density),
            scale_of(config),
            [network.batch(images)] * (STEPS_OF_LARGE if network.large else STEPS),
            _training(config.training),
            exact=not network.large,
        )
    if not (resumed or saved):
        return
    trainer = _trainer(network, images, config, density)
    trainer.run_epoch()
    if resumed:
        again = _trainer(network, images, config, density)
        again.load_state(_as_written(trainer.state()))
        one, other = trainer.run_epoch(), again.run_epoch()
        same = (one.train_loss, one.validation_loss) == (other.train_loss, other.validation_loss)
        require(
            same or one.diverged,
            "resumed from its state, it trains differently: keep all that changes in parameters and buffers",
        )
    if not network.large:  # an artefact that is the network has the same weights outside the mask
        trainer.network.audit(SEED, config.initialization)
    if saved:
        _artefact_is_the_network(network, trainer.network, config, density)


def _training(training: Training) -> Training:
    """A few steps of a training, at a constant learning rate. A gradient is clipped if it may be."""
    longest = training.max_gradient_norm
    return Training(
        epochs=3,
        batch_size=BATCH,
        optimizer=training.optimizer,
        learning_rate=LEARNING_RATES[training.optimizer],
        momentum=training.momentum,
        nesterov=training.nesterov,
        betas=training.betas,
        eps=training.eps,
        schedule="constant",
        label_smoothing=training.label_smoothing,
        max_gradient_norm=None if longest is None else min(longest, CLIPPED_NORM),
        precision=training.precision,
    )


def _trainer(network: SmallNetwork, images: Split, config: TrialConfig, density: Decimal) -> Trainer:
    mask = None if config.arm == "dense" else network.mask(density)
    changes = config.selection is not None and config.selection.regrow is not None
    return Trainer(
        FreezeNet(network.build(), mask, scale_of(config)),
        images,
        _training(config.training),
        SEED,
        regrow=REGROW if changes else None,
    )


def _as_written(state: dict[str, Any]) -> dict[str, Any]:
    """A state after it was written to a checkpoint and read again."""
    buffer = BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    read: dict[str, Any] = torch.load(buffer, weights_only=True)
    return read


def _artefact_is_the_network(
    network: SmallNetwork, trained: FreezeNet, config: TrialConfig, density: Decimal
) -> None:
    mask = None if config.arm == "dense" else network.mask(density)
    config = config.model_copy(update={"density": None if mask is None else density, "seed": SEED})
    last = trained.mask()  # it may have changed
    require(mask is None or last.kept == mask.kept, "its layers keep another number of weights than before")
    mask_sha256 = None if mask is None else last.sha256()
    header = header_of(config, network.whole, network.theta0_sha256, mask_sha256, network.extensions)
    loaded = load_artifact(pack(trained, header), network.extensions, name="its artefact")
    require(
        fingerprint(loaded.model) == fingerprint(trained.model),
        "the network in its artefact is not the trained one",
    )
