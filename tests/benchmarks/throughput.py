"""What a study's trials cost beside their training: `python tests/benchmarks/throughput.py`.

The same FreezeNet trials (LeNet-300-100, Fashion-MNIST) three times, each in processes of its own from
their start to their end:

study: `cops launch`, proposing, recording, with MLflow, early stopping off.
bare: a loop over the configurations that the study has drawn, in one process per worker; nothing is
written down.
tune: Ray Tune as its documentation trains PyTorch models: data loaded by each trial, a DataLoader with
transforms, a fresh actor per trial, MLflow's callback. The mask is written by hand, multiplied into each
gradient.

They take turns; ratios are those of one round, and their median over the rounds. Python and its imports
are the same for all and counted for all.
"""

import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from command import as_command
from markdown import table

from cops_core.errors import InputError
from study.records.store import StudyStore

SPACE = '''
"""FreezeNet at one rate, its learning rate searched."""
from decimal import Decimal

from cops_core.config import Selection, Training, TrialConfig
from search_spaces.question import Rates

question = Rates((Decimal("0.99"),))


def space(trial):
    """FreezeNet."""
    rate = trial.suggest_float("learning_rate", 0.02, 0.1, log=True)
    return TrialConfig(
        dataset="fashion_mnist", arm="freeze", selection=Selection(target="snip"),
        training=Training(epochs=EPOCHS, learning_rate=rate),
    )
'''

BARE = '''
"""A loop over configurations, one process per worker."""
import json, multiprocessing, sys
from pathlib import Path


def loop(share):
    import torch
    from cops_core.config import parse_config
    from cops_core.trial import run_trial

    torch.set_num_threads(1)
    return [run_trial(parse_config(config), lambda _: None).metrics.validation_accuracy for config in share]


if __name__ == "__main__":
    configs, workers = json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2])
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        shares = pool.map(loop, [configs[place::workers] for place in range(workers)], chunksize=1)
    assert all(accuracy > 0.5 for share in shares for accuracy in share)
'''

TUNE = '''
"""As Ray Tune's documentation trains PyTorch models."""
import json, os, sys
from pathlib import Path

import ray
import torch
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, random_split
from torchvision import datasets, transforms


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(784, 300), nn.Linear(300, 100), nn.Linear(100, 10)
        for layer in (self.fc1, self.fc2, self.fc3):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, images):
        hidden = functional.relu(self.fc1(images.flatten(1)))
        return self.fc3(functional.relu(self.fc2(hidden)))


def masks(net, images, labels, density):
    """SNIP: the weights whose removal would change the loss most."""
    weights = [layer.weight for layer in (net.fc1, net.fc2, net.fc3)]
    gradients = torch.autograd.grad(functional.cross_entropy(net(images), labels), weights)
    scores = [(weight * gradient).abs().detach() for weight, gradient in zip(weights, gradients)]
    flat = torch.cat([score.flatten() for score in scores])
    threshold = flat.topk(int(density * len(flat))).values[-1]
    return [(weight, score >= threshold) for weight, score in zip(weights, scores)]


def train(config):
    torch.manual_seed(0)
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.286,), (0.353,))])
    data = datasets.FashionMNIST(config["root"], train=True, transform=transform)
    part, held_out = random_split(data, [54000, 6000])
    train_loader = DataLoader(part, batch_size=100, shuffle=True)
    val_loader = DataLoader(held_out, batch_size=500)
    net = Net()
    kept = masks(net, *next(iter(train_loader)), 0.01)
    optimizer = torch.optim.SGD(net.parameters(), lr=config["lr"], momentum=0.9)
    for epoch in range(config["epochs"]):
        net.train()
        for images, labels in train_loader:
            optimizer.zero_grad()
            functional.cross_entropy(net(images), labels).backward()
            for weight, mask in kept:
                weight.grad.mul_(mask)
            optimizer.step()
        net.eval()
        correct = 0
        with torch.no_grad():
            for images, labels in val_loader:
                correct += (net(images).argmax(1) == labels).sum().item()
        tune.report({"accuracy": correct / len(held_out)})


if __name__ == "__main__":
    rates, epochs, workers, root = json.loads(sys.argv[1]), *map(int, sys.argv[2:4]), sys.argv[4]
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    where = Path(root).resolve()
    mlflow = MLflowLoggerCallback(tracking_uri=f"sqlite:///{where / 'mlflow.db'}", experiment_name="tune")
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={"lr": tune.grid_search(rates), "epochs": epochs, "root": str(where / "data")},
        run_config=tune.RunConfig(storage_path=str(where / "ray"), verbose=0, callbacks=[mlflow]),
    )
    found = [result.metrics["accuracy"] for result in tuner.fit()]
    assert len(found) == len(rates) and min(found) > 0.5, found
'''

