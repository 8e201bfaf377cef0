"""The papers' settings by name: `cops table NAME` runs one and prints its table. One file per preset."""

from collections.abc import Mapping

from search_spaces.presets import (
    cops_lenet_5_caffe_fashion_mnist,
    cops_lenet_5_caffe_mnist,
    cops_lenet_300_100_fashion_mnist,
    cops_lenet_300_100_mnist,
    cops_resnet18_cifar10,
    cops_resnet18_tiny_imagenet,
    cops_resnet34_tiny_imagenet,
    cops_vgg16_cifar10,
    cops_vgg16_cifar100,
    force_lenet_300_100_fashion_mnist,
    force_lenet_300_100_mnist,
    force_vgg19_cifar10,
    force_vgg19_cifar100,
    freezenet_lenet_5_caffe_fashion_mnist,
    freezenet_lenet_5_caffe_mnist,
    freezenet_lenet_300_100_fashion_mnist,
    freezenet_lenet_300_100_mnist,
    freezenet_resnet34_tiny_imagenet,
    freezenet_vgg16_cifar10,
    freezenet_vgg16_cifar100,
)
from search_spaces.presets.base import Preset

__all__ = ["PRESETS", "Preset"]

PRESETS: Mapping[str, Preset] = {
    "freezenet_lenet_300_100_mnist": freezenet_lenet_300_100_mnist.PRESET,
    "freezenet_lenet_5_caffe_mnist": freezenet_lenet_5_caffe_mnist.PRESET,
    "freezenet_vgg16_cifar10": freezenet_vgg16_cifar10.PRESET,
    "freezenet_vgg16_cifar100": freezenet_vgg16_cifar100.PRESET,
    "freezenet_resnet34_tiny_imagenet": freezenet_resnet34_tiny_imagenet.PRESET,
    "freezenet_lenet_300_100_fashion_mnist": freezenet_lenet_300_100_fashion_mnist.PRESET,
    "freezenet_lenet_5_caffe_fashion_mnist": freezenet_lenet_5_caffe_fashion_mnist.PRESET,
    "cops_lenet_300_100_mnist": cops_lenet_300_100_mnist.PRESET,
    "cops_lenet_5_caffe_mnist": cops_lenet_5_caffe_mnist.PRESET,
    "cops_vgg16_cifar10": cops_vgg16_cifar10.PRESET,
    "cops_vgg16_cifar100": cops_vgg16_cifar100.PRESET,
    "cops_resnet18_cifar10": cops_resnet18_cifar10.PRESET,
    "cops_resnet34_tiny_imagenet": cops_resnet34_tiny_imagenet.PRESET,
    "cops_resnet18_tiny_imagenet": cops_resnet18_tiny_imagenet.PRESET,
    "cops_lenet_300_100_fashion_mnist": cops_lenet_300_100_fashion_mnist.PRESET,
    "cops_lenet_5_caffe_fashion_mnist": cops_lenet_5_caffe_fashion_mnist.PRESET,
    "force_lenet_300_100_mnist": force_lenet_300_100_mnist.PRESET,
    "force_lenet_300_100_fashion_mnist": force_lenet_300_100_fashion_mnist.PRESET,
    "force_vgg19_cifar10": force_vgg19_cifar10.PRESET,
    "force_vgg19_cifar100": force_vgg19_cifar100.PRESET,
}
