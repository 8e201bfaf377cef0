"""torchvision, also if its native operators cannot be loaded. Only this file imports it, on first use.

torchvision's wheels are built against one CUDA build of torch. Beside a CPU-only torch its native
library does not load, and `import torchvision` raises `operator torchvision::nms does not exist`.
Everything used here (data sets, models) is pure Python. It is enough to declare the schemas of the two
operators for which torchvision registers fake kernels on import. The operators themselves stay unavailable.

The import takes about a second, so workers import torchvision only when they need it.
"""

import importlib
from types import ModuleType

import torch

_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[torch.library.Library] = []  # a Library's schemas live as long as it does


def torchvision_datasets() -> ModuleType:
    """The module `torchvision.datasets`."""
    datasets: ModuleType = _torchvision().datasets
    return datasets


def torchvision_models() -> ModuleType:
    """The module `torchvision.models`."""
    models: ModuleType = _torchvision().models
    return models


def _torchvision() -> ModuleType:
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            library.define(f"{operator}{_SIGNATURE}")  # type: ignore[no-untyped-call]
        _declared.append(library)
        return importlib.import_module("torchvision")
