"""The example of docs/library.md with a torchvision ResNet-50 and a timm ViT, 20 steps each."""

import pytest
import torch
from torch.nn import functional

import cops_core as cops


def resnet50():
    import torchvision

    return torchvision.models.resnet50(num_classes=10)


def vit():
    import timm

    return timm.create_model("vit_tiny_patch16_224", num_classes=10, img_size=32, patch_size=4)


@pytest.mark.slow
@pytest.mark.parametrize(("build", "size"), [(resnet50, 64), (vit, 32)])
def test_twenty_steps(tmp_path, build, size):
    """The loss falls, what is frozen stays bit for bit, and the file is as large as what is kept."""
    torch.manual_seed(0)
    model = build()
    cops.initialize(model, seed=7)
    generator = torch.Generator().manual_seed(1)
    batch = (torch.randn(8, 3, size, size, generator=generator), torch.arange(8))
    mask = cops.select(model, batch, target="snip", controls={"magnitude": 0.3}, density=0.01)
    before = {name: model.get_parameter(name).detach().clone() for name in mask}
    dense = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    cops.freeze(model, mask)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert cops.audit(model) == mask.size - mask.kappa
    size = cops.save(model, tmp_path / "net.safetensors")
    assert size < 0.05 * dense
    loaded = cops.load(tmp_path / "net.safetensors", build)
    cops.materialize(loaded)
    for name, keep in mask.items():
        assert torch.equal(loaded.get_parameter(name)[~keep], before[name][~keep]), name
