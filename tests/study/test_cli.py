"""Wrong input is one line that says what to write instead, exit code 2, before any trial starts."""

import socket
import subprocess
import sys

import pytest

from cops_core.data import DATASETS
from cops_core.models import MODELS
from cops_core.scores import SCORES

WRONG = [
    (["launch", "quikstart"], "unknown space 'quikstart': did you mean 'quickstart'?"),
    (["launch", "no/such.py"], "is not a file"),
    (["launch"], "Missing argument 'space'"),
    (["xyz"], "unknown command 'xyz' (known: ablate, check,"),
    (["launch", "quickstart", "--nosuch", "1"], "unknown option '--nosuch' (see cops launch --help)"),
    (["launch", "quickstart", "--rates", "1.5"], "rate 1.5 is not in (0, 1)"),
    (["launch", "quickstart", "--rates", "0.9,zero"], "'zero' is not a number"),
    (["launch", "quickstart", "--rates", "0.9,nan"], "is not in (0, 1)"),
    (["launch", "quickstart", "--rates", "0.9,0.9"], "different numbers"),
    (["launch", "quickstart", "--objective", "smalest"], "did you mean 'smallest'?"),
    (["launch", "quickstart", "--keep", "0.9"], "--keep belongs to --objective smallest"),
    (["launch", "quickstart", "--objective", "smallest", "--keep", "1.2"], "keep 1.2 is not in (0, 1]"),
    (["launch", "quickstart", "--trials", "6"], "write 7 or more"),
    (["launch", "quickstart", "--trials", "many"], "--trials"),
    (
        ["launch", "quickstart", "--model", "lenet_300"],
        "unknown model 'lenet_300': did you mean 'lenet_300_100'",
    ),
    (["launch", "quickstart", "--dataset", "digts"], "unknown data set 'digts': did you mean 'digits'?"),
    (["launch", "quickstart", "--lr", "0"], "learning_rate: Input should be greater than 0"),
    (["launch", "quickstart", "--epochs", "0"], "epochs: Input should be greater than or equal to 1"),
    (["launch", "quickstart", "--concurrency", "0"], "concurrency: Input should be greater"),
    (["launch", "quickstart", "--seed", "-1"], "seed: Input should be greater than or equal to 0"),
    (["launch", "quickstart", "--seed", "4294967296"], "seed: Input should be less than 4294967296"),
    (
        ["launch", "quickstart", "--gpus-per-trial", "-1"],
        "gpus_per_trial: -1 is neither a part of one",
    ),
    (["launch", "quickstart", "--gpus-per-trial", "1.5"], "gpus_per_trial: 1.5 is neither a part of one"),
    (["launch", "quickstart", "--gpus-per-trial", "all"], "gpus_per_trial: 'all' is not a number"),
    (["launch", "quickstart", "--device", "tpx"], "unknown device 'tpx' (known: auto, cpu)"),
    (["launch", "quickstart", "--storage", "s3://key:secret@b/d"], "the secret in --storage would be rec"),
    (["launch", "quickstart", "--tracking-uri", "http://me:pw@h:5"], "its password would be recorded"),
    (["launch", "quickstart", "--tracking-uri", "https://token@h"], "its password would be recorded"),
    (["check", "--address", "auto", "--tracking-uri", "http://me:pw@h:5"], "its password would be recorded"),
    (["status", "--storage", "abfs://c/d?client_secret=x"], "the secret in --storage would be recorded"),
    (["status", "--storage", "s3://[b/d"], "is not a valid URI (Invalid IPv6 URL)"),
    (["launch", "quickstart", "--gpus-per-trial", "inf"], "inf is neither a part of one GPU"),
    (["launch", "quickstart", "--gpus-per-trial", "nan"], "nan is neither a part of one GPU"),
    (["launch", "quickstart", "--gpus-per-trial", "0.00001"], "1e-05 is neither a part of one GPU"),
    (["launch", "quickstart", "--address", "ray://h:1"], "a study's driver must be a node of the cluster"),
    (["check", "--address", "auto", "--device", "tpx"], "unknown device 'tpx' (known: auto, cpu)"),
    (["launch", "quickstart", "--name", "a/b"], "cannot name a folder"),
    (["launch", "quickstart", "--home", "/proc/nosuch"], "cannot be written"),
    (["launch", "quickstart", "--storage", "nosuch://x"], "cannot be opened"),
    pytest.param(  # Ray starts beside it
        *(["launch", "quickstart", "--tracking-uri", "http://127.0.0.1:9"], "does not answer"),
        marks=pytest.mark.slow,
    ),
    (["launch", "quickstart", "--address", "nowhere"], "has no host and port"),
    (["launch", "quickstart", "--address", "127.0.0.1:9"], "no Ray cluster at 127.0.0.1:9"),
    (["launch", "quickstart", "--score-cache", "/proc/none"], "score cache /proc/none cannot be written"),
    (["scores", "--score-cache", "/proc/none"], "score cache /proc/none cannot be written"),
    (["status", "nosuch"], "no studies in"),
    (["ui"], "no mlflow.db"),
]


