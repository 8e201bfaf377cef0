"""cluster.yaml on a mock of EC2: what Ray's own launcher and autoscaler would make of it there.

The mock gives no machines: nothing is set up, no ssh, no driver, no spot instance taken away.
"""

import json
from pathlib import Path

import boto3
import pytest
import yaml
from moto import mock_aws
from ray.autoscaler._private import commands
from ray.autoscaler._private.aws import utils
from ray.autoscaler._private.aws.config import _get_subnets_or_die, bootstrap_aws
from ray.autoscaler._private.providers import _get_node_provider
from ray.autoscaler._private.util import prepare_config
from ray.autoscaler.tags import (
    NODE_KIND_HEAD,
    NODE_KIND_WORKER,
    TAG_RAY_CLUSTER_NAME,
    TAG_RAY_NODE_KIND,
    TAG_RAY_NODE_NAME,
)
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil

pytestmark = pytest.mark.slow  # the mock's modules alone take seconds

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "cluster"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """An account in which the roles of docs/cluster.md exist, and a home for the key."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "nobody")
        patch.delenv("AWS_PROFILE", raising=False)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        forget_what_ray_remembers()
        make_roles(boto3.client("iam"))
        yield boto3.client("ec2", region_name="us-east-1")
    forget_what_ray_remembers()


def forget_what_ray_remembers():
    """Connections and subnets of another account."""
    for cached in (utils.resource_cache, utils.client_cache, _get_subnets_or_die):
        cached.cache_clear()


def make_roles(iam):
    """What the commands in docs/cluster.md make, from the same files."""
    policies = {"worker": ("aws-bucket",), "head": ("aws-bucket", "aws-head")}
    for kind, files in policies.items():
        name = f"cops-{kind}"
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=(DOCS / "aws-trust.json").read_text())
        for file in files:
            policy = (DOCS / f"{file}.json").read_text().replace("BUCKET", "a-bucket")
            iam.put_role_policy(RoleName=name, PolicyName=file, PolicyDocument=policy)
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


class Cluster:
    """cluster.yaml as Ray's launcher has prepared it, and Ray's view of its instances."""

    def __init__(self, config):
        self.config = config
        self.provider = _get_node_provider(config["provider"], config["cluster_name"])

    def launch(self, node_type, kind, count=1):
        """As `ray up` launches a head, and the autoscaler workers; the mock gives one at a time."""
        node_config = {**self.config["available_node_types"][node_type]["node_config"]}
        if kind == NODE_KIND_HEAD:
            node_config = {**self.config["head_node"], **node_config}
        tags = {TAG_RAY_NODE_KIND: kind, TAG_RAY_NODE_NAME: f"ray-{kind}"}
        return [node for _ in range(count) for node in self.provider.create_node(node_config, dict(tags), 1)]

    def down(self):
        """As `ray down` ends what is there."""
        for kind in (NODE_KIND_HEAD, NODE_KIND_WORKER):
            self.provider.terminate_nodes(self.provider.nodes_for_teardown({TAG_RAY_NODE_KIND: kind}))


@pytest.fixture(scope="module")
def prepared(cloud):
    """cluster.yaml with all that the launcher adds: resources of the types, key, subnets, security group."""
    return commands._bootstrap_config(prepare_config(written()), no_config_cache=True)


@pytest.fixture
def cluster(prepared):
    ours = Cluster(prepared)
    yield ours
    ours.down()


def written():
    return yaml.safe_load((ROOT / "cluster.yaml").read_text())


def instances(cloud, *states):
    """All instances in these states, by id."""
    filters = [{"Name": "instance-state-name", "Values": list(states or ("pending", "running"))}]
    found = cloud.describe_instances(Filters=filters)["Reservations"]
    return {one["InstanceId"]: one for reservation in found for one in reservation["Instances"]}


def test_a_head_and_spot_workers_come_up_as_cluster_yaml_says(cloud, cluster):
    (head,) = cluster.launch("head", NODE_KIND_HEAD)
    workers = cluster.launch("gpu-1", NODE_KIND_WORKER, 2) + cluster.launch("gpu-4", NODE_KIND_WORKER)
    found = instances(cloud)
    assert set(found) == {head, *workers}
    types = {one: found[one]["InstanceType"] for one in found}
    assert types == {
        head: "m5.xlarge",
        **dict(zip(workers, ["g5.xlarge", "g5.xlarge", "g5.12xlarge"], strict=True)),
    }
    assert {one for one in found if found[one].get("InstanceLifecycle") == "spot"} == set(workers)
    profiles = {one: found[one]["IamInstanceProfile"]["Arn"].partition("/")[2] for one in found}
    assert profiles == {head: "cops-head", **dict.fromkeys(workers, "cops-worker")}
    for one in found.values():
        assert one["MetadataOptions"]["HttpTokens"] == "required"
        assert one["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
        tags = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
        assert tags[TAG_RAY_CLUSTER_NAME] == "cops-study"
        assert "ubuntu-24.04" in one["ImageId"]
    assert len(cluster.provider.non_terminated_nodes({TAG_RAY_NODE_KIND: NODE_KIND_WORKER})) == 3


def test_disks_are_encrypted_and_go_with_their_instance(cloud, cluster):
    launched = cluster.launch("head", NODE_KIND_HEAD) + cluster.launch("gpu-1", NODE_KIND_WORKER)
    disks = cloud.describe_volumes()["Volumes"]
    assert [(disk["Size"], disk["VolumeType"], disk["Encrypted"]) for disk in disks] == [
        (150, "gp3", True)
    ] * 2
    for one in instances(cloud).values():
        assert [disk["Ebs"]["DeleteOnTermination"] for disk in one["BlockDeviceMappings"]] == [True]
    cluster.provider.terminate_nodes(launched)
    assert cloud.describe_volumes()["Volumes"] == []


def test_nothing_is_open_to_the_world_but_ssh(cloud, cluster):
    cluster.launch("head", NODE_KIND_HEAD)
    cluster.launch("gpu-1", NODE_KIND_WORKER)
    groups = {group["GroupId"] for one in instances(cloud).values() for group in one["SecurityGroups"]}
    (group,) = cloud.describe_security_groups(GroupIds=sorted(groups))["SecurityGroups"]
    outside = [rule for rule in group["IpPermissions"] if not rule["UserIdGroupPairs"]]
    inside = [rule for rule in group["IpPermissions"] if rule["UserIdGroupPairs"]]
    assert [(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in outside] == [("tcp", 22, 22)]
    assert [pair["GroupId"] for rule in inside for pair in rule["UserIdGroupPairs"]] == [group["GroupId"]]
    assert all(not rule["IpRanges"] and not rule["Ipv6Ranges"] for rule in inside)


def test_a_group_of_ones_own_keeps_ssh_to_one_address(cloud):
    """As in docs/cluster.md: a group that has rules already is taken as it is."""
    vpc = cloud.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    group = cloud.create_security_group(GroupName="cops-mine", Description="mine", VpcId=vpc)["GroupId"]
    cloud.authorize_security_group_ingress(
        GroupId=group, IpProtocol="-1", SourceSecurityGroupName="cops-mine"
    )
    cloud.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="203.0.113.7/32"
    )
    before = cloud.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    config = prepare_config(written())
    config["provider"]["security_group"] = {"GroupName": "cops-mine"}
    cluster = Cluster(bootstrap_aws(config))
    cluster.launch("head", NODE_KIND_HEAD)
    (head,) = instances(cloud).values()
    assert [used["GroupId"] for used in head["SecurityGroups"]] == [group]
    after = cloud.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    assert after == before
    assert "0.0.0.0/0" not in json.dumps(after)
    cluster.down()


def test_down_leaves_nothing_that_costs(cloud, cluster):
    """Terminated, not stopped: the disk of a stopped instance goes on costing."""
    launched = {*cluster.launch("head", NODE_KIND_HEAD), *cluster.launch("gpu-1", NODE_KIND_WORKER, 3)}
    assert instances(cloud).keys() == launched
    cluster.down()
    assert instances(cloud, "pending", "running", "stopping", "stopped") == {}
    assert launched <= instances(cloud, "shutting-down", "terminated").keys()


def test_the_heads_role_may_do_all_that_rays_autoscaler_does(cluster):
    """Of the policy's actions; its conditions are beyond the mock."""
    called = set()
    for resource in (cluster.provider.ec2, cluster.provider.ec2_fail_fast):
        resource.meta.client.meta.events.register(
            "before-call.ec2", lambda model, **_: called.add(f"ec2:{model.name}")
        )
    (worker,) = cluster.launch("gpu-1", NODE_KIND_WORKER)
    assert cluster.provider.non_terminated_nodes({}) == [worker]
    assert cluster.provider.is_running(worker)
    assert cluster.provider.internal_ip(worker)
    cluster.provider.set_node_tags(worker, {"ray-node-status": "up-to-date"})
    cluster.provider.terminate_node(worker)
    statements = json.loads((DOCS / "aws-head.json").read_text())["Statement"]
    actions = [one["Action"] for one in statements]
    allowed = {name for one in actions for name in ([one] if isinstance(one, str) else one)}
    assert {"ec2:RunInstances", "ec2:CreateTags", "ec2:TerminateInstances"} <= called <= allowed


