"""The space of the whole family: what it draws, also at the corners where a sampler may land."""

from itertools import product

import optuna
import pytest
from optuna.trial import FixedTrial

from cops_core.scores import FUNCTIONALS, Member
from search_spaces import SEARCH_SPACES
from search_spaces.contract import draws
from search_spaces.gss import MAX_CONTROLS, MIN_POWER, ROUNDS, gss

SPACE = SEARCH_SPACES["gss"]
TRAINING = {"learning_rate": 0.1, "weight_decay": 1e-4}


def member(role, functional="loss", form="powers", p=1.0, r=1.0):
    powers = {} if form == "signed" else {f"{role}_p": p, f"{role}_r": r}
    return {f"{role}_functional": functional, f"{role}_form": form, **powers}


def sampled(target, *controls, level=0.5, rounds=1):
    parameters = {"arm": "freeze", **TRAINING, **member("target", **target), "rounds": rounds}
    parameters["controls"] = len(controls)
    for number, control in enumerate(controls, start=1):
        parameters |= {**member(f"control_{number}", **control), f"control_{number}_level": level / number}
    return gss(FixedTrial(parameters)).selection


def test_draws_reach_the_whole_family():
    found = [config.selection for _, config in draws(SPACE, 200)]
    targets = [selection.target for selection in found]
    assert {target.functional for target in targets} == {*FUNCTIONALS}
    assert {target.form for target in targets} == {"powers", "signed"}
    powers = [target for target in targets if target.form == "powers"]
    for power in ("p", "r"):
        values = sorted(getattr(target, power) for target in powers)
        assert values[0] < 0.1
        assert values[-1] > 1.9
    assert {len(selection.controls) for selection in found} >= {*range(1, MAX_CONTROLS + 1)}
    assert sum(not selection.controls for selection in found) < 20  # the target drawn again
    assert {selection.rounds for selection in found} == {*ROUNDS}
    assert {config.arm for _, config in draws(SPACE, 200)} == {"prune", "scale", "freeze", "freeze_wd"}
    assert {selection.if_infeasible for selection in found} == {"shrink"}


@pytest.mark.parametrize(("p", "r"), [*product((0.0, 2.0), repeat=2)])
def test_the_corners_of_the_plane_are_valid(p, r):
    selection = sampled({"p": p, "r": r}, {"functional": "synflow", "p": p, "r": r})
    assert isinstance(selection.target, Member)
    if p == r == 0:
        assert selection.target == Member(p=0, r=MIN_POWER)
        assert selection.controls == ()  # |w|^0.01 again, which is the target
    else:
        assert (selection.target.p, selection.target.r) == (p, r)


def test_a_control_that_is_drawn_again_is_left_out():
    flow = {"functional": "gradient_flow", "form": "signed"}
    selection = sampled(flow, {"p": 2.0}, flow, {"p": 2.0})
    (control,) = selection.controls
    assert (control.score, control.level) == (Member(functional="loss", p=2.0), 0.5)


def test_signed_and_powers_of_synflow_are_one_score():
    selection = sampled({"functional": "synflow", "form": "signed"}, {"functional": "synflow"})
    assert selection.controls == ()


@pytest.mark.parametrize("directions", [("maximize",), ("maximize", "minimize")])
def test_tpe_proposes_valid_configurations(directions):
    """Towards the corner p = r = 0, where a sampler that learns draws the bounds themselves."""
    study = optuna.create_study(directions=directions, sampler=optuna.samplers.TPESampler(seed=0))
    for _ in range(40):
        trial = study.ask()
        config = gss(trial)
        assert gss(FixedTrial(trial.params)) == config
        worth = -trial.params.get("target_p", 2.0) - trial.params.get("target_r", 2.0)
        study.tell(trial, [worth] * len(directions))
