"""Installed by pip, which may take a torch for which torchvision's native library was not built."""

import shutil

import pytest

LOOK = """
import warnings
warnings.simplefilter("ignore")
from cops_core import vision
datasets = vision.torchvision_datasets()
import torch, torchvision
print(torch.__version__.partition("+")[0], torchvision.__version__.partition("+")[0])
print(len(vision._declared) == int(not torchvision.extension._has_ops()))
print(len(datasets.FakeData(size=2, image_size=(1, 4, 4))), datasets.MNIST.__name__)
print(vision.torchvision_models().resnet.ResNet.__name__)
"""


@pytest.mark.slow
def test_an_editable_installation_trains_and_uses_torchvisions_data_sets_and_models(
    environment, checkout, trial_program
):
    constraints = checkout / "constraints.txt"
    install = (environment.python, "-m", "pip", "install", "-c", constraints, "-e", checkout)
    # Bytecode of all files of all packages takes a minute, that of the imported ones seconds.
    environment.run(*install, minutes=30, PIP_NO_COMPILE="1")
    assert environment.execute(trial_program) == ["finished", "2510"]
    assert environment.execute(LOOK) == ["2.13.0", "0.28.0", "True", "2", "MNIST", "ResNet"]
    commands = environment.python.parent
    cops = next(path for path in commands.iterdir() if path.stem == "cops")
    assert "launch" in environment.run(cops, "--help")

    # The wheel, as a release is tried: without the checkout, with all files that the packages need.
    pip = (environment.python, "-m", "pip")
    environment.run(*pip, "wheel", "--no-deps", "-w", environment.home, checkout)
    environment.run(*pip, "uninstall", "-y", "cops-study")
    shutil.rmtree(checkout)
    (wheel,) = environment.home.glob("cops_study-*.whl")
    environment.run(*pip, "install", "--no-deps", wheel)
    assert environment.execute(trial_program) == ["finished", "2510"]
    environment.run(cops, "launch", "quickstart", "--trials", "8", "--epochs", "1")
    assert "report.html" in environment.run(cops, "report", "quickstart")