def test_the_heads_role_may_launch_the_types_of_cluster_yaml_and_no_others(cluster):
    statements = json.loads((DOCS / "aws-head.json").read_text())["Statement"]
    (launches,) = (one for one in statements if "ec2:InstanceType" in str(one.get("Condition")))
    kinds = cluster.config["available_node_types"]
    workers = {kind["node_config"]["InstanceType"] for name, kind in kinds.items() if name != "head"}
    condition = launches["Condition"]["StringEquals"]
    assert set(condition["ec2:InstanceType"]) == workers
    named = {str(one["Condition"]) for one in statements if "ray-cluster-name" in str(one.get("Condition"))}
    assert len(named) == 2
    assert all(repr(cluster.config["cluster_name"]) in condition for condition in named)


def test_rays_key_is_made_and_readable_by_its_owner_alone(cloud, cluster):
    key = Path(cluster.config["auth"]["ssh_private_key"])
    assert key.parent == Path.home() / ".ssh"
    assert key.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("waiting", "gpus", "workers"),
    [(1, 1.0, 1), (3, 1.0, 3), (16, 1.0, 4), (16, 0.5, 4), (16, 0.25, 4), (4, 0.5, 2), (4, 0.25, 1)],
)
def test_the_autoscaler_launches_what_waiting_trials_need_and_no_more(cluster, waiting, gpus, workers):
    """Tune keeps `--concurrency` trials waiting; the cap and the cheapest type are cluster.yaml's."""
    scaling = AutoscalingConfig(cluster.config, skip_content_hash=True)
    trials = [ResourceRequestUtil.make({"CPU": 1.0, "GPU": gpus})] * waiting
    request = SchedulingRequest(
        disable_launch_config_check=False,
        node_type_configs=scaling.get_node_type_configs(),
        max_num_nodes=scaling.get_max_num_nodes(),
        resource_requests=ResourceRequestUtil.group_by_count(trials),
    )
    reply = ResourceDemandScheduler(event_logger=None).schedule(request)
    assert {launch.instance_type: launch.count for launch in reply.to_launch} == {"gpu-1": workers}
