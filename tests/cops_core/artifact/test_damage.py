"""A file that is not whole is a named error in one line, or still the very same network."""

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from cops_core.artifact import ArtifactError, envelope, load_artifact, pack, rebuild, save_artifact
from cops_core.artifact.fingerprint import fingerprint
from cops_core.errors import InputError
from cops_core.models import MODELS

DRAWS = random.Random(0)


@pytest.fixture
def saved(make, tmp_path) -> tuple[Path, bytes, str]:
    """An artefact, its bytes, and what it must say: the fingerprint of its network, and its header."""
    network, header = make("lenet_300_100", density=0.002, steps=1, extensions={"mine": "1" * 64})
    path = tmp_path / "network.safetensors"
    save_artifact(path, network, header)
    return path, path.read_bytes(), fingerprint(network.model) + header.model_dump_json()


def assert_named_or_same(path: Path, data: bytes, same: str) -> bool:
    """Whether `data` was refused; if not, it is the same network."""
    path.write_bytes(data)
    message = ""
    try:
        loaded = load_artifact(path)
    except ArtifactError as error:
        message = str(error)
    if not message:
        assert fingerprint(loaded.model) + loaded.header.model_dump_json() == same
        return False
    assert message.startswith(f"{path} ")
    assert len(message.splitlines()) == 1
    return True


def header_end(data: bytes) -> int:
    return 8 + int.from_bytes(data[:8], "little")


