"""Running a model without leaving a trace of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from cops_core.streams import derive_seed

NormalisationMode = Literal["train", "eval"]


@contextmanager
def isolated(model: nn.Module, normalisation: NormalisationMode, seed: int) -> Iterator[None]:
    """Inside, `model` may be run and differentiated; afterwards, also after a raise, all is as before.

    Normalisation layers use the statistics of the batch ("train") or their running ones ("eval").
    Every other module is in eval mode: dropout is off, so that a score is a function of weights and
    data, not of random draws or of the order of the batch. A layer that draws even in eval mode
    draws from `seed`. Autocast is off, whatever the caller uses, and cuDNN is deterministic; whether
    a GPU may round float32 to TF32 stays with torch's own switches.

    Restored: the mode of every submodule and torch's random states. The flags are set module by
    module, because a model may override `train()`. Weights and buffers are not protected here:
    `Network` runs on clones. Not for two threads on the same model.
    """
    modes = [(module, module.training) for module in model.modules()]
    devices = {tensor.device for tensor in model.parameters()}
    gpus = sorted({device.index for device in devices if device.type == "cuda"})
    cudnn = torch.backends.cudnn
    flags = (cudnn.deterministic, cudnn.benchmark)
    with (
        torch.random.fork_rng(devices=gpus, device_type="cuda"),
        torch.autocast(device_type="cuda" if gpus else "cpu", enabled=False),
        torch.enable_grad(),
    ):
        try:
            for module, _ in modes:
                module.training = normalisation == "train" and isinstance(module, _NormBase)
            cudnn.deterministic, cudnn.benchmark = True, False
            # Only generators that are restored: torch.manual_seed would reseed every GPU there is.
            torch.default_generator.manual_seed(derive_seed(seed, "scoring"))
            for gpu in gpus:
                torch.cuda.default_generators[gpu].manual_seed(derive_seed(seed, "scoring"))
            yield
        finally:
            cudnn.deterministic, cudnn.benchmark = flags
            for module, mode in modes:
                module.training = mode
