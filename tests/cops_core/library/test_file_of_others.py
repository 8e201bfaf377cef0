"""Files of networks whose modules are particular about their states."""

import torch
from torch import nn

import cops_core as cops

from .networks import Recurrent, build


class Versioned(nn.Linear):
    """As torchvision's MNASNet: it loads no state of an unknown version."""

    _version = 2

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
        assert local_metadata.get("version") == 2
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


def test_versions_of_modules_are_known(tmp_path):
    model = nn.Sequential(Versioned(4, 3))
    cops.freeze(model, cops.select(model, target="magnitude", density=0.5))
    cops.save(model, tmp_path / "net")
    cops.load(tmp_path / "net", lambda: nn.Sequential(Versioned(4, 3)))


def test_parameters_have_the_same_order(tmp_path):
    """An optimizer's state is loaded by the parameters' places in it."""
    model = build(Recurrent, torch.float32)
    mask = cops.select(model, target="magnitude", density=0.5)
    cops.prune(model, dict(reversed(list(mask.items()))))
    cops.save(model, tmp_path / "net")
    loaded = cops.load(tmp_path / "net", lambda: build(Recurrent, torch.float32))
    plain = build(Recurrent, torch.float32)
    cops.prune(plain, mask)
    names = [name for name, _ in plain.named_parameters()]
    assert [name for name, _ in model.named_parameters()] == names
    assert [name for name, _ in loaded.named_parameters()] == names
