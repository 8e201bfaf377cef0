"""`ray up` for real: a head and two workers that are namespaces of this machine, each with an ssh daemon.

The tests share one cluster and are one story, in their order. `pytest -s` shows its log, which is also in
the tests' temporary folder as `rack*/log`.
"""

import json
import re
import signal
from collections import Counter

import psutil
import pytest

from .launcher import Launcher
from .namespaces import command_line, make_rack

pytestmark = pytest.mark.slow

EPOCHS = 150  # a trial takes some seconds
CONDUCT = "--address auto --concurrency 2 --checkpoint-every 1"
RUNS = """
import json
from mlflow import MlflowClient
client = MlflowClient("http://127.0.0.1:5000")
(experiment,) = client.search_experiments(filter_string="name = 'cops-study'")
runs = client.search_runs([experiment.experiment_id], max_results=1000)
print(json.dumps([[run.data.tags.get("trial", ""), run.info.status] for run in runs]))
"""
ALL_NODES = " 3 local.cluster.node"
WHERE = 'python -c "import cops_core; print(cops_core.__file__)"'


@pytest.fixture(scope="module")
def launcher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rack")
    with make_rack(folder, ["head", "worker1", "worker2"]) as rack:
        yield Launcher(rack, folder / "log")


@pytest.fixture(scope="module")
def cluster(launcher):
    """The launcher, after `ray up`."""
    with launcher.step("the head comes up"):
        launcher.up()
    with launcher.step("the workers follow"):
        seen = f"ray status 2>&1 | tee status | grep -q '{ALL_NODES}'"
        launcher.on_head(f"until {seen}; do sleep 1; done; grep -A 1 Active status")
    return launcher


def machines(launcher):
    return launcher.rack.machines.values()


def records(launcher):
    """The trials' records, as they lie in the shared folder."""
    return [json.loads(path.read_text()) for path in launcher.rack.shared.glob("*/trials/*.json")]


def ended(launcher):
    """How many trials have ended, and are not only interrupted."""
    return sum(record["status"] not in ("running", "interrupted") for record in records(launcher))


def running_on(launcher, machine):
    """The numbers of the trials that run there, as the records say, which are a second old at most."""
    return [
        record["number"]
        for record in records(launcher)
        if record["node"] == machine.address and record["status"] == "running"
    ]


def show(launcher):
    """The trials by status and node, in one line of the log."""
    counts = Counter((record["status"], record["node"]) for record in records(launcher))
    launcher.say(
        "; ".join(f"{count} {status} on {node or '...'}" for (status, node), count in sorted(counts.items()))
    )


def driver(launcher):
    """The process on the head that runs a study."""
    for process in launcher.rack.machines["head"].processes():
        words = command_line(process)
        if any(word.endswith("/cops") for word in words[:2]) and {"launch", "resume"} & set(words):
            return process
    return None


def is_sshd(process):
    return " ".join(command_line(process)).startswith("sshd")


def runs(launcher):
    """MLflow's runs, as its server on the head knows them: of which trial, and with what status."""
    printed = launcher.rack.machines["head"].run("python", "-c", RUNS)
    return json.loads(printed.splitlines()[-1])


def check_complete(launcher, count):
    """All that was asked for ended well, once; and MLflow has a run of each."""
    show(launcher)
    found = records(launcher)
    assert sorted(record["configuration"] for record in found) == list(range(count))
    assert {record["status"] for record in found} <= {"finished", "stopped", "collapsed", "diverged"}
    assert all(len(record["rows"]) == EPOCHS for record in found if record["status"] == "finished")
    names = sorted(trial for trial, _ in runs(launcher) if trial)
    assert names == sorted(path.stem for path in launcher.rack.shared.glob("*/trials/*.json"))
    assert {status for _, status in runs(launcher)} == {"FINISHED"}
    launcher.say(f"MLflow: {len(names)} runs of trials, all FINISHED")


def submit(launcher, command):
    """As a job of the cluster, which needs nobody to wait for it."""
    launcher.ray("exec", launcher.config, f"ray job submit --no-wait -- {command}")


def test_every_machine_runs_the_code_that_was_sent(cluster):
    for machine in machines(cluster):
        with cluster.step(f"the code on {machine.name}"):
            assert "/cops-study/cops_core/__init__.py" in cluster.ssh(machine, WHERE)


def test_nobody_gets_in_without_the_token(cluster):
    head = cluster.rack.machines["head"].address

    def status(mode, token, code):
        asked = f"RAY_AUTH_MODE={mode} RAY_AUTH_TOKEN={token} ray status --address {head}:6379"
        cluster.say(f"$ {asked}".replace(cluster.token, "TOKEN"))
        return cluster.at_desk("bash", "-c", f"{asked} 2>&1", code=code).strip()

    with cluster.step("Ray wants the token"):
        for mode, token in (("disabled", ""), ("token", "another")):
            refusal = status(mode, token, code=1).splitlines()[-1]
            cluster.say(refusal.partition(" Ensure ")[0])
            assert "AuthenticationError" in refusal
        assert ALL_NODES in status("token", cluster.token, code=0)
    with cluster.step("dashboard and MLflow listen on the head alone"):
        for port in (8265, 5000):
            cluster.rack.machines["head"].run("bash", "-c", f"exec 3<> /dev/tcp/127.0.0.1/{port}")
            cluster.at_desk("bash", "-c", f"exec 3<> /dev/tcp/{head}/{port}", code=1)


