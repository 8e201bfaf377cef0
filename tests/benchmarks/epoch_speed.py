"""What the training loop costs beside a minimal one by hand: `python tests/benchmarks/epoch_speed.py`.

An epoch of LeNet-300-100 on Fashion-MNIST, all weights trained, one CPU thread. By hand: images as
normalised floats in memory, a shuffled index, SGD with momentum and weight decay, a cosine; nothing is
reported. The two take turns; the ratio is the median over the rounds.
"""

import time
from typing import Annotated

import numpy as np
import torch
import typer
from command import as_command
from torch import nn
from torch.nn.functional import cross_entropy, relu

from cops_core.config import Training, TrialConfig
from cops_core.trial import Trial


class ByHand:
    """The loop that everybody writes."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor, training: Training) -> None:
        self.images, self.labels, self.size = images, labels, training.batch_size
        self.net = nn.ModuleList([nn.Linear(images[0].numel(), 300), nn.Linear(300, 100), nn.Linear(100, 10)])
        self.optimizer = torch.optim.SGD(
            self.net.parameters(),
            lr=training.learning_rate,
            momentum=training.momentum,
            weight_decay=training.weight_decay,
        )
        steps = training.epochs * -(-len(labels) // self.size)
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)

    def epoch(self) -> None:
        """Train for an epoch."""
        order = torch.randperm(len(self.labels))
        for start in range(0, len(order), self.size):
            index = order[start : start + self.size]
            first, second, third = self.net
            hidden = relu(second(relu(first(self.images[index].flatten(1)))))
            loss = cross_entropy(third(hidden), self.labels[index])
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.scheduler.step()


def main(
    rounds: Annotated[int, typer.Option(help="Epochs of each.")] = 15,
    dataset: Annotated[str, typer.Option(help="Which data set.")] = "fashion_mnist",
) -> None:
    """Print the ratio."""
    torch.set_num_threads(1)
    config = TrialConfig(dataset=dataset, training=Training(epochs=rounds + 1))
    trainer = Trial(config).trainer
    part = trainer.split.train
    by_hand = ByHand(part.images, part.labels, config.training)
    seconds = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        by_hand.epoch()
        between = time.perf_counter()
        ours = trainer.run_epoch().train_seconds
        seconds.append((between - began, ours))
    hand, ours = np.array(seconds[1:]).T  # the first epoch of both warms up
    ratio = float(np.median(ours / hand))
    typer.echo(f"an epoch by hand {np.median(hand):.3f} s, ours {np.median(ours):.3f} s, ratio {ratio:.3f}")


if __name__ == "__main__":
    as_command(main)
