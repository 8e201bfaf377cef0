"""The score cache, with several processes, kills in the middle of a write, and a bound."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from cops_core import cache as cache_module
from cops_core.cache import ScoreCache


def layers(value: float = 1.0, size: int = 100) -> dict[str, torch.Tensor]:
    return {"fc1.weight": torch.full((size,), value), "fc2.weight": torch.arange(4.0).double()}


def key(number: int) -> str:
    return f"{number:064x}"


def entries(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.safetensors"))


@pytest.fixture
def cache(tmp_path) -> ScoreCache:
    return ScoreCache(tmp_path / "scores")


def test_layers_keep_their_order_and_names(tmp_path):
    cache = ScoreCache(tmp_path)
    names = ["z.weight", "layer10.weight", "layer2.weight", "__metadata__", "a", "a.b.c", "ä.weight"]
    cache.put("0" * 64, {name: torch.full((2,), float(place)) for place, name in enumerate(names)})
    found = cache.get("0" * 64)
    assert found is not None
    assert list(found) == names
    assert [float(layer[0]) for layer in found.values()] == list(range(len(names)))


def test_it_is_made_with_its_first_entry(cache):
    assert cache.get(key(1)) is None
    assert not cache.folder.exists()
    cache.put(key(1), layers())
    assert entries(cache.folder) == [f"{key(1)}.safetensors"]


def test_what_was_put_is_found_bit_for_bit(cache):
    values = {
        "a": torch.tensor([1.5, -0.0, 1e-40]),
        "b": torch.rand(3, 2, dtype=torch.float64),
        "c": torch.rand(4, 5).T,
    }
    cache.put(key(1), values)
    found = ScoreCache(cache.folder).get(key(1))
    assert found is not None
    assert set(found) == set(values)
    for name, value in values.items():
        assert found[name].dtype == value.dtype
        assert found[name].shape == value.shape
        assert found[name].numpy().tobytes() == value.contiguous().numpy().tobytes()


def test_nothing_there(cache):
    assert cache.get(key(1)) is None


def test_only_what_is_missing_is_computed(cache):
    asked = []

    def compute(names):
        asked.append(list(names))
        return {name: layers(float(ord(name))) for name in names}

    first, computed = cache.fetch({"a": key(1), "b": key(2)}, compute)
    assert computed == ["a", "b"]
    second, computed = cache.fetch({"b": key(2), "c": key(3), "a": key(1)}, compute)
    assert computed == ["c"]
    assert asked == [["a", "b"], ["c"]]
    assert list(second) == ["b", "c", "a"]
    for name in "ab":
        assert torch.equal(first[name]["fc1.weight"], second[name]["fc1.weight"])


def test_a_computation_that_fails_leaves_nothing_behind(cache):
    def fail(names):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        cache.fetch({"a": key(1)}, fail)
    _, computed = cache.fetch({"a": key(1)}, lambda names: {"a": layers()})
    assert computed == ["a"]


@pytest.mark.parametrize("damage", ["empty", "cut", "noise"])
def test_a_damaged_entry_is_computed_again(cache, damage):
    cache.put(key(1), layers())
    (file,) = cache.folder.glob("*.safetensors")
    whole = file.read_bytes()
    file.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "noise": os.urandom(500)}[damage])
    assert cache.get(key(1)) is None
    found, computed = cache.fetch({"a": key(1)}, lambda names: {"a": layers(2.0)})
    assert computed == ["a"]
    assert float(found["a"]["fc1.weight"][0]) == 2.0
    assert file.read_bytes() != whole


def test_the_least_recently_read_go_first(cache):
    cache.put(key(0), layers())
    size = next(cache.folder.glob("*.safetensors")).stat().st_size
    small = ScoreCache(cache.folder, max_bytes=3 * size)
    for number in range(1, 3):
        small.put(key(number), layers())
    for number in range(3):  # read in the order 1, 2, 0
        os.utime(small.folder / f"{key(number)}.safetensors", (1000 + number, 1000 + number))
    assert small.get(key(0)) is not None
    small.put(key(3), layers())
    assert entries(small.folder) == [f"{key(n)}.safetensors" for n in (0, 2, 3)]


def test_an_entry_larger_than_the_bound_is_not_kept(tmp_path):
    cache = ScoreCache(tmp_path, max_bytes=1000)
    found, computed = cache.fetch({"a": key(1)}, lambda names: {"a": layers(size=1000)})
    assert computed == ["a"]
    assert found["a"]["fc1.weight"].numel() == 1000
    assert entries(tmp_path) == []


def test_an_entry_stays_readable_after_it_was_removed(cache):
    cache.put(key(1), layers(7.0, size=100_000))
    found = cache.get(key(1))
    assert found is not None
    ScoreCache(cache.folder, max_bytes=0).put(key(2), layers())
    assert entries(cache.folder) == []
    assert float(found["fc1.weight"].sum()) == 700_000


CONTENDER = """
import json, os, sys, time, torch
from pathlib import Path
from cops_core.cache import ScoreCache

