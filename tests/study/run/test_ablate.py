"""`cops ablate`: what it refuses and plans, what it trains, and a study that is killed and resumed."""

import json
import signal
from decimal import Decimal

import pytest

from cops_core.config import Control, Floor, Selection, Training, TrialConfig
from cops_core.errors import InputError
from cops_core.scores import Member
from cops_core.trial import run_trial
from search_spaces.question import Ablate, parse_question
from study.launch_settings import check_sizes
from study.run.ablate import ablation_seeds, ablation_settings, ablations_of
from study.settings import parse_settings
from study.views.report.command import launch_command

from .command import cops, in_background, wait_until

ABLATIONS = ["none", "shuffle", "random", "invert", "reinitialize"]


@pytest.fixture
def store(recorded):
    """A quickstart: trial 0 is dense, trials 1 and 2 have masks, trial 3 runs, trial 4 diverged."""
    return recorded(
        end=lambda trial: {3: "running", 4: "diverged"}.get(trial.number, "finished"), name="mine", trials=12
    )


def refusal(run, *words):
    code, out, err = run("ablate", *words, "--home", "home")
    assert (code, out, err.count("\n")) == (2, "", 1)
    return err


def test_wrong_trials_are_refused_in_one_line(run, store):
    assert "trial 0 of 'mine' is dense, without a mask" in refusal(run, "mine/0")
    assert "trial 3 of 'mine' is running: name a trial that has finished" in refusal(run, "mine/3")
    assert "trial 4 of 'mine' is diverged" in refusal(run, "mine/4")
    assert "has no trial 99: it has trials 0 to" in refusal(run, "mine/99")
    assert "unknown study 'min': did you mean 'mine'?" in refusal(run, "min/1")
    assert "'mine' is not a trial: write STUDY/NUMBER" in refusal(run, "mine")
    assert "--seeds" in refusal(run, "mine/1", "--seeds", "1")
    assert "unknown option '--epochs'" in refusal(run, "mine/1", "--epochs", "3")
    assert "--dry-run runs none" in refusal(run, "mine/1", "--dry-run", "--json")


def test_a_trial_that_has_no_ablations(ended):
    def refused(**changes):
        selection = {"target": "snip", **changes.pop("selection", {})}
        config = TrialConfig(arm="prune", selection=selection, **{"density": "0.1", **changes})
        with pytest.raises(InputError) as error:
            ablations_of("mine", ended(5, config=config))
        return str(error.value)

    assert "is itself an ablation (shuffle)" in refused(selection={"ablation": "shuffle"})
    assert "keeps every weight" in refused(density="1")


def test_rewound_weights_have_no_other_initial_values(ended):
    selection = Selection(target="magnitude", at="trained", rewind=1)
    config = TrialConfig(arm="prune", selection=selection, density="0.1", training=Training(epochs=3))
    found = ablations_of("mine", ended(5, config=config))
    assert [each.selection.ablation for each in found] == ABLATIONS[:-1]


def test_a_dry_run_says_what_would_run(run, store, tmp_path):
    code, out, err = run("ablate", "mine/1", "--seeds", 3, "--home", "home", "--dry-run")
    assert (code, err) == (0, "")
    assert "study ablate-mine-1: mine/1 and its ablations, 15 of 15 trials to run" in out
    assert "3 fresh seeds, the same for all, evaluated on test" in out
    for suffix in (", shuffled", ", at random places", ", inverted", ", re-initialised"):
        assert f"prune snip{suffix}\n" in out
    assert not (tmp_path / "home/studies/ablate-mine-1").exists()


def test_its_settings_are_those_of_the_trials_study(store, tmp_path):
    given = {"home": tmp_path / "home", "concurrency": 3}
    asked = ablation_settings("mine/1", 4, given, ())
    assert (asked.kind, asked.name, asked.space) == ("ablate", "ablate-mine-1", "mine/1")
    assert (asked.seeds, asked.trials, asked.concurrency, asked.racing) == (4, 5, 3, False)
    before = parse_settings(store.record()["settings"])
    assert (asked.data_root, asked.score_cache) == (before.data_root, before.score_cache)
    assert asked.question == Ablate((Decimal("0.95"),), "mine/1")
    assert parse_question(asked.question.record()) == asked.question
    assert parse_settings(json.loads(json.dumps(asked.record()))) == asked
    assert launch_command("x", asked.record()) == "cops ablate mine/1 --seeds 4 --name x"


def test_its_size_follows_from_its_seeds():
    with pytest.raises(InputError, match="--trials is not for a study of cops ablate"):
        check_sizes({"trials": 40}, Ablate((Decimal("0.95"),), "mine/1"), "tpe")


def test_its_seeds_are_fresh(store, tmp_path):
    """No trial of the study has one: neither a seed that chose, nor one on which a choice was evaluated."""
    asked = ablation_settings("mine/1", 5, {"home": tmp_path / "home"}, ())
    seeds = ablation_seeds(asked)
    assert len(set(seeds)) == 5
    assert set(seeds).isdisjoint(trial.config.seed for trial in store.trials())
    assert seeds == ablation_seeds(ablation_settings("mine/2", 5, {"home": tmp_path / "home"}, ()))


