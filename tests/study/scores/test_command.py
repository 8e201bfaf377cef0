"""`cops scores` from end to end: its tables, figures, manifest and what it prints."""

import ast
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from rich.console import Console
from scipy.stats import spearmanr

from cops_core.config import Selection, TrialConfig
from cops_core.data import load_split
from cops_core.initialization import initialize
from cops_core.mask import flatten
from cops_core.models import build_model
from cops_core.scores import compute_scores
from cops_core.trial import Trial
from study.scores import tables
from study.scores.figures import FIGURES
from study.scores.question import make_score_study
from study.scores.run import run_scores, write_files

SCORES = ("magnitude", "snip", "grasp", "synflow", "random")
DENSITIES = (0.1, 0.01)
KEPT = {0.1: 5020, 0.01: 502}
FOLDER = "lenet_300_100-digits-seed0"


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """The folder of a run on the digits, and what it printed in a terminal of 80 columns."""
    home, printed = tmp_path_factory.mktemp("home"), io.StringIO()
    study = make_score_study(
        scores=None,
        densities=["0.1", "0.010"],
        samples_per_class=10,
        model="lenet_300_100",
        dataset="digits",
        seed=0,
    )
    console = Console(file=printed, width=80)
    folder = run_scores(
        study,
        home=home,
        data_root=home / "data",
        device="cpu",
        score_cache=home / "cache",
        extensions={},
        console=console,
    )
    assert folder == home / "scores" / FOLDER
    return folder, printed.getvalue()


@pytest.fixture(scope="module")
def vectors():
    """The same scores, computed without the command."""
    split = load_split("digits", Path(), 0, TrialConfig().validation_fraction)
    model = build_model("lenet_300_100", split.data.shape, split.data.classes)
    initialize(model, 0)
    batch, _ = split.scoring_batch(0, 10)
    return {name: flatten(score) for name, score in compute_scores(SCORES, model, batch, seed=0).items()}


@pytest.fixture
def table(result):
    return lambda name: pq.read_table(result[0] / f"{name}.parquet").to_pylist()


def test_all_files_have_the_hashes_of_the_manifest(result):
    folder, _ = result
    manifest = json.loads((folder / "manifest.json").read_text())
    assert sorted(path.name for path in folder.iterdir()) == sorted([*manifest["files"], "manifest.json"])
    names = {*FIGURES, "masks"}
    assert {Path(name).stem for name in manifest["files"]} == names
    for name, sha256 in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256


def test_the_tables_have_their_schemas(result):
    schemas = {
        "rank_correlation": tables.RANK_CORRELATION,
        "overlap": tables.OVERLAP,
        "layers": tables.LAYERS,
        "masks": tables.MASKS,
        "kept": tables.KEPT,
        "price_of_control": tables.PRICE_OF_CONTROL,
    }
    assert {path.stem for path in result[0].glob("*.parquet")} == set(schemas)
    for name, schema in schemas.items():
        assert pq.read_schema(result[0] / f"{name}.parquet").equals(schema)


def test_rank_correlations_are_those_of_the_scores(table, vectors):
    rows = table("rank_correlation")
    assert [(row["score_a"], row["score_b"]) for row in rows] == [(a, b) for a in SCORES for b in SCORES]
    for row in rows:
        expected = spearmanr(vectors[row["score_a"]], vectors[row["score_b"]]).statistic
        assert row["rank_correlation"] == pytest.approx(expected, abs=1e-9)


def test_overlaps_are_those_of_the_heads_of_a_sort(table, vectors):
    heads = {
        (name, density): set(np.argsort(-vector, kind="stable")[: KEPT[density]].tolist())
        for name, vector in vectors.items()
        for density in DENSITIES
    }
    rows = table("overlap")
    assert len(rows) == len(DENSITIES) * len(SCORES) ** 2
    for row in rows:
        first, second = (heads[row[score], row["density"]] for score in ("score_a", "score_b"))
        assert row["overlap"] == len(first & second) / len(first | second)
        assert row["kept_weights"] == KEPT[row["density"]]
        assert row["chance"] == pytest.approx(row["density"] / (2 - row["density"]))


def test_layers_add_up_to_the_mask(table):
    rows = table("layers")
    assert len(rows) == len(DENSITIES) * len(SCORES) * 3
    for density in DENSITIES:
        for score in SCORES:
            own = [row for row in rows if row["density"] == density and row["score"] == score]
            assert [row["layer"] for row in own] == ["fc1.weight", "fc2.weight", "fc3.weight"]
            assert [row["layer_index"] for row in own] == [0, 1, 2]
            assert [row["layer_weights"] for row in own] == [64 * 300, 300 * 100, 100 * 10]
            assert sum(row["layer_kept"] for row in own) == KEPT[density]
            for row in own:
                assert row["layer_density"] == row["layer_kept"] / row["layer_weights"]