folder, number = Path(sys.argv[1]), int(sys.argv[2])

def compute(names):
    time.sleep(0.2)
    return {name: {"w": torch.full((3,), float(os.getpid()))} for name in names}

keys = {name: f"{place << 230:064x}" for place, name in enumerate("abc", 1)}
# Both orders: locks taken as they come would wait for each other for ever.
names = "abc" if number % 2 else "cba"
print("ready", flush=True)
sys.stdin.readline()
found, computed = ScoreCache(folder).fetch({name: keys[name] for name in names}, compute)
print(json.dumps([computed, {name: float(layers["w"][0]) for name, layers in sorted(found.items())}]))
"""


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that has said that it is ready."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_of_many_processes_one_computes_and_the_others_wait(tmp_path):
    processes = [python(CONTENDER, tmp_path, number) for number in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert sorted(name for computed, _ in answers for name in computed) == ["a", "b", "c"]
    assert all(values == answers[0][1] for _, values in answers)


WRITER = """
import sys, torch
from pathlib import Path
from cops_core.cache import ScoreCache
cache = ScoreCache(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(200):
    cache.put(f"{number % 3:064x}", {"w": torch.full((3_000_000,), float(number % 3))})
"""


@pytest.mark.slow
def test_a_kill_in_the_middle_of_a_write_leaves_no_half_entry(tmp_path):
    pauses = (0.05, 0.11, 0.173)
    folders = [tmp_path / str(number) for number in range(len(pauses))]
    writers = [python(WRITER, folder) for folder in folders]
    for folder, writer, pause in zip(folders, writers, pauses, strict=True):
        assert writer.stdout.readline() == "ready\n"
        time.sleep(pause)
        writer.kill()
        writer.communicate()
        cache = ScoreCache(folder)
        for number in range(3):
            found = cache.get(key(number))
            assert found is None or bool((found["w"] == number).all())


def test_what_was_left_half_written_goes_once_nobody_can_be_writing_it(cache, monkeypatch):
    cache.put(key(8), layers())
    (cache.folder / "left.tmp").write_bytes(b"half")
    cache.put(key(9), layers())
    assert (cache.folder / "left.tmp").exists()
    monkeypatch.setattr(cache_module, "ABANDONED_S", -1.0)
    cache.put(key(9), layers())
    assert not list(cache.folder.glob("*.tmp"))


def test_a_full_disk_loses_nothing_that_was_computed(cache, monkeypatch):
    def full(tensors, file):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_module, "save_file", full)
    found, computed = cache.fetch({"a": key(1)}, lambda names: {"a": layers(3.0)})
    assert computed == ["a"]
    assert float(found["a"]["fc1.weight"][0]) == 3.0
    assert cache.get(key(1)) is None
    assert not list(cache.folder.glob("*.tmp"))
