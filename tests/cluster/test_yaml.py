"""cluster.yaml and docs/cluster/on-prem.yaml: what Ray's schema sees, and the promises that it cannot see.

Each promise is a function that asserts it, run on the real files, and on files that break it.
"""

import copy
import functools
import re
import shlex
import subprocess
import warnings
from pathlib import Path

import botocore.session
import pytest
import yaml
from botocore.exceptions import ParamValidationError
from botocore.validate import validate_parameters
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).resolve().parents[2]
FILES = {"aws": ROOT / "cluster.yaml", "on-prem": ROOT / "docs" / "cluster" / "on-prem.yaml"}
BOTH, AWS, ON_PREM = tuple(FILES), ("aws",), ("on-prem",)
COMMANDS = ("setup_commands", "head_setup_commands", "head_start_ray_commands", "worker_start_ray_commands")
STARTS = COMMANDS[2:]


def load(name):
    return yaml.safe_load(FILES[name].read_text())


def ray_start(config, commands):
    """The one command that starts Ray, and its words from `ray start` on."""
    (found,) = (command for command in config[commands] if "ray start" in command)
    return found, shlex.split(found.partition("ray start")[2])


def workers(config):
    """The types of node that are no heads, by name."""
    types = config["available_node_types"]
    return {name: kind for name, kind in types.items() if name != config["head_node_type"]}


def passes_rays_schema(config):
    try:
        validate_config(prepare_config(copy.deepcopy(config)))
    except (Exception, SystemExit) as error:
        raise AssertionError(str(error)) from None


def has_commands_that_bash_can_read(config):
    for command in (command for key in COMMANDS for command in config[key]):
        done = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def starts_ray_with_options_that_it_has(config):
    known = options_of_ray_start()
    for commands in STARTS:
        options = {word.partition("=")[0] for word in ray_start(config, commands)[1] if word.startswith("--")}
        assert options <= known, options - known


@functools.cache
def options_of_ray_start():
    """Every option that this version of Ray has."""
    with warnings.catch_warnings(action="ignore"):
        from ray.scripts.scripts import start
    return {option for parameter in start.params for option in parameter.opts}


def runs_no_trials_on_the_head(config):
    assert {"--num-cpus=0", "--num-gpus=0"} <= set(ray_start(config, "head_start_ray_commands")[1])
    if "available_node_types" in config:
        assert config["available_node_types"][config["head_node_type"]]["resources"] == {"CPU": 0}


def asks_for_a_token_at_every_port(config):
    for commands in STARTS:
        before = ray_start(config, commands)[0].partition("ray start")[0]
        assert re.match(r"export (\w+=\w+ )*RAY_AUTH_MODE=token\b", before)
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert any("RAY_AUTH_MODE=token" in command for command in config["setup_commands"])


def shows_the_dashboard_to_the_head_alone(config):
    assert "--dashboard-host=127.0.0.1" in ray_start(config, "head_start_ray_commands")[1]


def has_a_head_that_starts_the_workers(config):
    assert (
        "--autoscaling-config=~/ray_bootstrap_config.yaml" in ray_start(config, "head_start_ray_commands")[1]
    )
    assert "--address=$RAY_HEAD_IP:6379" in ray_start(config, "worker_start_ray_commands")[1]
    assert "--port=6379" in ray_start(config, "head_start_ray_commands")[1]


def ends_what_ran_before_it_starts_ray(config):
    for commands in STARTS:
        assert config[commands][0] == "ray stop"
        assert "ray start" in config[commands][-1]


def starts_mlflow_on_the_head_with_the_storage(config):
    assert 'cops serve --detach --storage "$COPS_STORAGE"' in config["head_start_ray_commands"]
    written = " ".join(config["head_setup_commands"])
    assert re.search(r"COPS_STORAGE=(s3:/)?/\S+", written)
    assert "COPS_TRACKING_URI=http://127.0.0.1:5000" in written


def installs_this_checkout_with_the_tested_versions(config):
    (install,) = (command for command in config["setup_commands"] if "uv pip install" in command)
    assert config["file_mounts"]["~/cops-study"] == "."
    assert install.startswith("cd ~/cops-study && ")
    assert "-c constraints.txt -e '.[aws]'" in install
    assert (ROOT / "constraints.txt").is_file()


