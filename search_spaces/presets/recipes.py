"""How the papers train: the recipe of SNIP (arXiv 1810.02340) and of the papers after it, FreezeNet included.

SGD with momentum 0.9, weight decay 5e-4, learning rate 0.1 times 0.1 every 25,000 (MNIST) or 30,000
(CIFAR) iterations, batches of 100 or 128, 250 epochs, Xavier-normal weights; a tenth of the training
images is held out, and the test images are evaluated once.

Without batch norm, as in both LeNets, 0.1 might diverge. It does not: on Fashion-MNIST no trial of one epoch
did, dense, pruned (0.9, 0.995) or frozen (0.9, 0.99), nor did LeNet-300-100 in ten dense epochs at a
constant 0.1. So all networks start with 0.1; the table counts the trials that diverge.
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
# Our own choice: CIFAR's recipe with 100 epochs. 90,000 images are 704 iterations per epoch, so the
# learning rate is reduced twice, as in 250 epochs on CIFAR.
TINY_IMAGENET_RECIPE = CIFAR_RECIPE.model_copy(update={"epochs": 100})
