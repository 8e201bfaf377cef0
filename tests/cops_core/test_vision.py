"""torchvision beside a torch that it was not built for."""

import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cops_core import vision

IMPORT = """
import warnings
from cops_core import vision
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torchvision's about its image library
    datasets = vision.torchvision_datasets()
import torch, torchvision
print(len(vision._declared), torchvision.extension._has_ops(), torchvision.__file__)
data = datasets.FakeData(size=2, image_size=(1, 4, 4))
assert len(data) == 2 and len(data[0]) == 2
assert issubclass(datasets.FashionMNIST, datasets.MNIST)
assert vision.torchvision_datasets() is datasets
logits = vision.torchvision_models().resnet18(num_classes=3)(torch.zeros(2, 3, 8, 8))
assert logits.shape == (2, 3)
print(len(vision._declared))
"""


def words_of(program: str, first: Path | None = None) -> list[str]:
    """The words that `program` prints in a new process, with the folder `first` first on the path."""
    path = os.pathsep.join([str(first)] * (first is not None) + [os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def torchvision_with(native_library: bytes | None, folder: Path) -> Path:
    """A folder with the installed torchvision, links to it, and another native library, or none."""
    specification = importlib.util.find_spec("torchvision")
    assert specification is not None
    assert specification.origin is not None
    (folder / "torchvision").mkdir()
    for file in Path(specification.origin).parent.iterdir():
        if not file.name.startswith("_C.") and file.name != "__pycache__":
            (folder / "torchvision" / file.name).symlink_to(file)
    if native_library is not None:
        (folder / "torchvision" / "_C.so").write_bytes(native_library)
    return folder


@pytest.mark.parametrize(
    "native_library",
    [
        pytest.param(None, id="missing", marks=pytest.mark.slow),
        pytest.param(b"of another CUDA", id="does not load"),
    ],
)
def test_without_the_native_library_data_sets_and_models_work(tmp_path, native_library):
    folder = torchvision_with(native_library, tmp_path)
    declared, has_operators, file, declared_later = words_of(IMPORT, folder)
    assert Path(file).is_relative_to(folder)
    assert has_operators == "False"
    assert declared == declared_later == "1"


def test_with_the_native_library_nothing_is_declared():
    vision.torchvision_datasets()
    extension = importlib.import_module("torchvision.extension")
    assert len(vision._declared) == (0 if extension._has_ops() else 1)


@pytest.mark.parametrize("part", [vision.torchvision_datasets, vision.torchvision_models])
def test_another_failure_of_torchvision_is_not_hidden(monkeypatch, part):
    def fail(name):
        raise RuntimeError("libjpeg is from another planet")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(RuntimeError, match="another planet"):
        part()


FIRST_USE = """
import importlib, pkgutil, sys
import cops_core
for module in pkgutil.walk_packages(cops_core.__path__, "cops_core."):
    importlib.import_module(module.name)
from cops_core.models import build_model
build_model("lenet_5_caffe", (1, 28, 28), 10)
print("torchvision" in sys.modules)
build_model("resnet18", (1, 28, 28), 10)
print("torchvision" in sys.modules)
"""


@pytest.mark.slow
def test_torchvision_is_imported_when_a_network_of_its_blocks_is_built():
    assert words_of(FIRST_USE) == ["False", "True"]
