"""How the papers train: the recipe of the SNIP line of papers (arXiv 1810.02340), which FreezeNet's follows.

SGD with momentum 0.9, weight decay 5e-4, learning rate 0.1 times 0.1 every 25,000 (MNIST) or 30,000
(CIFAR) iterations, batches of 100 or 128, 250 epochs, Xavier-normal weights; a tenth of the training
images is held out, the test images are judged once.

Without batch norm, as in both LeNets, 0.1 might diverge. It does not: on Fashion-MNIST no trial of an epoch
did, dense, pruned (0.9, 0.995) or frozen (0.9, 0.99), nor did LeNet-300-100 in ten dense epochs at a
constant 0.1. So all networks begin with 0.1; the table counts any trial that diverges.
"""

from cops_core.config import Training

MNIST_RECIPE = Training(
    epochs=250,
    batch_size=100,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    schedule="step",
    step_every=25_000,
    step_factor=0.1,
)
CIFAR_RECIPE = Training(
    epochs=250,
    batch_size=128,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    schedule="step",
    step_every=30_000,
    step_factor=0.1,
    augmentation="crop_flip",
)
# Our own choice: CIFAR's recipe in 100 epochs. 90,000 images make 704 iterations an epoch, so that the
# learning rate falls twice, as it does in 250 epochs on CIFAR.
TINY_IMAGENET_RECIPE = CIFAR_RECIPE.model_copy(update={"epochs": 100})
