"""Compilers and exporters: a masked network compiles in one graph; a plain one again can be exported."""

import pytest
import torch
from torch.optim import SGD

import cops_core as cops
from cops_core.masked.view import plain_state

from .networks import ARMS, batch, mask_of, masked, step
from .networks import build as built


@pytest.fixture(autouse=True)
def fresh_compiler():
    """torch limits how often it compiles one function in a process, for all tests together."""
    torch._dynamo.reset()


def same_training(name: str, arm: str, density: float, backend: str) -> None:
    eager, compiled = masked(name, arm, density), masked(name, arm, density)
    run = torch.compile(compiled, fullgraph=True, backend=backend)
    optimizers = [SGD(each.parameters(), 0.1, momentum=0.9, weight_decay=0.1) for each in (eager, run)]
    for number in range(4):
        inputs = batch(name, number)
        losses = [step(*each, inputs) for each in zip((eager, run), optimizers, strict=True)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4), number
    states = plain_state(eager), plain_state(compiled)
    for key, expected in states[0].items():
        torch.testing.assert_close(states[1][key], expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(compiled(batch(name)), eager(batch(name)), rtol=1e-3, atol=1e-4)  # eager again
    with torch.no_grad():
        torch.testing.assert_close(run(batch(name)), compiled(batch(name)), rtol=1e-3, atol=1e-4)
    cops.audit(run)


@pytest.mark.parametrize(
    ("name", "arm", "density"),
    [
        ("mlp", "freeze", 0.05),
        ("tied", "prune", 0.1),
        pytest.param("batch norm", "freeze_wd", 0.1, marks=pytest.mark.slow),
        pytest.param("cnn", "scale", 0.0, marks=pytest.mark.slow),
    ],
)
def test_one_graph(name, arm, density):
    same_training(name, arm, density, "aot_eager")


@pytest.mark.slow
@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("name", ["mlp", "tied", "batch norm"])
def test_the_default_compiler(name, arm):
    same_training(name, arm, 0.1, "inductor")


def test_changes_between_compiled_runs_are_seen():
    model = masked()
    run = torch.compile(model, fullgraph=True, backend="aot_eager")
    run(batch())
    for parameter in model.parameters():
        parameter.data.mul_(2)
    torch.testing.assert_close(run(batch()), model(batch()))


def test_steps_and_reads_between_them_do_not_compile_again():
    graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    model = masked()
    run = torch.compile(model, fullgraph=True, backend=backend)
    optimizer = SGD(model.parameters(), 0.1)
    for _ in range(4):
        step(run, optimizer, batch())
        model(batch())
    assert len(graphs) == 1


def test_masking_a_compiled_network():
    run = torch.compile(built("cnn"), backend="aot_eager")
    run(batch("cnn"))
    cops.freeze(run, mask_of(run))
    step(run, SGD(run.parameters(), 0.1), batch("cnn"))
    assert cops.audit(run) > 0


def test_export_of_the_plain_network():
    model = masked("cnn")
    expected = model(batch("cnn"))
    plain = cops.materialize(model)
    torch.testing.assert_close(torch.export.export(plain, (batch("cnn"),)).module()(batch("cnn")), expected)
    torch.testing.assert_close(torch.jit.script(plain)(batch("cnn")), expected)
    torch.testing.assert_close(torch.jit.trace(plain, batch("cnn"))(batch("cnn")), expected)


@pytest.mark.parametrize("arm", ARMS)
def test_tracers_record_the_masked_network_itself(arm):
    model = masked(arm=arm, density=0.05)
    expected = model(batch())
    torch.testing.assert_close(torch.jit.trace(model, batch())(batch()), expected)
    torch.testing.assert_close(torch.export.export(model, (batch(),)).module()(batch()), expected)
