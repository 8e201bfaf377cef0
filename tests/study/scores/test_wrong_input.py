"""Wrong input to `cops scores` is one line, exit code 2, before anything is computed."""

import pytest
import torch

from cops_core.scores import SCORES
from cops_core.scores.base import Score
from cops_core.scores.random import RANDOM

WRONG = [
    (["--model", "lenet_5"], "unknown model 'lenet_5': did you mean 'lenet_5_caffe'?"),
    (["--dataset", "digit"], "unknown data set 'digit': did you mean 'digits'?"),
    (["--score", "snip", "--score", "synflo"], "unknown score 'synflo': did you mean 'synflow'?"),
    (["--initialization", "xavier"], "unknown initialization 'xavier': did you mean 'xavier_normal'?"),
    (["--score", "snip"], "write --score twice or more"),
    (["--score", "snip", "--score", "snip"], "--score repeats snip: write each once"),
    (["--density", "0.1", "--density", "0.10"], "--density repeats 0.1: write each once"),
    (["--density", "0"], "--density 0 is not in (0, 1]: write the kept share"),
    (["--density", "1.1"], "--density 1.1 is not in (0, 1]"),
    (["--density", "nan"], "--density nan is not in (0, 1]"),
    (["--density", "tenth"], "--density 'tenth' is not a number"),
    (["--density", "0.1", "--density", "0.000001"], "keeps none of 50,200 weights: write 2e-05 or more"),
    (["--seed", "-1"], "seed: Input should be greater than or equal to 0"),
    (["--seed", "4294967296"], "seed: Input should be less than 4294967296"),
    (["--samples-per-class", "0"], "samples_per_class: Input should be greater than or equal to 1"),
    (["--samples-per-class", "1000"], "samples_per_class 1000 is more than the"),
    (["--validation-fraction", "1"], "validation_fraction: Input should be less than 1"),
    (["--validation-fraction", "some"], "--validation-fraction 'some' is not a number"),
    (["--device", "gpu"], "unknown device 'gpu': did you mean 'cuda'?"),
    (["--device", "meta"], "device 'meta' is not supported: write cpu or cuda"),
    (["--device", "cuda:64"], "device 'cuda:64' does not exist"),
    (["--home", "/proc/nosuch"], "cannot be written"),
    (["--model", "lenet_5_caffe"], "use lenet_300_100"),
    (["--nosuch"], "unknown option '--nosuch'"),
]


@pytest.fixture
def never_scored(monkeypatch):
    def fail(*arguments, **named):
        raise AssertionError("scores were computed")

    monkeypatch.setattr("cops_core.scoring.compute_scores", fail)


@pytest.mark.parametrize(
    ("words", "complaint"), WRONG, ids=lambda value: None if isinstance(value, str) else " ".join(value)
)
def test_wrong_input_is_one_line(cops, words, complaint, tmp_path, never_scored):
    code, out, err = cops("scores", *words)
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert complaint in err
    assert out == ""
    assert not (tmp_path / "cops-home" / "scores").exists()


class BrokenScore(Score):
    """A score that cannot be ranked."""

    traits = RANDOM.traits

    def compute(self, problem):
        return {name: torch.full_like(weight, torch.nan) for name, weight in problem.network.weights.items()}


def test_a_score_that_is_not_finite_is_one_line(cops, tmp_path, monkeypatch):
    monkeypatch.setitem(SCORES, "broken", BrokenScore())
    code, out, err = cops("scores", "--score", "magnitude", "--score", "broken")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "score 'broken' is not finite in fc1.weight, fc2.weight, fc3.weight" in err
    assert not (tmp_path / "cops-home" / "scores").exists()


def test_help_names_every_option(cops):
    code, out, _ = cops("scores", "--help")
    assert code == 0
    for option in ("--model", "--dataset", "--seed", "--score", "--density", "--device", "--data-root"):
        assert option in out