@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.slow)])
def test_a_byte_that_was_changed_is_found(saved, every):
    path, data, same = saved
    end = header_end(data)
    places = [*range(0, end, every), *DRAWS.sample(range(end, len(data)), 400 // every)]
    refusals = 0
    for place in places:
        altered = bytearray(data)
        altered[place] ^= DRAWS.randrange(1, 256)
        refusals += assert_named_or_same(path, bytes(altered), same)
    assert len(places) > 1500 // every
    # At most the spaces that fill the header up may change without an effect.
    assert refusals >= len(places) - 8


@pytest.mark.parametrize("bit", range(8))
def test_a_bit_that_was_flipped_is_found(saved, bit):
    path, data, same = saved
    for place in DRAWS.sample(range(len(data)), 60):
        altered = bytearray(data)
        altered[place] ^= 1 << bit
        assert_named_or_same(path, bytes(altered), same)


def test_a_file_that_was_cut_is_found(saved):
    path, data, same = saved
    for length in [0, 1, 7, 8, 9, len(data) - 1, *DRAWS.sample(range(len(data)), 150)]:
        assert assert_named_or_same(path, data[:length], same)


def test_bytes_that_were_added_are_found(saved):
    path, data, same = saved
    for more in (b"\0", b" ", data, b"x" * 1000):
        assert assert_named_or_same(path, data + more, same)
        assert assert_named_or_same(path, more + data, same)


def test_bytes_that_changed_places_are_found(saved):
    path, data, same = saved
    end = header_end(data)
    swapped = data[:end] + data[end + 4 : end + 8] + data[end : end + 4] + data[end + 8 :]
    assert assert_named_or_same(path, swapped, same)


def test_a_failed_save_leaves_the_old_file(saved, make, monkeypatch):
    path, data, _ = saved
    network, header = make("lenet_300_100")

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        save_artifact(path, network, header)
    assert path.read_bytes() == data
    assert list(path.parent.iterdir()) == [path]


def test_bytes_are_loaded_as_a_file_is(saved, refused):
    path, data, _ = saved
    loaded = load_artifact(data)
    assert fingerprint(loaded.model) == fingerprint(load_artifact(path).model)
    with refused("^the artefact is truncated, altered or not an artefact"):
        load_artifact(data[:-1])


def test_errors_name_the_artefact_as_the_caller_knows_it(saved, tmp_path, refused):
    _, data, _ = saved
    (tmp_path / "cut").write_bytes(data[:-1])
    for source in (data[:-1], tmp_path / "cut"):
        with refused("^trial 3 is truncated, altered or not an artefact"):
            load_artifact(source, name="trial 3")
    with refused(r"^trial 3 cannot be read \(FileNotFoundError\)"):
        load_artifact(tmp_path / "nosuch", name="trial 3")


def test_what_is_not_there_or_foreign_is_said(tmp_path, refused):
    with refused(r"nosuch cannot be read \(FileNotFoundError\)"):
        load_artifact(tmp_path / "nosuch")
    with refused("cannot be read"):
        load_artifact(tmp_path)
    file = tmp_path / "foreign"
    for metadata in (None, {"format": "pt"}):
        safetensors.numpy.save_file({"w": np.zeros(3, np.float32)}, file, metadata)
        with refused("is a safetensors file, but not an artefact"):
            load_artifact(file)
    file.write_bytes(b"PK\x03\x04" + b"\0" * 100)
    with refused("truncated, altered or not an artefact"):
        load_artifact(file)
    for text in ("", "[]", "{}", "null", "1", '{"format":1}', '{"format":1,"sha256":3}', "[" * 50_000):
        safetensors.numpy.save_file({"w": np.zeros(3, np.float16)}, file, {envelope.KEY: text})
        with refused("truncated, altered or not an artefact"):
            load_artifact(file)


def resealed(data: bytes, **changes) -> bytes:
    """The artefact with other fields, sealed as if it had been written so."""
    fields, arrays = envelope.unseal(data)
    for place, value in changes.items():
        part, _, name = place.partition("__")
        fields[part][name] = value
    return envelope.seal(fields, arrays)


def test_a_newer_format_is_said(saved, refused, monkeypatch):
    path, data, _ = saved
    monkeypatch.setattr(envelope, "FORMAT", 2)
    path.write_bytes(resealed_as_newer(data))
    monkeypatch.setattr(envelope, "FORMAT", 1)
    with refused("has format 2, this version reads 1"):
        load_artifact(path)


def resealed_as_newer(data: bytes) -> bytes:
    text = json.loads(data[8 : header_end(data)])["__metadata__"][envelope.KEY]
    fields = json.loads(text)
    arrays = safetensors.numpy.load(data)
    return envelope.seal({k: v for k, v in fields.items() if k not in {"format", "sha256"}}, arrays)


def test_an_unknown_model_names_its_plugin(make, tmp_path, refused, monkeypatch):
    network, header = make(extensions={"my_models": "ab" * 32})
    save_artifact(tmp_path / "a", network, header)
    monkeypatch.delitem(MODELS, "normalised")
    with refused("needs the model 'normalised'.*my_models .SHA-256 abababababab"):
        load_artifact(tmp_path / "a")
    save_artifact(tmp_path / "a", network, header.model_copy(update={"extensions": {}}))
    with refused("needs the model 'normalised'.*install the version"):
        load_artifact(tmp_path / "a")


@pytest.mark.parametrize("arm", ["freeze", "prune", "dense"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 6, 6), (2, 9, 9)])
def test_another_version_of_the_model_is_found(make, tmp_path, refused, monkeypatch, arm, shape):
    network, header = make(arm=arm)
    save_artifact(tmp_path / "a", network, header)
    build = MODELS["normalised"]
    assert fingerprint(load_artifact(tmp_path / "a").model) == fingerprint(network.model)

    def other(_shape, classes):
        model = build((shape[0], 8, 8), classes)
        if shape[1] != 8:
            model.append(torch.nn.Linear(10, 10) if shape[1] == 9 else torch.nn.BatchNorm1d(10, affine=False))
        return model

    monkeypatch.setitem(MODELS, "normalised", other)
    with refused("version of the model 'normalised'|not a mask of"):
        load_artifact(tmp_path / "a")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"header__seed": 8}, "seed 8 gives another theta0"),
        ({"header__seed": -1}, "header.*seed|seed: Input"),
        ({"header__initialization": "kaiming_normal"}, "another theta0"),
        ({"header__initialization": "nosuch"}, "unknown initialization 'nosuch'"),
        ({"header__theta0_sha256": "0" * 64}, "another theta0"),
        ({"header__mask_sha256": "0" * 64}, "another version"),
        ({"header__mask_sha256": None}, "another version"),
        ({"header__classes": 9}, "another"),
        ({"header__classes": 1}, "classes"),
        ({"header__model": "lenet_5_caffe"}, "another version|not a mask of"),
        ({"header__more": 1}, "more: Extra"),
        ({"contents__scale": 0.5}, "another version"),
        ({"contents__scale": 0.0}, "another version"),
        ({"contents__dtype": "float64"}, "another version"),
        ({"contents__dtype": "int8"}, "dtype: Input should be"),
        ({"contents__weights_sha256": "0" * 64}, "another version"),
    ],
)
def test_a_file_that_contradicts_itself_is_found(saved, refused, changes, words):
    """Whoever writes such a file seals it well: the hashes of what comes out find it."""
    path, data, _ = saved
    path.write_bytes(resealed(data, **changes))
    with refused(words):
        load_artifact(path)


def test_other_numerics_are_found(saved, refused, monkeypatch):
    path, *_ = saved
    monkeypatch.setattr(rebuild, "initialize", lambda *_: "0" * 64)
    with refused("gives another theta0"):
        load_artifact(path)


@pytest.mark.parametrize("arm", ["prune", "dense"])
def test_what_does_not_depend_on_theta0_loads_without_it(make, tmp_path, monkeypatch, arm):
    network, header = make(arm=arm)
    save_artifact(tmp_path / "a", network, header)
    monkeypatch.delattr(rebuild, "initialize")
    assert fingerprint(load_artifact(tmp_path / "a").model) == fingerprint(network.model)


def test_values_too_many_or_too_few_are_found(saved, refused):
    path, data, _ = saved
    fields, arrays = envelope.unseal(data)
    for name, change in [(name, change) for name in arrays for change in (-1, 1)]:
        longer = np.resize(arrays[name], len(arrays[name]) + change)
        path.write_bytes(envelope.seal(fields, {**arrays, name: longer}))
        with refused("another version|not a mask of|has 1 more bytes"):
            load_artifact(path)


def test_an_error_is_wrong_input(saved):
    path, data, _ = saved
    path.write_bytes(data[:-1])
    with pytest.raises(InputError):
        load_artifact(path)


def test_the_same_network_gives_the_same_bytes(make):
    assert pack(*make()) == pack(*make())