@pytest.mark.parametrize("score", ["snip", "synflow"])
def test_masks_are_those_of_a_trial(table, result, score, tmp_path):
    config = TrialConfig(arm="prune", selection=Selection(target=score), density="0.01")
    facts = Trial(config, data_root=tmp_path).facts
    (row,) = (row for row in table("masks") if row["density"] == 0.01 and row["score"] == score)
    assert row["mask_sha256"] == facts["mask_sha256"]
    manifest = json.loads((result[0] / "manifest.json").read_text())
    assert manifest["theta0_sha256"] == facts["theta0_sha256"]
    assert manifest["data_sha256"] == facts["data_sha256"]
    assert manifest["masks"]["0.01"][score] == facts["mask_sha256"]


def test_collapse_is_seen(table):
    rows = {(row["score"], row["density"]): row for row in table("masks")}
    lost = rows["synflow", 0.01]  # one-shot SynFlow empties whole layers
    assert (lost["collapsed"], lost["live_weights"], lost["effective_density"]) == (True, 0, 0.0)
    assert lost["empty_layers"] == ["fc1.weight", "fc2.weight"]
    sound = rows["snip", 0.1]
    assert not sound["collapsed"]
    assert 0.09 < sound["effective_density"] <= 0.1
    assert sound["live_weights"] <= KEPT[0.1]
    assert sound["empty_layers"] == sound["dead_layers"] == []


def test_kept_follows_from_sums(table, vectors):
    rows = table("kept")
    assert len(rows) == len(DENSITIES) * len(SCORES) ** 2
    for row in rows:
        score, kappa = vectors[row["score"]], KEPT[row["density"]]
        head = np.argsort(-vectors[row["mask"]], kind="stable")[:kappa]
        best, chance = np.sort(score)[-kappa:].sum(), kappa * score.mean()
        assert row["value"] == pytest.approx(score[head].sum())
        assert row["best"] == pytest.approx(best)
        assert row["above_chance"] == pytest.approx((score[head].sum() - chance) / (best - chance))
        if row["score"] == "grasp":
            assert row["share"] is None
        else:
            assert row["share"] == pytest.approx(score[head].sum() / best)


def test_prices_of_all_ordered_pairs(table):
    rows, kept = table("price_of_control"), table("kept")
    above = {(row["density"], row["mask"], row["score"]): row["above_chance"] for row in kept}
    curves = {}
    for row in rows:
        curves.setdefault((row["density"], row["target"], row["control"]), []).append(row)
    assert len(curves) == len(DENSITIES) * len(SCORES) * (len(SCORES) - 1)
    for (density, target, control), curve in curves.items():
        assert [row["level"] for row in curve] == [step / 10 for step in range(11)]
        first, last = curve[0], curve[-1]
        assert (first["target_kept"], first["target_above_chance"], first["control_kept"]) == (1, 1, 0)
        assert (last["target_kept"], last["control_kept"]) == (0, 1)
        # The control's own mask, but for weights of equal score: COPS gives these to the target.
        assert last["target_above_chance"] >= above[density, control, target] - 1e-9
        assert last["target_above_chance"] == pytest.approx(above[density, control, target], abs=0.02)
        assert all(row["control_kept"] >= row["level"] - 1e-9 for row in curve)


def test_figures_are_images_with_something_in_them(result):
    for name in FIGURES:
        with Image.open(result[0] / f"{name}.png") as image:
            image.verify()
        with Image.open(result[0] / f"{name}.png") as image:
            width, height = image.size
            colours = image.convert("RGB").getcolors(maxcolors=1 << 24)
        assert 600 <= width <= 3000, name
        assert 400 <= height <= 2000, name
        assert len(colours) > 50, name


