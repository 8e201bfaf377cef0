"""What is said about the machine that a trial ran on."""

import json
import platform

import pytest
import torch

from cops_core import machine as described
from cops_core.machine import machine


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_machine_is_what_torch_says(threads):
    torch.set_num_threads(1)
    one = machine("cpu")
    torch.set_num_threads(2)
    two = machine()
    assert (one["threads"], two["threads"]) == (1, 2)
    assert {**one, "threads": 2} == two
    assert (one["device"], one["gpu"]) == ("cpu", "")
    assert one["torch"] == torch.__version__
    assert one["capability"] == torch.backends.cpu.get_cpu_capability()
    assert one["cpu"]
    assert json.loads(json.dumps(one)) == one


def test_the_cpu_is_linuxs_name_of_it_or_pythons(monkeypatch, tmp_path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU: 3 GHz\nmodel name\t: other\n")
    monkeypatch.setattr(described, "CPUINFO", tmp_path / "cpuinfo")
    assert machine()["cpu"] == "Some CPU: 3 GHz"
    (tmp_path / "cpuinfo").write_text("processor\t: 0\n")
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert machine()["cpu"] == "riscv64"
    monkeypatch.setattr(described, "CPUINFO", tmp_path / "nosuch")
    assert machine()["cpu"] == "riscv64"


@pytest.mark.gpu
def test_a_gpu_is_named():
    found = machine("cuda")
    assert found["device"] == "cuda"
    assert found["gpu"] == torch.cuda.get_device_name()
