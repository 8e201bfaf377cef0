"""What `precision` costs and changes on the CPU: `python tests/benchmarks/precision_speed.py`.

Steps: CPU time of one thread, batches of 100, the precisions in turn; ratios to float32 are medians over the
rounds. Accuracy: the same seeds in each precision on Fashion-MNIST, so that differences are paired.
"""

import math
import time
from collections.abc import Callable, Sequence
from statistics import mean, median, stdev
from typing import Annotated, Literal, get_args

import torch
import typer
from command import as_command
from markdown import table

from cops_core.config import Selection, Training, TrialConfig
from cops_core.data import load_data
from cops_core.trial import DEFAULT_DATA_ROOT, Trial, reproducible

Precision = Literal["float32", "bfloat16", "float64"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
NETWORKS = ("lenet_300_100", "lenet_5_caffe")
ARMS = ("dense", "freeze")
HEADINGS = ("network, arm", "precision", "step / float32", "accuracy", "difference to float32")


def trial_of(
    network: str, arm: str, precision: Precision, seed: int, dataset: str, epochs: int = 1
) -> TrialConfig:
    """A trial; SNIP at a rate of 0.99 where weights are frozen."""
    selection = None if arm == "dense" else Selection(target="snip")
    return TrialConfig(
        model=network,
        dataset=dataset,
        arm=arm,
        selection=selection,
        density=None if arm == "dense" else "0.01",
        seed=seed,
        training=Training(epochs=epochs, precision=precision),
    )


def step_of(config: TrialConfig) -> Callable[[], object]:
    """A training step of the trial's network on the first images."""
    trainer = Trial(config).trainer
    trainer.network.model.train()
    images, labels = next(trainer.split.train.batches(config.training.batch_size))
    return lambda: trainer.step(images, labels)


def ratios(network: str, arm: str, rounds: int, steps: int, dataset: str) -> dict[Precision, float]:
    """CPU time of a step in each precision, divided by that in float32."""
    works = {precision: step_of(trial_of(network, arm, precision, 0, dataset)) for precision in PRECISIONS}
    found: dict[Precision, list[float]] = {precision: [] for precision in PRECISIONS}
    with reproducible():
        for work in works.values():
            work()
        for _ in range(rounds):
            for precision, work in works.items():
                began = time.process_time()
                for _ in range(steps):
                    work()
                found[precision].append(time.process_time() - began)
    reference = found["float32"]
    return {
        precision: median(one / other for one, other in zip(times, reference, strict=True))
        for precision, times in found.items()
    }


def accuracies(
    network: str, arm: str, precision: Precision, seeds: int, epochs: int, dataset: str
) -> list[float]:
    """Validation accuracy of each seed after the last epoch, in [0, 1]."""
    found = []
    for seed in range(seeds):
        trial = Trial(trial_of(network, arm, precision, seed, dataset, epochs))
        while not trial.done:
            metrics = trial.step()
        found.append(metrics.validation_accuracy)
    return found


def difference(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """The mean of paired differences in percentage points, with its standard error."""
    paired = [100 * (one - other) for one, other in zip(ours, theirs, strict=True)]
    error = stdev(paired) / math.sqrt(len(paired)) if len(paired) > 1 else math.nan
    return f"{mean(paired):+.2f} ± {error:.2f}"


def rows_of(
    network: str,
    arm: str,
    precisions: Sequence[Precision],
    rounds: int,
    seeds: int,
    epochs: int,
    dataset: str,
) -> list[list[str]]:
    """The figures of one network and arm."""
    steps = 10 if network == "lenet_300_100" else 3
    ratio = ratios(network, arm, rounds, steps, dataset)
    found = {p: accuracies(network, arm, p, seeds, epochs, dataset) for p in precisions}
    rows = []
    for precision in PRECISIONS:
        ours = found.get(precision)
        accuracy = f"{100 * mean(ours):.2f} %" if ours else ""
        against = difference(ours, found["float32"]) if ours and precision != "float32" else ""
        rows.append([f"{network}, {arm}", precision, f"{ratio[precision]:.2f}", accuracy, against])
    return rows


def main(
    model: Annotated[list[str] | None, typer.Option(help="Networks; both LeNets where left out.")] = None,
    rounds: Annotated[int, typer.Option(help="Rounds in which each precision runs.")] = 41,
    seeds: Annotated[int, typer.Option(help="Trials of each precision for the accuracy.")] = 5,
    epochs: Annotated[int, typer.Option(help="Of each.")] = 3,
    dataset: Annotated[str, typer.Option(help="Which data set.")] = "fashion_mnist",
) -> None:
    """Print the ratios and the accuracies."""
    torch.set_num_threads(1)
    load_data(dataset, DEFAULT_DATA_ROOT)
    rows: list[list[str]] = []
    for network in model or NETWORKS:
        for arm in ARMS:
            rows += rows_of(network, arm, ("float32", "bfloat16"), rounds, seeds, epochs, dataset)
    typer.echo(f"{table(HEADINGS, rows)}\n")
    capability = torch.backends.cpu.get_cpu_capability()
    bf16 = "with" if torch.cpu.get_capabilities().get("avx512_bf16") else "without"
    typer.echo(f"{dataset}, {epochs} epochs, {seeds} seeds; {capability} {bf16} instructions for bfloat16")


if __name__ == "__main__":
    as_command(main)
