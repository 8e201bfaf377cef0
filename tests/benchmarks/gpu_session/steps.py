"""Training steps in float32, TF32 and bfloat16; eager, as CUDA graphs, with torch.compile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from cops_core.arms import SCALES
from cops_core.config import Training
from cops_core.freeze_net import FreezeNet
from cops_core.initialization import initial_network
from cops_core.mask import Mask
from cops_core.optimizers import build_optimizer, loss_of
from cops_core.placement import placement_of
from cops_core.prunable import maskable
from cops_core.train import autocast
from gpu_session.rows import Figure, Rows
from gpu_session.setting import Setting

Precision = Literal["float32", "tf32", "bfloat16"]
Mode = Literal["eager", "graph", "compile"]
SHAPES = {"lenet_5_caffe": (1, 28, 28), "resnet18": (3, 32, 32)}
# The largest relative difference of the loss to float32 eager, after the same steps.
TOLERANCES = {"float32": 1e-3, "tf32": 1e-2, "bfloat16": 1e-1}
WARM_UP = 3
DENSITY = 0.01
COMPILING_S = 40.0  # what a new network needs at most, as a guess


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way to make a step."""

    network: str
    arm: Literal["dense", "freeze"]
    precision: Precision
    mode: Mode

    @property
    def name(self) -> str:
        """For the table."""
        return f"{self.network}, {self.arm}, {self.precision}, {self.mode}"


def cases(setting: Setting) -> Iterator[Case]:
    """All of them; those that take long come last."""
    networks = tuple(SHAPES)[:1] if setting.smallest else tuple(SHAPES)
    precisions: tuple[Precision, ...] = ("float32", "tf32", "bfloat16")
    modes: tuple[Mode, ...] = ("eager", "graph")
    for arm in ("dense", "freeze"):
        for mode in modes:
            for network in networks:
                for precision in precisions:
                    yield Case(network=network, arm=arm, precision=precision, mode=mode)
    for network in networks:
        for precision in ("bfloat16",) if setting.smallest else ("bfloat16", "float32", "tf32"):
            yield Case(network=network, arm="dense", precision=precision, mode="compile")
    yield Case(network="lenet_5_caffe", arm="freeze", precision="float32", mode="compile")


class Step:
    """A training step on one batch of 100 random images.

    Args:
        case: The case.
        setting: Of the session.
    """

    def __init__(self, case: Case, setting: Setting) -> None:
        shape = SHAPES[case.network]
        precision = "float32" if case.precision == "tf32" else case.precision
        self.training = Training(precision=precision, learning_rate=0.01)
        model, _ = initial_network(case.network, shape, 10, seed=0)
        model.to(setting.device).train()
        draws = torch.Generator().manual_seed(0)
        kept = {n: torch.rand(w.shape, generator=draws) < DENSITY for n, w in maskable(model).items()}
        self.network = FreezeNet(model, None if case.arm == "dense" else Mask(kept), SCALES[case.arm])
        placement = placement_of(torch.device(setting.device), model, precision)
        self.optimizer = build_optimizer(self.network.parameters(), self.training, fused=placement.fused)
        images = torch.randn((100, *shape), generator=draws)
        self.images = images.to(setting.device, memory_format=placement.memory_format)
        self.labels = (torch.arange(100) % 10).to(setting.device)
        self.forward: Callable[[torch.Tensor], torch.Tensor] = self.network
        if case.mode == "compile":
            backend = "inductor" if setting.on_gpu else "aot_eager"  # no compiler is needed to try it
            self.forward = torch.compile(model, backend=backend)
        self.run: Callable[[], object] = self._step

    def _step(self) -> None:
        with autocast(self.images, self.training.precision):
            loss = loss_of(self.forward(self.images), self.labels, self.training)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimizer.step()

    def warm_up(self, mode: Mode) -> None:
        """Make some steps; then record one as a CUDA graph if the mode says so."""
        if mode != "graph":
            for _ in range(WARM_UP):
                self._step()
            return
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self._step()
        torch.cuda.current_stream().wait_stream(side)
        self.optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step()
        self.run = graph.replay

    def loss(self) -> float:
        """The loss of the batch now, in float32."""
        with torch.no_grad():
            return float(loss_of(self.network(self.images), self.labels, self.training))


@contextmanager
def numbers(precision: Precision) -> Iterator[None]:
    """Deterministic kernels, with TF32 or without."""
    tf32 = precision == "tf32"
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=tf32):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def measure(case: Case, setting: Setting, reference: dict[tuple[str, str], tuple[float, float]]) -> Figure:
    """The time of a step, against float32 eager; and the loss after the same number of steps."""
    repeats, block = (1, 2) if setting.smallest else (7, 20)
    with numbers(case.precision):
        step = Step(case, setting)
        step.warm_up(case.mode)

        def some() -> None:
            for _ in range(block):
                step.run()

        seconds = setting.seconds(some, repeats) / block
        loss = step.loss()
    first, expected = reference.setdefault((case.network, case.arm), (seconds, loss))
    words = (
        f"{1e3 * seconds:.3f} ms, {seconds / first:.2f} of float32 eager; loss {loss:.4f} of {expected:.4f}"
    )
    wrong = not abs(loss / expected - 1) <= TOLERANCES[case.precision]
    return words, seconds, "wrong" if wrong else "ok"


def steps(setting: Setting, rows: Rows) -> None:
    """Each case."""
    reference: dict[tuple[str, str], tuple[float, float]] = {}
    for case in cases(setting):
        if not setting.on_gpu and (case.mode == "graph" or case.precision == "tf32"):
            rows.add(case.name, "needs CUDA", status="not here")
            continue
        needs = COMPILING_S if case.mode == "compile" and setting.on_gpu else 0.0
        rows.measure(case.name, lambda case=case: measure(case, setting, reference), needs)
