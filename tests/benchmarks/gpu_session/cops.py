"""COPS against one `torch.topk`, up to D = 1e8."""

import torch
from torch import Tensor

from cops_core.cops import solve_cops
from gpu_session.rows import Figure, Rows
from gpu_session.setting import Setting

DENSITY = 0.01
LEVEL = 0.3
SMALLEST, SIZES = (10_000,), (1_000_000, 10_000_000, 100_000_000)


def heavy_tailed(size: int, count: int, device: str) -> list[Tensor]:
    """Positive, heavy-tailed, correlated scores in float32, drawn on the device."""
    draws = torch.Generator(device).manual_seed(0)

    def normal() -> Tensor:
        return torch.randn(size, generator=draws, device=device)

    shared = normal()
    return [torch.exp(shared + 2 * normal()) for _ in range(count)]


def measure(size: int, controls: int, setting: Setting) -> Figure:
    """The seconds of a solve, and how many times one `torch.topk` at the same kappa takes."""
    target, *others = heavy_tailed(size, controls + 1, setting.device)
    kappa = int(DENSITY * size)
    repeats = 1 if setting.smallest else 5
    torch.topk(target, kappa)
    top = setting.seconds(lambda: torch.topk(target, kappa), repeats)
    found = solve_cops(target, others, kappa, [LEVEL] * controls)
    ours = setting.seconds(lambda: solve_cops(target, others, kappa, [LEVEL] * controls), repeats)
    words = f"{1e3 * ours:.2f} ms, {ours / top:.1f}x one torch.topk of {1e3 * top:.2f} ms; {found.status}"
    return words, ours / top


def cops(setting: Setting, rows: Rows) -> None:
    """One control and two, the largest first: it is what the target is about."""
    for size in SMALLEST if setting.smallest else sorted(SIZES, reverse=True):
        for controls in (1, 2):
            rows.measure(
                f"COPS, J = {controls}, D = {size:.0e}",
                lambda size=size, controls=controls: measure(size, controls, setting),
            )
