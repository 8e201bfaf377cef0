"""Files that cannot be loaded are refused in one line, and a refused call changes nothing."""

import json
import struct

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import cops_core as cops
from cops_core.errors import DriftError, InputError
from tests.cops_core.masked.networks import BUILDERS, build, mask_of


@pytest.fixture
def path(tmp_path):
    model = build()
    cops.initialize(model, 7)
    cops.save(cops.freeze(model, mask_of(model)), tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def refused(path, *parts, make=build):
    with pytest.raises(InputError) as refusal:
        cops.load(path, make)
    text = str(refusal.value)
    assert "\n" not in text
    for part in (str(path), *parts):
        assert part in text


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.999])
def test_truncated(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path, "cannot be read")


def test_any_altered_byte(path):
    content = path.read_bytes()
    for place in range(0, len(content), len(content) // 97):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        refused(path)


def test_missing_and_other_files(tmp_path):
    refused(tmp_path / "none.safetensors", "cannot be read")
    refused(tmp_path, "cannot be read")
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.ones(2)}, other)
    refused(other, "not one of cops.save")
    other.write_bytes(b"PK\x03\x04 a pickle of torch.save")
    refused(other, "cannot be read")


@pytest.mark.parametrize("text", ["no json", "[]", "{}", '{"sha256": "0"}', '{"sha256": "0", "format": 1}'])
def test_fields_that_are_none(tmp_path, text):
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.ones(2)}, other, {"cops_model": text})
    refused(other, "is damaged")


def test_no_pickle(path):
    length = struct.unpack("<Q", path.read_bytes()[:8])[0]
    header = json.loads(path.read_bytes()[8 : 8 + length])
    assert {name.partition("/")[0] for name in header} == {"__metadata__", "mask", "state"}
    assert all(
        set(entry) == {"dtype", "shape", "data_offsets"} for name, entry in header.items() if "/" in name
    )


@pytest.mark.parametrize("name", [name for name in BUILDERS if name != "mlp"])
def test_another_network(path, name):
    refused(path, "is of another network", make=lambda: build(name))


def test_builders_that_build_something_else(path):
    refused(path, "is of another network", make=lambda: build()[:3])
    refused(path, "is of another network", make=lambda: nn.Sequential(*build(), nn.Linear(2, 2)))
    for make, advice in (
        (lambda: None, "build returns NoneType"),
        (lambda: cops.freeze(build(), mask_of(build())), "masked already"),
    ):
        with pytest.raises(InputError, match=advice):
            cops.load(path, make)


class Odd(nn.Linear):
    def get_extra_state(self) -> str:
        return "text"

    def set_extra_state(self, state: str) -> None:
        pass


def test_a_refused_call_writes_nothing(tmp_path):
    path = tmp_path / "net.safetensors"
    with pytest.raises(InputError, match="_extra_state is an object of type str, not a tensor"):
        cops.save(nn.Sequential(Odd(3, 2)), path)
    with pytest.raises(OSError, match="no such folder"):
        cops.save(build(), tmp_path / "no such folder" / "net.safetensors")
    model = cops.freeze(build(), mask_of(build()))
    model[0].parametrizations.weight[0]._theta0.mul_(2)
    with pytest.raises(DriftError, match=r"0\.weight outside the mask"):
        cops.save(model, path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_stays_until_the_new_one_is_whole(path):
    content = path.read_bytes()
    with pytest.raises(InputError):
        cops.save(nn.Sequential(Odd(3, 2)), path)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]