@pytest.mark.parametrize(
    ("words", "complaint"), WRONG, ids=lambda value: None if isinstance(value, str) else " ".join(value)
)
def test_wrong_input_is_one_line(run, words, complaint, tmp_path):
    code, out, err = run(*words)
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert complaint in err
    assert out == ""
    assert not (tmp_path / "cops-home").exists()


@pytest.mark.slow  # Ray starts, to count what there is
@pytest.mark.parametrize(
    "words",
    [
        ["launch", "quickstart", "--gpus-per-trial", "64", "--score-cache", "scores"],
        ["launch", "quickstart", "--cpus-per-trial", "4096", "--storage", "a/b"],
    ],
)
def test_more_than_the_machine_has_is_refused_before_any_trial(run, words, tmp_path):
    code, _, err = run(*words)
    assert code == 2
    assert err.count("\n") == 1
    assert words[2] in err
    assert list(tmp_path.iterdir()) == []


def test_a_real_process_shows_no_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "study.cli", "launch", "quickstart", "--trials", "x"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: Invalid value for '--trials'")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_score_of_a_users_space_is_answered_with_the_nearest(run, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from cops_core.config import Selection, TrialConfig\n"
        "def space(trial): return TrialConfig(arm='prune', selection=Selection(target='synflo'))\n"
    )
    code, _, err = run("launch", "mine.py")
    assert (code, err.count("\n")) == (2, 1)
    assert "unknown score 'synflo': did you mean 'synflow'?" in err


def test_a_network_that_does_not_fit_the_data_is_refused(run, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from cops_core.config import Selection, TrialConfig\n"
        "def space(trial):\n"
        "    return TrialConfig(model='lenet_5_caffe', arm='prune', selection=Selection(target='snip'))\n"
    )
    code, _, err = run("launch", "mine.py")
    assert code == 2
    assert "use lenet_300_100" in err


def test_a_dry_run_prints_what_would_run_and_writes_nothing(run, tmp_path):
    code, out, _ = run("launch", "quickstart", "--dry-run", "--trials", "9")
    assert code == 0
    assert out.count("baseline: ") == 7
    assert "then 2 proposals" in out
    assert list(tmp_path.iterdir()) == []


def test_fields_of_a_space_are_set_from_the_command_line(run):
    words = ("--model", "mlp_512", "--lr", "0.125", "--dry-run", "--trials", "7")
    code, out, _ = run("launch", "quickstart", *words)
    assert code == 0
    assert "mlp_512 on digits, 30 epochs" in out


def test_the_spaces_are_listed(run):
    from search_spaces import SEARCH_SPACES

    code, out, _ = run("spaces")
    assert code == 0
    assert all(name in out for name in SEARCH_SPACES)


def test_networks_data_sets_and_scores_are_listed(run):
    code, out, _ = run("models")
    assert code == 0
    words = " ".join(out.split())
    assert all(name in words for name in (*MODELS, "torchvision/", "timm/", "269,722 parameters"))
    code, out, _ = run("datasets", "--data-root", "nowhere")
    assert code == 0
    rows = {line.split()[0]: line for line in out.splitlines()[1:] if line.split()[0] in DATASETS}
    assert set(rows) == set(DATASETS)
    assert "available" in rows["digits"]
    assert "downloaded" in rows["cifar10"]
    assert "copied" in rows["imagenet64"]
    code, out, _ = run("scores", "--list")
    assert code == 0
    assert set(SCORES) <= set(out.split())


def test_networks_of_a_package_are_listed_by_the_beginning_of_their_names(run):
    code, out, _ = run("models", "torchvision/resnet")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == [
        f"torchvision/resnet{layers}" for layers in (101, 152, 18, 34, 50)
    ]
    code, _, err = run("models", "resnat")
    assert code == 2
    assert "did you mean 'resnet" in err


def test_no_studies_yet_is_not_an_error(run):
    code, out, _ = run("status")
    assert code == 0
    assert "no studies" in out


def test_a_port_in_use_is_one_line(run, tmp_path):
    (tmp_path / "mlflow.db").touch()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        code, _, err = run("ui", "--home", tmp_path, "--port", str(port))
    assert (code, err.count("\n")) == (2, 1)
    assert f"port {port} cannot be used" in err
