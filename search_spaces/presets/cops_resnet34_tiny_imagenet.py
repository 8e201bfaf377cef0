"""COPS: ResNet34 on Tiny ImageNet, with the training of FreezeNet's preset."""

from dataclasses import replace

from search_spaces.presets import freezenet_resnet34_tiny_imagenet
from search_spaces.presets.methods import cops_methods

PRESET = replace(
    freezenet_resnet34_tiny_imagenet.PRESET,
    paper="cops",
    methods=cops_methods(samples_per_class=1),
)
