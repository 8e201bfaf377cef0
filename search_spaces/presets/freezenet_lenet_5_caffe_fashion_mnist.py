"""FreezeNet's setting for LeNet-5-Caffe on MNIST, on Fashion-MNIST."""

from dataclasses import replace

from search_spaces.presets import freezenet_lenet_5_caffe_mnist

PRESET = replace(freezenet_lenet_5_caffe_mnist.PRESET, dataset="fashion_mnist", published=())
