"""COPS: VGG16-D on CIFAR-100, with the training of FreezeNet's preset."""

from dataclasses import replace

from search_spaces.presets import freezenet_vgg16_cifar100
from search_spaces.presets.methods import cops_methods

PRESET = replace(
    freezenet_vgg16_cifar100.PRESET,
    paper="cops",
    methods=cops_methods(samples_per_class=1),
)