def test_check_names_every_machine(cluster):
    check = "cops check --address auto --dataset digits"
    with cluster.step("cops check: all well"):
        printed = cluster.on_head(f"{check} | cat; echo exit code ${{PIPESTATUS[0]}}")
        assert "exit code 0" in printed
        for machine in machines(cluster):
            assert re.search(rf"^{machine.address} +{machine.name} .* ok *$", printed, re.MULTILINE)
    with cluster.step("cops check: a storage that is not shared"):
        printed = cluster.on_head(f"{check} --storage ~/private | cat; echo exit code ${{PIPESTATUS[0]}}")
        assert "exit code 2" in printed
        for machine in machines(cluster):
            lines = printed.count(
                f"node {machine.address} ({machine.name}): it does not see the driver's file"
            )
            assert lines == (machine.name != "head")


def test_a_study_survives_a_worker_and_its_driver(cluster):
    with cluster.step("a study of 9 trials begins on both workers"):
        submit(cluster, f"cops launch quickstart {CONDUCT} --trials 9 --epochs {EPOCHS} --stopping none")
        workers = {machine.address for machine in machines(cluster) if machine.name != "head"}
        cluster.wait_for("both workers", lambda: {r["node"] for r in records(cluster)} >= workers)
        cluster.wait_for("three trials to end", lambda: ended(cluster) >= 3)
        show(cluster)
    with cluster.step("worker1 loses its power"):
        victim = cluster.rack.machines["worker1"]
        cluster.wait_for("a trial that is well under way there", lambda: running_on(cluster, victim))
        victim.switch_off()
        hit = running_on(cluster, victim)
        cluster.say(f"SIGKILL of everything on {victim.address}, trials {hit} among it")
        assert hit
    with cluster.step("the study ends all the same"):
        cluster.wait_for("the study's end", lambda: driver(cluster) is None, 240)
        check_complete(cluster, 9)
        moved = [r for r in records(cluster) if r["number"] in hit]
        cluster.say(f"trials {hit} ended on {sorted({r['node'] for r in moved})}")
        assert victim.address not in {r["node"] for r in moved}
    with cluster.step("cops resume --trials 12, and its driver is killed"):
        submit(cluster, f"cops resume quickstart {CONDUCT} --trials 12")
        cluster.wait_for("a further trial to end", lambda: ended(cluster) > 9)
        process = driver(cluster)
        cluster.say(f"SIGKILL of {' '.join(command_line(process)[1:])}")
        process.send_signal(signal.SIGKILL)
        psutil.wait_procs([process], 10)
        show(cluster)
    with cluster.step("cops resume on another machine, with an MLflow of its own"):
        elsewhere = f"--storage {cluster.rack.shared} --tracking-uri sqlite:///mlflow.db"
        resume = f"cops resume quickstart {CONDUCT} --trials 12"
        printed = cluster.ssh(cluster.rack.machines["worker2"], f"{resume} {elsewhere} --home mine")
        assert "12 of 12 trials" in printed
    with cluster.step("cops resume on the head again: nothing is left to run, MLflow is filled in"):
        assert "nothing is left to run" in cluster.on_head(f"{resume} | cat")
        check_complete(cluster, 12)


def test_down_leaves_nothing_behind_and_loses_nothing(cluster):
    kept = {path: path.read_bytes() for path in cluster.rack.shared.glob("*/trials/*.json")}
    known = runs(cluster)
    with cluster.step("ray down"):
        cluster.on_head("cops serve --stop")
        cluster.ray("down", "-y", cluster.config)
        running = [machine for machine in machines(cluster) if machine.process is not None]
        for machine in running[1:]:
            cluster.ssh(machine, "ray stop")
        left = [process for machine in running for process in machine.processes() if not is_sshd(process)]
        # The autoscaler, too, leaves ssh processes behind for ten seconds.
        _, alive = psutil.wait_procs(left, 30)
        assert [command_line(process) for process in alive] == []
    assert {path: path.read_bytes() for path in cluster.rack.shared.glob("*/trials/*.json")} == kept
    for name, machine in cluster.rack.machines.items():
        machine.switch_off()
        cluster.rack.switch_on(name)
    with cluster.step("ray up with machines that know nothing"):
        cluster.up()
        assert sorted(runs(cluster)) == sorted(known)
        cluster.say(f"MLflow's database is restored from its backup: {len(known)} runs")