WHAT = {
    "study": "from `cops launch` to the prompt, with imports, Ray, MLflow's database, the report",
    "trials": "the same study, from its first trial to its last",
    "bare": "a loop over the same configurations in as many processes, which records nothing",
    "tune": "Ray Tune as its documentation trains PyTorch models",
}
FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


def timed(command: Sequence[str], folder: Path) -> float:
    """Seconds from a command's start to its end."""
    environment = {**os.environ, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{command[:3]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return seconds


def one_round(folder: Path, trials: int, epochs: int, workers: int, tune: bool) -> dict[str, float]:
    """Seconds by name; `trials` is the study's time from its first trial's start to its last one's end."""
    (folder / "space.py").write_text(SPACE.replace("EPOCHS", str(epochs)))
    (folder / "bare.py").write_text(BARE)
    (folder / "by_hand.py").write_text(TUNE)
    raw = folder / "data" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for file in FASHION_MNIST.glob("*.gz"):  # torchvision reads them unpacked
        (raw / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    launch = [
        *(
            str(Path(sys.executable).with_name("cops")),
            "launch",
            "space.py",
            "--name",
            "all",
            "--home",
            "home",
        ),
        *("--trials", str(trials), "--stopping", "none", "--sampler", "random"),
        *("--concurrency", str(workers), "--score-cache", "scores"),
    ]
    seconds = {"study": timed(launch, folder)}
    recorded = StudyStore(str(folder / "home" / "studies"), "all").trials()
    assert len(recorded) == trials
    assert all(trial.status == "finished" for trial in recorded)
    seconds["trials"] = max(trial.ended or 0.0 for trial in recorded) - min(t.started for t in recorded)
    configs = [trial.config.model_dump(mode="json") for trial in recorded]
    (folder / "configs.json").write_text(json.dumps(configs))
    seconds["bare"] = timed([sys.executable, "bare.py", "configs.json", str(workers)], folder)
    if tune:
        rates = json.dumps([config["training"]["learning_rate"] for config in configs])
        by_hand = [sys.executable, "by_hand.py", rates, str(epochs), str(workers), str(folder)]
        seconds["tune"] = timed(by_hand, folder)
    return seconds


def main(
    trials: Annotated[int, typer.Option(help="Trials of each study.")] = 60,
    epochs: Annotated[int, typer.Option(help="Epochs of each trial.")] = 3,
    workers: Annotated[int, typer.Option(help="Trials at a time.")] = 2,
    rounds: Annotated[int, typer.Option(help="How often each runs.")] = 3,
    tune: Annotated[bool, typer.Option(help="Also Ray Tune as its documentation does it.")] = True,
) -> None:
    """Print the seconds of each, and the ratios."""
    if not list(FASHION_MNIST.glob("*.gz")):
        raise InputError(f"no data in {FASHION_MNIST}: install Debian's package dataset-fashion-mnist")
    found: list[dict[str, float]] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            found.append(one_round(Path(name), trials, epochs, workers, tune))
    rows = []
    for name in found[0]:
        seconds = median(each[name] for each in found)
        ratios = [median(each[name] / each[other] for each in found) for other in ("bare", "study")]
        rows.append([f"{name}: {WHAT[name]}", f"{seconds:.1f}", *(f"{ratio:.2f}" for ratio in ratios)])
    typer.echo(f"{trials} trials of {epochs} epochs, {workers} at a time, medians of {rounds} rounds:\n")
    typer.echo(table(("", "seconds", "against bare", "against the study"), rows))


if __name__ == "__main__":
    as_command(main)
