"""A misspelt name of any kind is answered with the right one, in one line, exit code 2."""

from typing import Literal, get_args, get_origin

import pytest
import typer

from cops_core.config import Control, Floor, Selection, Training, TrialConfig, parse_config
from cops_core.data import DATASETS
from cops_core.errors import InputError, as_share, did_you_mean, near_path, unknown
from cops_core.initialization import INITIALIZATIONS
from cops_core.models import MODELS
from cops_core.plugins import CORE_REGISTRIES
from cops_core.scores import CONVENTIONS, SCORES
from search_spaces import SEARCH_SPACES
from search_spaces.plugins import REGISTRIES
from search_spaces.presets import PRESETS
from search_spaces.question import QUESTIONS
from search_spaces.question.pareto import Cost
from study import cli
from study.papers.experiments import EXPERIMENTS
from study.records.store import StudyStore
from study.search.samplers import SAMPLERS
from study.search.stopping import STOPPINGS
from study.settings import Settings
from study.tracking import connect, experiment_id

from .made_record import made_record

QUICK = ("launch", "quickstart")
WORDS = [
    (["lauch"], "unknown command 'lauch': did you mean 'launch'?"),
    (["Status"], "unknown command 'Status': did you mean 'status'?"),
    (
        [*QUICK, "--trails", "9"],
        "unknown option '--trails': did you mean '--trials'? (see cops launch --help)",
    ),
    ([*QUICK, "--check-point-every", "9"], "did you mean '--checkpoint-every'?"),
    ([*QUICK, "--sampler", "ramdom"], "unknown sampler 'ramdom': did you mean 'random'?"),
    ([*QUICK, "--stopping", "hyper-band"], "unknown stopping 'hyper-band': did you mean 'hyperband'?"),
    ([*QUICK, "--objective", "paretto"], "unknown objective 'paretto': did you mean 'pareto'?"),
    ([*QUICK, "--objective", "pareto", "--cost", "byte"], "unknown cost 'byte': did you mean 'bytes'?"),
    ([*QUICK, "--device", "gpu"], "unknown device 'gpu': did you mean 'auto'?"),
    ([*QUICK, "--rates", "0.9,99"], "rate 99 is not in (0, 1): did you mean 0.99?"),
    ([*QUICK, "--rates", "99.5"], "rate 99.5 is not in (0, 1): did you mean 0.995?"),
    ([*QUICK, "--objective", "smallest", "--keep", "98"], "keep 98 is not in (0, 1]: did you mean 0.98?"),
    ([*QUICK, "--failure-share", "25"], "less than or equal to 1: did you mean 0.25?"),
    ([*QUICK, "--plugin", "my_scors"], "plugin 'my_scors' does not exist: did you mean 'my_scores'?"),
    ([*QUICK, "--plugin", "my_scors.py"], "(FileNotFoundError): did you mean 'my_scores.py'?"),
    (
        [*QUICK, "--plugin", "my_scores.py"],
        "plugin 'my_scores': unknown dict 'SCORE': did you mean 'SCORES'?",
    ),
    (["launch", "quikstart"], "unknown space 'quikstart': did you mean 'quickstart'?"),
    (["launch", "fashion-mnis"], "unknown space 'fashion-mnis': did you mean 'fashion_mnist'?"),
    (["launch", "my_space"], "unknown space 'my_space': did you mean 'my_space.py'?"),
    (["launch", "my_spce.py"], "my_spce.py is not a file: did you mean 'my_space.py'?"),
    (["launch", "folder/other_spac.py"], "did you mean 'folder/other_space.py'?"),
    (["launch", "folder/other_space.py"], "has no function space(trial): rename spaces"),
    (["launch", "my_space.py"], "unknown field 'learnin_rate': did you mean 'learning_rate'?"),
    (["ablat", "mine/1"], "unknown command 'ablat': did you mean 'ablate'?"),
    (["experiment", "headlines"], "unknown experiment 'headlines': did you mean 'headline'?"),
    (["experiment", "headline", "--dataset", "mnis"], "unknown data set 'mnis': did you mean 'mnist'?"),
    (["experiment", "headline", "--model", "vgg"], "unknown model 'vgg': did you mean 'vgg16'?"),
    (["scores", "--score", "synflo"], "unknown score 'synflo': did you mean 'synflow'?"),
    (["scores", "--score", "SNIP"], "unknown score 'SNIP': did you mean 'snip'?"),
    (["scores", "--model", "lenet"], "unknown model 'lenet': did you mean 'lenet_300_100'?"),
    (["scores", "--dataset", "cifar_10"], "unknown data set 'cifar_10': did you mean 'cifar10'?"),
    (["scores", "--convention", "papr"], "unknown convention 'papr': did you mean 'paper'?"),
    (["scores", "--initialization", "xavier"], "'xavier': did you mean 'xavier_normal'?"),
    (["scores", "--device", "gpu"], "unknown device 'gpu': did you mean 'cuda'?"),
    (["scores", "--density", "10"], "--density 10 is not in (0, 1]: did you mean 0.1?"),
    (["scores", "--validation-fraction", "10"], "less than 1: did you mean 0.1?"),
    (
        ["check", "--address", "auto", "--dataset", "digts"],
        "unknown data set 'digts': did you mean 'digits'?",
    ),
    (["check", "--address", "auto", "--device", "cpus"], "unknown device 'cpus': did you mean 'cpu'?"),
    (["check", "--plugin", "my_scors.py"], "did you mean 'my_scores.py'?"),
    (["status", "first_stdy"], "unknown study 'first_stdy': did you mean 'first_study'?"),
    (["resume", "first-study"], "unknown study 'first-study': did you mean 'first_study'?"),
    (["close", "first"], "unknown study 'first': did you mean 'first_study'?"),
    (["stop", "frist_study"], "unknown study 'frist_study': did you mean 'first_study'?"),
    (["status", "first_study", "--home", "cops-hom"], "/cops-hom/studies: did you mean '"),
    (["status", "first_study", "--storage", "cops-home/studis"], "/cops-home/studies'?"),
    (["ui", "--home", "cops-hom"], "no mlflow.db in cops-hom: did you mean 'cops-home'?"),
    (["replay", "0" * 32, "--home", "cops-hom"], "no mlflow.db in cops-hom: did you mean 'cops-home'?"),
    (["unpack", "networ.safetensors"], "did you mean 'network.safetensors'?"),
]