def leaves_what_git_ignores_at_home(config):
    assert config["rsync_filter"] == [".gitignore"]


def has_nothing_of_rays_own_setup(config):
    assert config["worker_setup_commands"] == config["initialization_commands"] == []
    assert not any("ray-wheels" in command for key in COMMANDS for command in config[key])


def is_what_ec2_can_be_asked_for(config):
    for name, kind in config["available_node_types"].items():
        request = {**kind["node_config"], "MinCount": 1, "MaxCount": 1}
        try:
            validate_parameters(request, run_instances())
        except ParamValidationError as error:
            raise AssertionError(f"{name}: {error}") from None


@functools.cache
def run_instances():
    """The shape of EC2's RunInstances, as botocore knows it."""
    service = botocore.session.get_session().get_service_model("ec2")
    return service.operation_model("RunInstances").input_shape


def has_a_bound_on_workers(config):
    assert 1 <= config["max_workers"] <= 8
    assert all(kind["min_workers"] == 0 for kind in workers(config).values())
    assert all(kind["max_workers"] <= config["max_workers"] for kind in workers(config).values())


def ends_idle_workers(config):
    assert 1 <= config["idle_timeout_minutes"] <= 15
    assert config["provider"]["cache_stopped_nodes"] is False


def has_spot_workers_and_a_head_that_stays(config):
    kinds = config["available_node_types"]
    assert "InstanceMarketOptions" not in kinds[config["head_node_type"]]["node_config"]
    for kind in workers(config).values():
        assert kind["node_config"]["InstanceMarketOptions"] == {
            "MarketType": "spot",
            "SpotOptions": {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"},
        }


def encrypts_disks_and_removes_them(config):
    for kind in config["available_node_types"].values():
        (disk,) = kind["node_config"]["BlockDeviceMappings"]
        assert disk["DeviceName"] == "/dev/sda1"
        size = disk["Ebs"].pop("VolumeSize")
        assert 100 <= size <= 500
        assert disk["Ebs"] == {"VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
        disk["Ebs"]["VolumeSize"] = size


def gives_credentials_by_imdsv2_alone(config):
    profiles = {}
    for name, kind in config["available_node_types"].items():
        assert kind["node_config"]["MetadataOptions"] == {
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
        }
        profiles[name] = kind["node_config"]["IamInstanceProfile"]
    assert profiles.pop(config["head_node_type"]) == {"Name": "cops-head"}
    assert all(profile == {"Name": "cops-worker"} for profile in profiles.values())


def opens_no_port_but_ssh(config):
    """Ray's own group: ssh from outside, anything between its members. Whatever is said here adds to that."""
    assert "IpPermissions" not in config["provider"].get("security_group", {})
    for kind in config["available_node_types"].values():
        assert not {"SecurityGroupIds", "SecurityGroups", "NetworkInterfaces"} & kind["node_config"].keys()


def keeps_all_machines_in_the_cluster(config):
    assert config["min_workers"] == config["max_workers"] == len(config["provider"]["worker_ips"])


def says_which_addresses_ray_takes(config):
    """Where there is no default route, Ray would take 127.0.0.1."""
    start_head, words = ray_start(config, "head_start_ray_commands")
    assert f"--node-ip-address={config['provider']['head_ip']}" in words
    assert re.search(r"--node-ip-address=\$\(ip ", ray_start(config, "worker_start_ray_commands")[0])
    assert "RAY_enable_autoscaler_v2=0" in start_head.partition("ray start")[0]


PROMISES = {
    passes_rays_schema: BOTH,
    has_commands_that_bash_can_read: BOTH,
    starts_ray_with_options_that_it_has: BOTH,
    runs_no_trials_on_the_head: BOTH,
    asks_for_a_token_at_every_port: BOTH,
    shows_the_dashboard_to_the_head_alone: BOTH,
    has_a_head_that_starts_the_workers: BOTH,
    ends_what_ran_before_it_starts_ray: BOTH,
    starts_mlflow_on_the_head_with_the_storage: BOTH,
    installs_this_checkout_with_the_tested_versions: BOTH,
    leaves_what_git_ignores_at_home: BOTH,
    has_nothing_of_rays_own_setup: BOTH,
    is_what_ec2_can_be_asked_for: AWS,
    has_a_bound_on_workers: AWS,
    ends_idle_workers: AWS,
    has_spot_workers_and_a_head_that_stays: AWS,
    encrypts_disks_and_removes_them: AWS,
    gives_credentials_by_imdsv2_alone: AWS,
    opens_no_port_but_ssh: AWS,
    keeps_all_machines_in_the_cluster: ON_PREM,
    says_which_addresses_ray_takes: ON_PREM,
}

# What must be noticed: the promise that it breaks, where it is, and what is written there instead; REMOVED,
# or a pair of a piece of text and its replacement.
REMOVED = object()
GPU = "available_node_types.gpu-1"
NODE = f"{GPU}.node_config"
BROKEN = [
    (passes_rays_schema, "idle_timeout", 5),
    (passes_rays_schema, "max_workers", "many"),
    (passes_rays_schema, "head_node_type", "heart"),
    (passes_rays_schema, f"{NODE}", REMOVED),
    (has_commands_that_bash_can_read, "setup_commands.0", ("ensurepip'", "ensurepip")),
    (has_commands_that_bash_can_read, "head_start_ray_commands.-1", ("ray start", "(ray start")),
    (starts_ray_with_options_that_it_has, "head_start_ray_commands.-1", ("--num-cpus", "--num-cpu")),
    (starts_ray_with_options_that_it_has, "worker_start_ray_commands.-1", ("--address", "--adress")),
    (runs_no_trials_on_the_head, "head_start_ray_commands.-1", ("--num-cpus=0", "")),
    (runs_no_trials_on_the_head, "available_node_types.head.resources", {}),
    (asks_for_a_token_at_every_port, "head_start_ray_commands.-1", ("RAY_AUTH_MODE=token", "A=b")),
    (asks_for_a_token_at_every_port, "worker_start_ray_commands.-1", ("export RAY_AUTH_MODE=token;", "")),
    (asks_for_a_token_at_every_port, "worker_start_ray_commands.-1", ("=token", "=disabled")),
    (asks_for_a_token_at_every_port, "file_mounts", {"~/cops-study": ".", "~/.ray/auth_token": "token"}),
    (asks_for_a_token_at_every_port, "setup_commands.3", ("RAY_AUTH_MODE=token", "")),
    (shows_the_dashboard_to_the_head_alone, "head_start_ray_commands.-1", ("127.0.0.1", "0.0.0.0")),
    (has_a_head_that_starts_the_workers, "head_start_ray_commands.-1", ("--autoscaling-config", "-v")),
    (has_a_head_that_starts_the_workers, "head_start_ray_commands.-1", ("--port=6379", "--port=6380")),
    (ends_what_ran_before_it_starts_ray, "head_start_ray_commands.0", "true"),
    (starts_mlflow_on_the_head_with_the_storage, "head_start_ray_commands.1", "cops serve"),
    (starts_mlflow_on_the_head_with_the_storage, "head_setup_commands.0", "true"),
    (installs_this_checkout_with_the_tested_versions, "setup_commands.2", ("-c constraints.txt", "")),
    (installs_this_checkout_with_the_tested_versions, "file_mounts", {"~/.ray/auth_token": "~/t"}),
    (leaves_what_git_ignores_at_home, "rsync_filter", []),
    (has_nothing_of_rays_own_setup, "worker_setup_commands", REMOVED),
    (is_what_ec2_can_be_asked_for, f"{NODE}.InstanceTyp", "g5.xlarge"),
    (is_what_ec2_can_be_asked_for, f"{NODE}.IamInstanceProfile", "cops-worker"),
    (is_what_ec2_can_be_asked_for, f"{NODE}.BlockDeviceMappings.0.Ebs.Encrypt", True),
    (is_what_ec2_can_be_asked_for, f"{NODE}.BlockDeviceMappings.0.Ebs.VolumeSize", "150 GB"),
    (is_what_ec2_can_be_asked_for, f"{NODE}.MetadataOptions.HttpToken", "required"),
    (has_a_bound_on_workers, "max_workers", 100),
    (has_a_bound_on_workers, f"{GPU}.min_workers", 1),
    (has_a_bound_on_workers, f"{GPU}.max_workers", 50),
    (ends_idle_workers, "idle_timeout_minutes", 600),
    (ends_idle_workers, "provider.cache_stopped_nodes", True),
    (has_spot_workers_and_a_head_that_stays, f"{NODE}.InstanceMarketOptions", REMOVED),
    (has_spot_workers_and_a_head_that_stays, f"{NODE}.InstanceMarketOptions.MarketType", "capacity-block"),
    (
        has_spot_workers_and_a_head_that_stays,
        "available_node_types.head.node_config.InstanceMarketOptions",
        {"MarketType": "spot"},
    ),
    (encrypts_disks_and_removes_them, f"{NODE}.BlockDeviceMappings.0.Ebs.Encrypted", False),
    (encrypts_disks_and_removes_them, f"{NODE}.BlockDeviceMappings.0.Ebs.DeleteOnTermination", REMOVED),
    (encrypts_disks_and_removes_them, f"{NODE}.BlockDeviceMappings.0.Ebs.VolumeSize", 8),
    (gives_credentials_by_imdsv2_alone, f"{NODE}.MetadataOptions.HttpTokens", "optional"),
    (gives_credentials_by_imdsv2_alone, f"{NODE}.IamInstanceProfile.Name", "cops-head"),
    (
        opens_no_port_but_ssh,
        "provider.security_group",
        {"IpPermissions": [{"FromPort": 8265, "ToPort": 8265, "IpProtocol": "tcp"}]},
    ),
    (opens_no_port_but_ssh, f"{NODE}.SecurityGroupIds", ["sg-1"]),
    (keeps_all_machines_in_the_cluster, "min_workers", 1),
    (keeps_all_machines_in_the_cluster, "provider.worker_ips", ["192.168.1.11"]),
    (says_which_addresses_ray_takes, "provider.head_ip", "192.168.1.99"),
    (says_which_addresses_ray_takes, "worker_start_ray_commands.-1", ("--node-ip-address", "--nothing")),
    (says_which_addresses_ray_takes, "head_start_ray_commands.-1", ("autoscaler_v2=0", "autoscaler_v2=1")),
]


@pytest.mark.parametrize(
    ("promise", "name"), [(promise, name) for promise, names in PROMISES.items() for name in names]
)
def test_the_file_keeps_its_promise(promise, name):
    promise(load(name))


@pytest.mark.parametrize(("promise", "place", "wrong"), BROKEN)
def test_a_file_that_breaks_a_promise_is_noticed(promise, place, wrong):
    config = copy.deepcopy(load(PROMISES[promise][0]))  # YAML's aliases are one object: make them many
    config = yaml.safe_load(yaml.dump(config, Dumper=NoAliases))
    change(config, place, wrong)
    with pytest.raises((AssertionError, KeyError)):
        promise(config)


def test_every_promise_can_be_broken():
    assert {promise for promise, *_ in BROKEN} == set(PROMISES)


class NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data):
        return True


def change(config, place, wrong):
    """Write something else at a place, `a.b.0`."""
    *way, last = [int(step) if step.lstrip("-").isdigit() else step for step in place.split(".")]
    holder = functools.reduce(lambda part, step: part[step], way, config)
    if wrong is REMOVED:
        del holder[last]
    elif isinstance(wrong, tuple):
        before, after = wrong
        assert before in holder[last]
        holder[last] = holder[last].replace(before, after)
    else:
        holder[last] = wrong


def test_machines_of_ones_own_are_set_up_as_those_on_aws():
    aws, ours = load("aws"), load("on-prem")
    for key in (
        "setup_commands",
        "worker_setup_commands",
        "initialization_commands",
        "rsync_filter",
        "file_mounts",
    ):
        assert aws[key] == ours[key]
    assert aws["head_setup_commands"][1:] == ours["head_setup_commands"][1:]
    assert aws["head_start_ray_commands"][:2] == ours["head_start_ray_commands"][:2]
