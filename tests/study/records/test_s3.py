"""The records on an object store: pyarrow's S3 filesystem against a server that speaks S3."""

import hashlib
import threading
import time
from decimal import Decimal

import boto3
import pytest
from moto.server import ThreadedMotoServer

from cops_core.config import Selection, TrialConfig
from cops_core.errors import InputError
from cops_core.identity import trial_identity
from cops_core.plugins import Plugin
from study.places import storage_uri
from study.records.lease import DRIVER, STOP, Lease, Timing, driver, holder
from study.records.library import Library
from study.records.store import StudyStore, studies
from study.records.trial import StudyTrial

from ..made_facts import made_facts
from ..made_record import made_record

BUCKET = "a-bucket"
QUICK = Timing(renew_s=0.1, given_up_s=1.0, settle_s=0.2)
CONFIG = TrialConfig(arm="freeze", selection=Selection(target="snip"), density="0.01")
IDENTITY = trial_identity(CONFIG, "a" * 64)
NETWORK = b"a network in a few kilobytes"


@pytest.fixture(scope="module")
def server():
    """Where a server that speaks S3 listens, with an empty bucket."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "nobody")
        patch.delenv("AWS_PROFILE", raising=False)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        running.start()
        host, port = running.get_host_and_port()
        boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1").create_bucket(
            Bucket=BUCKET
        )
        yield f"{host}:{port}"
        running.stop()


@pytest.fixture
def bucket(server):
    """The bucket itself, through another library than pyarrow."""
    resource = boto3.resource("s3", endpoint_url=f"http://{server}", region_name="us-east-1")
    found = resource.Bucket(BUCKET)
    yield found
    found.objects.all().delete()


@pytest.fixture
def storage(server, bucket):
    return storage_uri(None, f"s3://{BUCKET}/cops?endpoint_override={server}&scheme=http&region=us-east-1")


@pytest.fixture
def store(storage):
    ours = StudyStore(storage, "mine")
    ours.write_record(made_record())
    return ours


def done(number=3, status="finished", **changes):
    fields = {"configuration": number, "identity": IDENTITY, "rate": Decimal("0.99")}
    trial = StudyTrial(number=number, config=CONFIG, status=status, **{**fields, **changes})
    trial.add_row({"epoch": 1, "validation_accuracy": 0.7, "train_loss": 0.1}, stamp=1111)
    return trial


def keys(bucket):
    """The names of all objects that are not marks of folders."""
    return {found.key for found in bucket.objects.all() if not found.key.endswith("/")}


def test_records_come_back_as_they_were(store, bucket):
    assert not store.is_local
    assert store.exists
    assert store.record() == made_record()
    trials = [done(7), done(2, "failed", reason="because")]
    for trial in trials:
        store.save(trial)
    assert [trial.record() for trial in store.trials()] == [trials[1].record(), trials[0].record()]
    names = {f"cops/mine/trials/{trial.name}.json" for trial in trials}
    assert keys(bucket) == {"cops/mine/study.json", *names}


def test_a_study_that_does_not_exist_has_no_files(storage):
    store = StudyStore(storage, "nobody")
    assert not store.exists
    assert store.trials() == store.files("trials") == []
    assert list(studies(storage)) == []
    with pytest.raises(FileNotFoundError):
        store.read("study.json")
    store.delete("study.json")


def test_files_are_written_over_listed_and_removed(store, bucket):
    for content in (b"first", b"second", b""):
        store.write("artifacts/a.safetensors", content)
        assert store.read("artifacts/a.safetensors") == content
    store.write("artifacts/deeper/b.safetensors", b"b")
    assert store.files("artifacts") == ["a.safetensors"]
    assert store.has("artifacts/a.safetensors")
    assert not store.has("artifacts")
    assert not store.has("artifacts/a.safe")
    store.delete("artifacts/a.safetensors")
    store.delete("artifacts/a.safetensors")
    assert store.files("artifacts") == []
    assert keys(bucket) == {"cops/mine/study.json", "cops/mine/artifacts/deeper/b.safetensors"}


def test_a_checkpoint_of_many_parts_arrives_whole(store, bucket):
    """Above 5 MB pyarrow sends several parts; the object exists once the last one has arrived."""
    content = bytes(range(256)) * 4 * 1024 * 12
    store.write("checkpoints/a.pt", content)
    assert store.read("checkpoints/a.pt") == content
    assert len(keys(bucket)) == 2


@pytest.mark.parametrize(
    "sizes", [[300_000] * 6, [10, 4000, 300_000, 20, 600_000, 30]], ids=["same", "other"]
)
def test_readers_see_the_old_file_or_the_new_and_never_a_part(storage, store, sizes):
    """A file is read while it is overwritten with content of the same size, and of other sizes."""
    versions = [bytes([letter]) * size for letter, size in zip(b"abcdef", sizes, strict=True)]
    store.write("trials/x.json", versions[0])
    seen, ended = [], threading.Event()

    def read():
        reader = StudyStore(storage, "mine")
        while not ended.wait(0.001):
            seen.append(reader.read("trials/x.json"))

    thread = threading.Thread(target=read)
    thread.start()
    for content in versions * 2:
        store.write("trials/x.json", content)
        time.sleep(0.03)
    ended.set()
    thread.join()
    assert seen
    assert set(seen) <= set(versions)


def test_an_object_that_grows_between_two_requests_is_read_again(store):
    """The object is overwritten after the reader has asked for its size."""

    class Racing:
        """The filesystem of the store; each time that a file has been opened, it is overwritten."""

        def __init__(self, filesystem):
            self.filesystem = filesystem
            self.contents = [b"second, longer", b"third, longer still"]

        def __getattr__(self, name):
            return getattr(self.filesystem, name)

        def open_input_file(self, path):
            file = self.filesystem.open_input_file(path)
            if self.contents:
                with self.filesystem.open_output_stream(path) as stream:
                    stream.write(self.contents.pop(0))
            return file

    store.write("trials/x.json", b"first")
    store.filesystem = Racing(store.filesystem)
    assert store.read("trials/x.json") == b"third, longer still"


def test_nothing_but_the_file_itself_is_ever_written(store, bucket):
    """A temporary name would cost a copy of each object, and would be left by a process that dies."""
    store.write("trials/x.json", b"{}")
    assert keys(bucket) == {"cops/mine/study.json", "cops/mine/trials/x.json"}


def test_all_studies_are_found_by_name(storage, bucket):
    for name in ("b", "a"):
        StudyStore(storage, name).write_record(made_record())
    StudyStore(storage, "_mlflow").make_folders()
    assert [found.name for found in studies(storage)] == ["a", "b"]


def test_only_a_folder_without_any_result_is_discarded(storage, store, bucket):
    store.discard()
    assert store.exists
    empty = StudyStore(storage, "empty")
    empty.make_folders()
    empty.discard()
    assert {found.key for found in bucket.objects.filter(Prefix="cops/empty")} == set()
    assert store.exists


def test_plugins_are_kept(store):
    source = "A = 1\n"
    store.write_plugins([Plugin(name="mine", sha256="0" * 64, source=source)])
    assert store.read("plugins/mine.py").decode() == source


def test_a_result_of_another_study_is_found_and_reused(storage, store):
    earlier = StudyStore(storage, "earlier")
    earlier.write_record(made_record())
    source = done()
    file = f"artifacts/{source.name}.safetensors"
    earlier.write(file, NETWORK)
    source.facts = made_facts(artifact={"file": file, "sha256": hashlib.sha256(NETWORK).hexdigest()})
    earlier.save(source)
    library, trial = Library(storage, "mine"), StudyTrial(number=9, config=CONFIG, identity=IDENTITY)
    found = library.find(IDENTITY)
    assert found[0] == "earlier"
    library.adopt(trial, found, store)
    assert trial.reused_from == f"earlier/{source.name}"
    assert store.read(trial.facts["artifact"]["file"]) == NETWORK


def test_one_driver_at_a_time(store, bucket):
    before = keys(bucket)
    with Lease(store, QUICK) as lease:
        assert driver(store, QUICK).token == lease.token
        with pytest.raises(InputError, match="is already run by process") as refused, Lease(store, QUICK):
            pytest.fail("two drivers at once")
        assert holder(store, QUICK) in str(refused.value)
        assert not lease.lost
    assert holder(store, QUICK) is None
    assert keys(bucket) == before
    with Lease(store, QUICK) as second:
        assert second.token != lease.token


def test_of_two_drivers_that_start_at_once_one_continues(storage, store):
    together, outcomes = threading.Barrier(2), []

    def begin():
        ours = StudyStore(storage, "mine")
        together.wait()
        try:
            with Lease(ours, QUICK) as lease:
                outcomes.append(lease.token)
        except InputError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted("is already run by" in outcome for outcome in outcomes) == [False, True]


def test_a_dead_driver_counts_as_running_for_a_while_and_its_request_to_stop_is_removed(store):
    dead = Lease(store, QUICK)
    dead._backend._write()  # the last renewal
    store.write_json(STOP, {"token": dead.token})
    with pytest.raises(InputError, match="counts as running for 1 s"), Lease(store, QUICK):
        pytest.fail("the other driver may still run")
    time.sleep(QUICK.given_up_s + 0.1)
    with Lease(store, QUICK):
        assert not store.has(STOP)
        assert store.has(DRIVER)


def test_a_missing_bucket_is_one_line(server, bucket):
    missing = f"s3://no-such-bucket/cops?endpoint_override={server}&scheme=http&region=us-east-1"
    with pytest.raises(InputError) as refused, Lease(StudyStore(missing, "mine"), QUICK):
        pytest.fail("nothing can be written there")
    assert str(refused.value).startswith("no-such-bucket/cops/mine cannot be written (")
    assert str(refused.value).endswith(": choose another --storage")
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_a_study_runs_in_a_bucket_and_the_same_launch_again_runs_nothing(run, storage, bucket):
    """Records, networks and tables, written by Ray's workers and the driver; nothing else is left."""
    launch = ("launch", "quickstart", "--name", "mine", "--trials", 7, "--seeds", 1, "--storage", storage)
    code, _, error = run(*launch)
    assert code == 0, error
    store = StudyStore(storage, "mine")
    assert [trial.status for trial in store.trials()] == ["finished"] * 7
    names = {trial.name for trial in store.trials()}
    assert {name.removesuffix(".safetensors") for name in store.files("artifacts")} == names
    written = keys(bucket)
    assert not [key for key in written if key.endswith((".tmp", DRIVER, ".pt"))]
    records = [trial.record() for trial in store.trials()]
    code, _, error = run(*launch)
    assert code == 0, error
    assert [trial.record() for trial in store.trials()] == records
    assert keys(bucket) == written