@pytest.fixture
def folder(tmp_path):
    """A working directory with a space, a plugin, a network and a home with one study."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "my_space.py").write_text(
        "from cops_core.config import Training, TrialConfig\n"
        "def space(trial): return TrialConfig(training=Training(learnin_rate=0.1))\n"
    )
    (tmp_path / "folder" / "other_space.py").write_text("def spaces(trial): pass\n")
    (tmp_path / "my_scores.py").write_text("SCORE = {'mine': None}\n")
    (tmp_path / "network.safetensors").touch()
    StudyStore(str(tmp_path / "cops-home" / "studies"), "first_study").write_record(made_record())
    return tmp_path


def is_refused(run, words, advice):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert advice in err


@pytest.mark.parametrize(
    ("words", "advice"), WORDS, ids=lambda value: None if isinstance(value, str) else " ".join(value)
)
def test_a_near_miss_on_the_command_line(run, folder, words, advice):
    is_refused(run, words, advice)


def test_a_run_of_mlflow_that_is_nearly_right(run, folder):
    home = folder / "cops-home"
    uri = f"sqlite:///{home}/mlflow.db"
    client = connect(uri)
    run_id = client.create_run(experiment_id(client, uri, home)).info.run_id
    swapped = f"{run_id[:4]}{'0' if run_id[4] != '0' else '1'}{run_id[5:]}"
    for command in ("replay", "unpack"):
        for word in (run_id[:8], run_id[:-1], swapped):
            is_refused(run, [command, word], f"no run {word} in MLflow at {uri}: did you mean '{run_id}'?")


FREEZE = {"arm": "freeze", "selection": {"target": "snip"}}
CONFIGS = [
    ({"datset": "digits"}, "unknown field 'datset': did you mean 'dataset'?"),
    (
        {"training": {"learnin_rate": 1}},
        "training: unknown field 'learnin_rate': did you mean 'learning_rate'?",
    ),
    ({"training": {"schedule": "cosin"}}, "training: unknown schedule 'cosin': did you mean 'cosine'?"),
    ({"training": {"precision": "float23"}}, "unknown precision 'float23': did you mean 'float32'?"),
    (
        {"training": {"augmentation": "cropflip"}},
        "unknown augmentation 'cropflip': did you mean 'crop_flip'?",
    ),
    ({"dataset": "digit"}, "unknown data set 'digit': did you mean 'digits'?"),
    ({"model": "resnet81"}, "unknown model 'resnet81': did you mean 'resnet18'?"),
    ({"initialization": "kaiming"}, "unknown initialization 'kaiming': did you mean 'kaiming_normal'?"),
    ({**FREEZE, "arm": "frezee"}, "unknown arm 'frezee': did you mean 'freeze'?"),
    ({"selection": {"taget": "snip"}}, "selection: unknown field 'taget': did you mean 'target'?"),
    ({"selection": {"target": "synflo"}}, "unknown score 'synflo': did you mean 'synflow'?"),
    (
        {"selection": {"target": "snip", "controls": [{"score": "synflo", "level": 0.1}]}},
        "selection.controls.0.score: unknown score 'synflo': did you mean 'synflow'?",
    ),
    (
        {"selection": {"target": "snip", "controls": [{"score": "synflow", "lvel": 0.1}]}},
        "unknown field 'lvel': did you mean 'level'?",
    ),
    (
        {"selection": {"target": "snip", "controls": [{"score": "synflow", "level": 30}]}},
        "less than or equal to 1: did you mean 0.3?",
    ),
    ({"selection": {"target": "snip", "scope": "globl"}}, "unknown scope 'globl': did you mean 'global'?"),
    (
        {"selection": {"target": "snip", "floor": {"count": 1, "per": "unt"}}},
        "unknown per 'unt': did you mean 'unit'",
    ),
    (
        {"selection": {"target": "snip", "floor": {"cont": 1}}},
        "selection.floor: unknown field 'cont': did you mean 'count'?",
    ),
    (
        {"selection": {"target": "snip", "level_kind": "absolut"}},
        "unknown level kind 'absolut': did you mean",
    ),
    ({"selection": {"target": "snip", "ablation": "shufle"}}, "unknown ablation 'shufle': did you mean"),
    ({"selection": {"target": "snip", "if_infeasible": "shrnk"}}, "'shrnk': did you mean 'shrink'?"),
    ({"selection": {"target": "snip", "convention": "papr"}}, "'papr': did you mean 'paper'?"),
    ({"selection": {"target": "snip", "schedule": "exponental"}}, "did you mean 'exponential'?"),
    ({**FREEZE, "density": "5"}, "less than or equal to 1: did you mean 0.05?"),
]


@pytest.mark.parametrize(("data", "advice"), CONFIGS, ids=lambda value: str(value)[:60])
def test_a_near_miss_in_a_configuration(data, advice):
    with pytest.raises(InputError) as refused:
        parse_config(data)
    assert advice in str(refused.value)
    assert "\n" not in str(refused.value)


def test_settings_know_their_own_names(settings):
    with pytest.raises(InputError, match="unknown field 'cuncurrency': did you mean 'concurrency'"):
        settings(cuncurrency=2)


def plugin_of(name, directory, text):
    (directory / f"{name}.py").write_text(text)
    return name


@pytest.mark.parametrize("registry", REGISTRIES)
def test_a_plugins_dict_that_is_nearly_right(run, tmp_path, registry):
    written = registry.removesuffix("S")
    name = plugin_of("mine", tmp_path, f"{written} = {{}}\n")
    is_refused(run, [*QUICK, "--plugin", name], f"unknown dict '{written}': did you mean '{registry}'?")


def test_a_plugin_with_its_own_dict_is_not_a_near_miss(run, tmp_path):
    name = plugin_of(
        "mine2",
        tmp_path,
        "from search_spaces import SEARCH_SPACES as OTHERS\n"
        "from search_spaces.base import SearchSpace\n"
        "from search_spaces.question import Rates\n"
        "SEARCH_SPACE = {}\n"
        "LIMITS = {}\n"
        "sample = OTHERS['quickstart'].sample\n"
        "SEARCH_SPACES = {'near_misses': SearchSpace('near_misses', sample, Rates(), 60)}\n",
    )
    try:
        code, out, _ = run("spaces", "--plugin", name)
    finally:
        SEARCH_SPACES.pop("near_misses", None)
    assert code == 0
    assert "near_misses" in out


GROUP = typer.main.get_command(cli.app)
LITERALS = {
    f"{model.__name__}.{name}": get_args(field.annotation)
    for model in (Control, Floor, Selection, Training, TrialConfig, Settings)
    for name, field in model.model_fields.items()
    if get_origin(field.annotation) is Literal
}
NAMES = {
    "commands": list(GROUP.commands),
    **{
        f"options of {name}": [option for parameter in command.params for option in parameter.opts]
        for name, command in GROUP.commands.items()
    },
    "scores": SCORES,
    "models": MODELS,
    "data sets": DATASETS,
    "conventions": CONVENTIONS,
    "initializations": INITIALIZATIONS,
    "spaces": SEARCH_SPACES,
    "experiments": EXPERIMENTS,
    "presets": PRESETS,
    "samplers": SAMPLERS,
    "stoppings": STOPPINGS,
    "objectives": QUESTIONS,
    "costs": get_args(Cost),
    "dicts of plugins": REGISTRIES,
    **LITERALS,
    **{
        f"fields of {model.__name__}": model.model_fields
        for model in (Control, Floor, Selection, Training, TrialConfig, Settings)
    },
}


def test_the_literals_are_found():
    assert {"TrialConfig.arm", "Selection.scope", "Training.precision", "Settings.device"} <= set(LITERALS)
    assert set(CORE_REGISTRIES) < set(REGISTRIES)


def is_a_letter_short(short, name):
    return short in {name[:place] + name[place + 1 :] for place in range(len(name))}


@pytest.mark.parametrize("kind", NAMES)
def test_any_name_without_one_of_its_letters_is_answered_with_the_name(kind):
    names = list(NAMES[kind])
    for name in names:
        for place in range(len(name.lstrip("-")) - 2):
            inner = len(name) - len(name.lstrip("-")) + 1 + place
            short = name[:inner] + name[inner + 1 :]
            if name[inner].isalpha() and short not in names:
                # `eport` is as near to report as to export.
                near = [other for other in names if is_a_letter_short(short, other)]
                assert any(f": did you mean {other!r}?" in unknown("name", short, names) for other in near)


BORDERS = {
    "launch {}": SEARCH_SPACES,
    "experiment {}": EXPERIMENTS,
    "table {}": PRESETS,
    "launch quickstart --sampler {}": SAMPLERS,
    "launch quickstart --stopping {}": STOPPINGS,
    "launch quickstart --objective {}": QUESTIONS,
    "scores --score {}": SCORES,
    "scores --model {}": MODELS,
    "scores --dataset {}": DATASETS,
    "scores --convention {}": CONVENTIONS,
    "scores --initialization {}": INITIALIZATIONS,
}


@pytest.mark.parametrize("words", BORDERS)
def test_each_registered_name_is_suggested_at_the_border(run, words):
    for name in BORDERS[words]:
        if len(name) > 2:
            short = name[0] + name[2:]
            is_refused(run, words.format(short).split(), f"{short!r}: did you mean {name!r}?")


def test_words_that_are_near_nothing_have_no_advice():
    assert unknown("score", "transformer", SCORES).startswith("unknown score 'transformer' (known: ")
    assert did_you_mean("", SCORES) == ""
    assert unknown("study", "x", []) == "unknown study 'x'"


def test_long_lists_are_cut():
    line = unknown("study", "x", [f"study{number:03}" for number in range(100)])
    assert line.endswith("study019 and 80 more)")


@pytest.mark.parametrize(
    ("number", "meant"),
    [(99, ": did you mean 0.99?"), (2.5, ": did you mean 0.025?"), (1.5, ""), (100, ""), (-5, "")],
)
def test_a_share_in_per_cent(number, meant):
    assert as_share(number) == meant
    assert as_share(float("nan")) == ""


def test_only_neighbours_of_nearly_the_same_name_are_near(tmp_path):
    assert near_path(tmp_path / "no" / "such" / "file.py") == ""
    (tmp_path / "file.txt").touch()
    (tmp_path / "unlike.py").touch()
    assert near_path(tmp_path / "fil.py") == ""
