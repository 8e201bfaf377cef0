"""Run a model without changing it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import nn
from torch.backends import mha
from torch.nn.modules.batchnorm import _NormBase

from cops_core.generators import seeded_generators

NormalisationMode = Literal["train", "eval"]


@contextmanager
def isolated(model: nn.Module, normalisation: NormalisationMode, seed: int) -> Iterator[None]:
    """A context to run and differentiate a model. Afterwards it is unchanged, also after an error.

    All modules except normalisation layers are in eval mode: dropout is off, so that a score depends on
    weights and data, not on random draws or the order of the batch. A layer that draws even in eval mode
    draws from `seed`. Autocast is off, cuDNN is deterministic, and attention layers do not take torch's fast
    path for inference, which has no derivative; torch's own switches decide whether a GPU may round float32
    to TF32.

    The mode of every submodule and the global random states are restored. The modes are set module by module,
    since a model may override `train()`. Weights and buffers are not protected here: `Network` runs on
    clones. Do not use it from two threads on the same model.

    Args:
        model: The model.
        normalisation: Normalisation layers use the statistics of the batch ("train") or their running ones
            ("eval").
        seed: The trial's, in [0, 2**32).
    """
    modes = [(module, module.training) for module in model.modules()]
    devices = {tensor.device for tensor in model.parameters()}
    on_gpu = any(device.type == "cuda" for device in devices)
    cudnn = torch.backends.cudnn
    flags = (cudnn.deterministic, cudnn.benchmark)
    fast_path = mha.get_fastpath_enabled()
    with (
        seeded_generators(seed, "scoring", devices=devices),
        torch.autocast(device_type="cuda" if on_gpu else "cpu", enabled=False),
        torch.enable_grad(),
    ):
        try:
            for module, _ in modes:
                module.training = normalisation == "train" and isinstance(module, _NormBase)
            cudnn.deterministic, cudnn.benchmark = True, False
            mha.set_fastpath_enabled(False)
            yield
        finally:
            cudnn.deterministic, cudnn.benchmark = flags
            mha.set_fastpath_enabled(fast_path)
            for module, mode in modes:
                module.training = mode
