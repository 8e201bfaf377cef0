"""Data sets through Ray's object store: one copy for all processes of a node."""

from pathlib import Path

import pytest
import ray

from cops_core.data import load_data
from cops_core.errors import InputError
from study.run.ray.shared_data import DataShare, received

pytestmark = pytest.mark.slow  # Ray starts; the default tests have one study that runs on it


@pytest.fixture(scope="module", autouse=True)
def connected():
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


def mapping(address):
    """The line of this process's memory map that holds an address."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        begin, end = (int(part, 16) for part in line.split()[0].split("-"))
        if begin <= address < end:
            return line
    return pytest.fail("not in any mapping")


def test_what_is_received_is_what_was_sent_in_shared_memory():
    data = load_data("digits", Path())
    share = DataShare(lambda name: load_data(name, Path()))
    got = received(share.reference("digits"))
    assert (got.name, got.classes, got.sha256) == (data.name, data.classes, data.sha256)
    assert "/dev/shm/" in mapping(got.train_images.data_ptr())
    assert "/dev/shm/" not in mapping(data.train_images.data_ptr())
    assert received(share.reference("digits")) is got


def test_a_data_set_is_loaded_and_sent_once():
    loads = []

    def load(name):
        loads.append(name)
        return load_data(name, Path())

    share = DataShare(load)
    assert share.reference("digits") is share.reference("digits")
    assert loads == ["digits"]


def test_an_unknown_data_set_is_named():
    with pytest.raises(InputError, match="unknown data set 'digit': did you mean 'digits'"):
        DataShare(lambda name: load_data(name, Path())).reference("digit")