def test_figures_use_no_shared_state():
    from study.scores import figures

    for path in Path(figures.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text())
        modules = [ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
        assert not [line for line in modules if "pyplot" in line or "rcParams" in line]


def test_what_is_printed_fits_80_columns(result):
    folder, printed = result
    assert printed.startswith("lenet_300_100 on digits, seed 0: 50,200 weights\n")
    lines = printed.splitlines()
    assert max(len(line.rstrip()) for line in lines if str(folder) not in line) <= 80
    assert str(folder) in lines[-1]
    assert "collapsed" in next(line for line in lines if "synflow" in line and "none" in line)
    for heading in ("rank correlation", "masks", "kept weights of each layer", "overlap", "control at level"):
        assert heading in printed, heading
    assert "nan" not in printed
    assert "-0.00" not in printed


def test_the_manifest_describes_the_computation(result):
    manifest = json.loads((result[0] / "manifest.json").read_text())
    assert manifest["model"] == "lenet_300_100"
    assert manifest["densities"] == ["0.1", "0.01"]
    assert manifest["kappas"] == [5020, 502]
    assert list(manifest["scores"]) == list(SCORES)
    assert manifest["scores"]["grasp"]["signed"] is True
    assert len(manifest["sample_indices"]) == 100
    assert manifest["versions"]["torch"]
    assert {"commit", "finished", "seconds", "seed", "initialization", "device"} <= set(manifest)


def test_a_second_run_gives_the_same_tables_and_keeps_other_files(cops, tmp_path):
    words = ("scores", "--score", "magnitude", "--score", "random", "--density", "0.1")
    assert cops(*words)[0] == 0
    folder = tmp_path / "cops-home" / "scores" / FOLDER
    (folder / "notes.txt").write_text("mine")
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert cops(*words)[0] == 0
    second = {path.name: path.read_bytes() for path in folder.iterdir()}
    del first["manifest.json"], second["manifest.json"]
    assert first == second


def test_a_second_run_finds_its_scores_in_the_cache(cops, tmp_path, monkeypatch):
    monkeypatch.setattr("study.scores.run.score_figures", lambda comparison: {})  # a second each time
    words = ["scores", "--score", "snip", "--score", "grasp", "--density", "0.1", "--home", str(tmp_path)]
    words += ["--score-cache", str(tmp_path / "cache")]
    manifests = []
    for more in ([], ["--density", "0.2"], ["--convention", "synaptic_flow"]):
        assert cops(*words, *more)[0] == 0
        folder = tmp_path / "scores" / (FOLDER + ("-synaptic_flow" if "synaptic_flow" in more else ""))
        manifests.append(json.loads((folder / "manifest.json").read_text()))
    first, again, other = manifests
    assert (first["scores_computed"], first["scores_cached"]) == (["grasp", "snip"], [])
    assert (again["scores_computed"], again["scores_cached"]) == ([], ["grasp", "snip"])
    assert other["scores_computed"] == ["grasp", "snip"]
    assert (other["convention"], other["class_balanced"]) == ("synaptic_flow", False)
    assert other["scores"]["snip"]["normalisation"] == "eval"
    assert other["sample_indices"] != first["sample_indices"]


def test_an_interrupted_run_has_no_manifest(tmp_path, monkeypatch):
    write_files(tmp_path, {"a": b"1", "b": b"1"}, {})
    replaced = Path.replace

    def interrupted(self, target):
        if Path(target).name == "b":
            raise KeyboardInterrupt
        return replaced(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_files(tmp_path, {"a": b"2", "b": b"2"}, {})
    assert not (tmp_path / "manifest.json").exists()
    assert (tmp_path / "b").read_bytes() == b"1"  # old, but complete
    monkeypatch.undo()
    write_files(tmp_path, {"a": b"3", "b": b"3"}, {"seed": 1})
    assert json.loads((tmp_path / "manifest.json").read_text())["seed"] == 1


@pytest.mark.fashion
def test_on_fashion_mnist(cops, tmp_path):
    code, out, _ = cops(
        "scores", "--model", "lenet_5_caffe", "--dataset", "fashion_mnist", "--density", "0.01"
    )
    assert code == 0
    assert "430,500 weights" in out
    folder = tmp_path / "cops-home" / "scores" / "lenet_5_caffe-fashion_mnist-seed0"
    rows = {row["score"]: row for row in pq.read_table(folder / "masks.parquet").to_pylist()}
    assert rows["synflow"]["empty_layers"] == ["fc1.weight"]
    assert [name for name, row in rows.items() if row["collapsed"]] == ["synflow"]
    assert rows["snip"]["kept_weights"] == 4305


@pytest.mark.slow
def test_on_a_resnet(cops, cifar_root, tmp_path):
    code, out, _ = cops(
        *("scores", "--model", "resnet18", "--dataset", "cifar10", "--data-root", cifar_root),
        *("--density", "0.01", "--samples-per-class", "2"),
    )
    assert code == 0
    assert "11,164,352 weights" in out
    folder = tmp_path / "cops-home" / "scores" / "resnet18-cifar10-seed0"
    layers = pq.read_table(folder / "layers.parquet").to_pylist()
    assert len(layers) == 21 * len(SCORES)
    assert {sum(row["layer_kept"] for row in layers if row["score"] == score) for score in SCORES} == {
        111_644
    }