PAIR = Selection(target="synflow", controls=(Control(score="snip", level=0.3),), rounds=3)
SELECTIONS = {
    "pruned pair in rounds": ("prune", PAIR),
    "frozen, with a floor": ("freeze", Selection(target="snip", floor=Floor(count=30))),
    "scaled union": ("scale", PAIR.model_copy(update={"combine": "union"})),
    "a member by layers": ("prune", Selection(target=Member(functional="loss", p=1.5, r=0.5), scope="erk")),
}


@pytest.mark.parametrize("kind", SELECTIONS)
def test_only_the_ablation_differs(ended, kind):
    arm, selection = SELECTIONS[kind]
    scale = 0.5 if arm == "scale" else None
    config = TrialConfig(arm=arm, scale=scale, selection=selection, density="0.05", seed=3)
    first, *others = ablations_of("mine", ended(5, config=config))
    assert first == config.changed(test=True)
    assert [each.selection.ablation for each in (first, *others)] == ABLATIONS
    for each in others:
        assert each.changed(selection=selection, test=False) == config


def test_the_masks_of_a_seed_have_the_same_layer_densities(ended):
    """All five are trained in this process, an epoch each, and evaluated on the test part."""
    config = TrialConfig(
        model="mlp_512", arm="prune", selection=PAIR, density="0.05", training=Training(epochs=1)
    )
    found = [
        run_trial(each.changed(seed=11), lambda metrics: None)
        for each in ablations_of("mine", ended(5, config=config))
    ]
    assert len({json.dumps(each.facts["layer_densities"]) for each in found}) == 1
    masks = [each.facts["mask_sha256"] for each in found]
    assert masks[0] == masks[4]  # re-initialised: the same places
    assert len(set(masks)) == 4
    assert all(0 <= each.facts["test_accuracy"] <= 1 for each in found)


SPACE = '''
from decimal import Decimal

from cops_core.config import Selection, Training, TrialConfig
from search_spaces.question import Rates

question = Rates((Decimal("0.95"),))
baselines = ()


def space(trial):
    """FreezeNet."""
    target = trial.suggest_categorical("target", ("snip",))
    selection = Selection(target=target)
    return TrialConfig(dataset="digits", arm="freeze", selection=selection, training=Training(epochs=3))
'''
WORDS = ("one/0", "--seeds", 3, "--concurrency", 1, "--checkpoint-every", 0.1)


@pytest.mark.slow
def test_a_killed_study_has_the_conclusions_of_one_that_was_not(tmp_path):
    found = []
    for place in ("whole", "killed"):
        folder = tmp_path / place
        folder.mkdir()
        (folder / "one.py").write_text(SPACE)
        launched = cops(folder, "launch", "one.py", "--sampler", "grid", "--concurrency", 1)
        assert launched.returncode == 0, launched.stderr
        trials = folder / "cops-home/studies/ablate-one-0/trials"
        if place == "killed":
            process = in_background(folder, "ablate", *WORDS)
            try:
                wait_until(lambda files=trials: len(list(files.glob("*.json"))) > 6, process, 240)
            finally:
                process.send_signal(signal.SIGKILL)
                process.communicate(timeout=60)
            other = cops(folder, "ablate", *WORDS, "--seeds", 4)
            assert other.returncode == 2
            assert "seeds 3, now 4" in other.stderr
        done = cops(folder, "ablate", *WORDS)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "trial one/0 and its ablations on test, 3 fresh seeds" in done.stdout
        assert "Initial values: " in done.stdout
        status = cops(folder, "status", "ablate-one-0", "--json")
        content = json.loads(status.stdout)
        assert content["state"] == "complete"
        assert len(list(trials.glob("*.json"))) == 15
        assert all(len(row.pop("run_ids")) == 3 for row in content["ablations"]["rows"])
        for row in content["ablations"]["rows"]:
            row["chosen"].pop("run_ids")
        found.append(content["ablations"])
        if place == "whole":  # under another name all results are reused, by cops resume as well
            again = cops(folder, "ablate", *WORDS, "--name", "again", "--json")
            lines = [json.loads(line) for line in again.stdout.splitlines()]
            assert (again.returncode, lines[-1]["event"], lines[-1]["exit_code"]) == (0, "summary", 0)
            assert all(line["reused_from"] for line in lines if line["event"] == "ended")
            assert lines[-1]["ablations"]["conclusions"] == content["ablations"]["conclusions"]
            resumed = cops(folder, "resume", "again")
            assert resumed.returncode == 0, resumed.stderr
            closed = cops(folder, "close", "again")
            assert closed.returncode == 2
            assert "has evaluated all of its trials on test" in closed.stderr
            report = cops(folder, "report", "again")
            assert report.returncode == 0, report.stderr
            assert (folder / "cops-home/reports/again/figures/ablations.png").exists()
    assert found[0] == found[1]
