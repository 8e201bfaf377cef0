"""FreezeNet: VGG16-D on CIFAR-100."""

from dataclasses import replace

from search_spaces.presets import freezenet_vgg16_cifar10
from search_spaces.presets.methods import freezenet_methods

PRESET = replace(
    freezenet_vgg16_cifar10.PRESET,
    dataset="cifar100",
    methods=freezenet_methods(samples_per_class=1),
    published=(),
)
