"""FreezeNet: ResNet34 on Tiny ImageNet, with our own recipe (see `recipes`)."""

from search_spaces.presets.base import Preset
from search_spaces.presets.methods import freezenet_methods
from search_spaces.presets.recipes import TINY_IMAGENET_RECIPE

PRESET = Preset(
    paper="freezenet",
    model="resnet34",
    dataset="tiny_imagenet",
    training=TINY_IMAGENET_RECIPE,
    methods=freezenet_methods(samples_per_class=1),
    seeds=3,
    tolerance=1.0,
)
