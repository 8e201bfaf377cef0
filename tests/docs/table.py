"""How each command and each Python block of the documentation is checked. What is in no list fails.

A page's commands run in the order of the page, in a folder and a home of the page's own. Python blocks
that name a file in their first line are written to it beforehand; the others run in one namespace.
"""

from dataclasses import dataclass
from typing import Literal

Tier = Literal["quick", "slow", "fashion"]


@dataclass(frozen=True)
class Run:
    """Really run. more: flags that make it short. code: the exit code. tier: where it runs."""

    tier: Tier = "quick"
    more: str = ""
    code: int = 0


@dataclass(frozen=True)
class Serve:
    """Really run until its port answers, then ended by Ctrl-C."""

    tier: Tier = "slow"


@dataclass(frozen=True)
class Parse:
    """Its program's own parser takes its words (`parsing.py`). why: it is not run."""

    why: str


@dataclass(frozen=True)
class Ci:
    """A line of .ci/run or .ci/check, which CI runs as it stands."""


@dataclass(frozen=True)
class Shell:
    """Nothing of this project, and no parser at hand. why: it is not run."""

    why: str


Check = Run | Serve | Parse | Ci | Shell

LONG = Parse("takes several minutes or more")
CLUSTER = Parse("needs a cluster; tests/cluster runs these programs")
ACCOUNT = Parse("needs an account")
INSTALL = Shell("tests/environments installs from nothing")
OF_LONG = Parse("needs the study of a command that takes long")
PART = Parse("runs tests, as CI does")
NAMED = Parse("tests/study/run/test_named_networks.py runs it, shorter")
OWN_STUDY = Parse("SPACE stands for the reader's own")
SHORT = "--trials 8 --epochs 1"
ONCE = "--epochs 1"

COMMANDS: dict[str, dict[str, Check]] = {
    "README.md": {
        "pip install uv": Ci(),
        "uv run cops launch quickstart": Run("slow", SHORT),
        "uv run pytest": Ci(),
        "uv run cops show quickstart/4": Run("slow"),
        "uv run cops report quickstart": Run("slow"),
        "uv run cops ui": Serve(),
        "uv run cops launch quickstart --objective smallest --keep 0.98 --name smallest": Run("slow", SHORT),
        "uv run cops close quickstart": Run("slow"),
    },
    "CONTRIBUTING.md": {
        "uv run pytest tests/docs": PART,
        "python3 -m venv ~/cops-dev": INSTALL,
        "echo 'export UV_PROJECT_ENVIRONMENT=$VIRTUAL_ENV UV_NO_SYNC=1' >> ~/cops-dev/bin/activate": INSTALL,
        ". ~/cops-dev/bin/activate": INSTALL,
        "pip install --upgrade pip uv": INSTALL,
        "pip install -c constraints.txt -e . --group dev": INSTALL,
        "uv run pytest tests/study/records": PART,
        "uv run pytest tests/cops_core": PART,
        ".ci/check tests/study/records": PART,
        ".ci/check": Ci(),
        "uv run ruff check --fix .": Parse("changes files"),
        "uv run ruff format .": Parse("changes files"),
        "uv tool install pre-commit": Shell("installs a program"),
        "pre-commit install --hook-type pre-commit --hook-type pre-push": Shell("changes the clone's hooks"),
        'uv run pytest -m "fashion and not slow"': Ci(),
        'uv run pytest -m "browser and not slow"': Ci(),
        'uv run pytest -m "slow and not gpu"': Ci(),
        "uv run pytest -m gpu -n 0": Ci(),
        "uv run python tests/benchmarks/step_speed.py --help": Parse(
            "tests/benchmarks asks each for its help"
        ),
        "uv run python tests/benchmarks/all.py": LONG,
        "uv run python tests/benchmarks/all.py --only step_speed": Parse("writes a page"),
        "uv run python tests/benchmarks/gpu.py --minutes 8": Parse("needs a GPU"),
        "uv run python tests/benchmarks/gpu.py --device cpu": Parse("tests/benchmarks runs it"),
        "uv build --wheel": INSTALL,
        "python3 -m venv ~/cops-release": INSTALL,
        "~/cops-release/bin/pip install -c constraints.txt dist/cops_study-*.whl": INSTALL,
        "cd ~": INSTALL,
        "cops-release/bin/cops launch quickstart": INSTALL,
    },
    "docs/artifact.md": {},
    "docs/cluster.md": {
        "ray up cluster.yaml": CLUSTER,
        'ray exec cluster.yaml "ray job submit --no-wait -- cops launch fashion_mnist --address auto'
        ' --gpus-per-trial auto --concurrency 16"': CLUSTER,
        'ray exec cluster.yaml "cops status fashion_mnist"': CLUSTER,
        "ray down cluster.yaml": CLUSTER,
        "ray get-auth-token --generate > /dev/null": CLUSTER,
        "BUCKET=my-bucket REGION=us-east-1": Shell("sets variables"),
        'aws s3 mb "s3://$BUCKET" --region "$REGION"': ACCOUNT,
        'aws s3api put-public-access-block --bucket "$BUCKET" --public-access-block-configuration'
        " BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,"
        "RestrictPublicBuckets=true": ACCOUNT,
        'sed "s/BUCKET/$BUCKET/" docs/cluster/aws-bucket.json > aws-bucket.json': Shell(
            "tests/cluster/test_aws.py does the same in Python"
        ),
        "for role in cops-head cops-worker; do": Shell("the loop around the next four"),
        "aws iam create-role --role-name $role --assume-role-policy-document"
        " file://docs/cluster/aws-trust.json": ACCOUNT,
        "aws iam put-role-policy --role-name $role --policy-name bucket --policy-document"
        " file://aws-bucket.json": ACCOUNT,
        "aws iam create-instance-profile --instance-profile-name $role": ACCOUNT,
        "aws iam add-role-to-instance-profile --instance-profile-name $role --role-name $role": ACCOUNT,
        "done": Shell("the loop's end"),
        "aws iam put-role-policy --role-name cops-head --policy-name head --policy-document"
        " file://docs/cluster/aws-head.json": ACCOUNT,
        "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com": ACCOUNT,
        'aws ec2 create-security-group --group-name cops-mine --description "COPS Study"': ACCOUNT,
        "aws ec2 authorize-security-group-ingress --group-name cops-mine --protocol tcp --port 22"
        " --cidr MY.ADDRESS/32": ACCOUNT,
        "aws ec2 authorize-security-group-ingress --group-name cops-mine --protocol all"
        " --source-group cops-mine": ACCOUNT,
        "ray up docs/cluster/on-prem.yaml": CLUSTER,
        "kubectl apply -f docs/cluster/kuberay.yaml": CLUSTER,
        "kubectl exec HEAD_POD -c ray-head -- ray job submit --no-wait -- cops launch fashion_mnist"
        " --address auto --gpus-per-trial auto --concurrency 16": CLUSTER,
        "kubectl port-forward HEAD_POD 5000 8265": CLUSTER,
        "kubectl delete -f docs/cluster/kuberay.yaml": CLUSTER,
        "sbatch docs/cluster/slurm.sh fashion_mnist --gpus-per-trial auto": CLUSTER,
    },
    "docs/ablations.md": {
        "cops launch quickstart --trials 7": Run("slow", ONCE),
        "cops ablate quickstart/5 --seeds 5 --dry-run": Run("slow"),
        "cops ablate quickstart/5 --seeds 5": Run("slow", "--seeds 2"),
    },
    "docs/compare.md": {
        "cops launch quickstart --objective compare --dry-run": Run("slow"),
        "cops launch quickstart --objective compare --rates 0.99 --name which": LONG,
        "cops launch four_methods.py --objective compare --rates 0.9,0.99 --judging-seeds 5": Run(
            "slow", "--per-method 1 --epochs 1"
        ),
        "cops status four_methods": Run("slow"),
        "cops report four_methods": Run("slow"),
    },
    "docs/extending.md": {
        "cops check --plugin my_plugin": Run("slow"),
        "cops launch stripes --plugin my_plugin": Run("slow", SHORT),
    },
    "docs/mlflow.md": {
        "cops serve --home ~/cops-home --storage s3://bucket/dir --detach": ACCOUNT,
        "cops launch SPACE --address auto --storage s3://bucket/dir"
        " --tracking-uri http://127.0.0.1:5000": OWN_STUDY,
        "cops serve --home ~/cops-home --stop": ACCOUNT,
        "pip install psycopg2-binary 'mlflow[auth]'": Shell("needs a database of its own"),
        "export MLFLOW_BACKEND_STORE_URI=postgresql://mlflow:PASSWORD@db.example.org/mlflow": Shell(
            "sets variables"
        ),
        "export MLFLOW_FLASK_SERVER_SECRET_KEY=... MLFLOW_AUTH_ADMIN_PASSWORD=...": Shell("sets variables"),
        'mlflow db upgrade "$MLFLOW_BACKEND_STORE_URI"': Parse("needs a database of its own"),
        "mlflow server --host 127.0.0.1 --port 5000 --app-name basic-auth"
        " --artifacts-destination s3://bucket/mlflow"
        " --allowed-hosts mlflow.example.org,localhost:*": Parse("needs a database of its own"),
        "export MLFLOW_TRACKING_USERNAME=... MLFLOW_TRACKING_PASSWORD=...": Shell("sets variables"),
        "export MLFLOW_TRACKING_SERVER_CERT_PATH=/etc/ssl/our-ca.pem": Shell("sets variables"),
        "cops launch SPACE --tracking-uri https://mlflow.example.org": OWN_STUDY,
    },
    "docs/presets.md": {
        "cops table": Run(),
        "cops table freezenet_lenet_300_100_fashion_mnist": LONG,
        "cops table freezenet_lenet_300_100_fashion_mnist --dry-run": Run("slow"),
        "cops table freezenet_lenet_300_100_fashion_mnist --epochs 5 --seeds 3": LONG,
        "cops table freezenet_lenet_300_100_fashion_mnist --epochs 5 --seeds 3 --recorded": Run("slow"),
    },
    "docs/report.md": {
        "cops report quickstart": Run("slow"),
        "cops report quickstart --out for_print": Run("slow"),
    },
    "docs/results.md": {
        "uv run cops experiment headline": LONG,
        "uv run cops launch pairs.py --objective compare --rates 0.99 --data-root mnist": LONG,
        "uv run cops launch survey --stopping none": LONG,
        "uv run cops launch two.py --sampler grid": LONG,
        "uv run cops ablate two/0 --seeds 5": LONG,
        "uv run cops ablate two/1 --seeds 5": LONG,
        "uv run cops table freezenet_lenet_300_100_fashion_mnist --epochs 5": LONG,
        "uv run cops table freezenet_lenet_5_caffe_fashion_mnist --epochs 2 --seeds 3": LONG,
        "uv run cops table cops_lenet_300_100_fashion_mnist --epochs 5 --seeds 3": LONG,
        "uv run cops table cops_lenet_5_caffe_fashion_mnist --epochs 1 --seeds 2"
        " --rates 0.9,0.99,0.995,0.999": LONG,
        "uv run cops experiment iterated_snip": LONG,
        "uv run cops launch gss --rates 0.99,0.998 --trials 260 --epochs 3 --sampler random"
        " --stopping none": LONG,
        "uv run cops report gss": OF_LONG,
        "uv run cops launch fashion_mnist --rates 0.9,0.97,0.99,0.995,0.999 --trials 150 --seeds 3"
        " --no-racing --stopping none": LONG,
        "uv run cops close fashion_mnist": OF_LONG,
        "uv run cops report fashion_mnist": OF_LONG,
    },
    "docs/scores.md": {
        "uv run cops scores": Run("slow"),
        "uv run cops scores --model lenet_5_caffe --dataset fashion_mnist --density 0.01": Run("fashion"),
        "uv run cops scores --score snip --score synflow --score fisher --density 0.1 --density 0.02"
        " --seed 3": Run("slow"),
    },
    "docs/studies.md": {
        "cops launch fashion_mnist --model resnet20 --name small": LONG,
        "cops launch quickstart --model timm/test_resnet --lr 0.05 --epochs 10 --name tiny": NAMED,
        "cops launch quickstart": Run("slow", SHORT),
        "cops resume quickstart": Run("slow"),
        "cops resume quickstart --trials 40": Run("slow", "--trials 14"),
        "cops resume quickstart --retry": Run("slow"),
        'cops launch quickstart --json | jq -r \'select(.event == "ended") | [.title, .status,'
        " .validation_accuracy] | @tsv'": Run("slow", SHORT),
        "cops launch quickstart --name other --sampler random": Run("slow", SHORT),
        "cops compare quickstart other": Run("slow"),
        'cops compare "quickstart:freeze snip" quickstart': Run("slow"),
        "cops show quickstart/12": Run("slow"),
        "cops export quickstart --format csv": Run("slow"),
        "cops export quickstart --format optuna": Run("slow"),
        "cops import quickstart.optuna.db --home elsewhere": Run("slow"),
        'cops import quickstart.optuna.db --study "quickstart 0.99" --space quickstart --name again'
        " --best 5": Run("slow"),
        "cops --help": Run("slow"),
        "cops launch --help": Run("slow"),
        "cops --install-completion": Parse("writes into the start file of the shell above it"),
    },
    "docs/trainers.md": {
        "cops check --plugin characters": Parse("tests/study/test_trainers.py runs it"),
        "cops launch characters --plugin characters --rates 0.9,0.95,0.99 --trials 7": Parse("the same test"),
        "cops close characters --plugin characters": Parse("the same test"),
    },
    "docs/training.md": {
        "cops check adamw.py": Run("slow"),
        "cops launch adamw.py": Run("slow", SHORT),
    },
    "docs/tutorial.md": {
        "python3 -m venv ~/cops-venv": INSTALL,
        ". ~/cops-venv/bin/activate": INSTALL,
        "pip install -c constraints.txt -e .": INSTALL,
        "mkdir ~/first-studies": INSTALL,
        "cd ~/first-studies": INSTALL,
        "cops launch quickstart": Run("slow", SHORT),
        "cops status quickstart": Run("slow"),
        "cops show quickstart/4": Run("slow"),
        "cops report quickstart": Run("slow"),
        "cops ui": Serve(),
        "cops launch quickstart --rates 0.9,0.99 --trials 16 --name two_rates": Run("slow", SHORT),
        "cops launch quickstart --objective pareto --trials 16 --name pareto": Run("slow", SHORT),
        "cops launch quickstart --objective smallest --keep 0.95 --trials 16 --name smallest": Run(
            "slow", SHORT
        ),
        "cops launch quickstart --rates 0.99 --trials 10 --seeds 3 --name seeds": Run(
            "slow", "--trials 5 --epochs 1"
        ),
        "cops launch my_space.py --dry-run": Run("slow"),
        "cops launch my_space.py": Run("slow", ONCE),
        "cops check --plugin my_score.py": Run("slow"),
        "cops launch both.py --plugin my_score.py --stopping none --seeds 3": Run("slow", ONCE),
        "cops close both --plugin my_score.py": Run("slow"),
        'cops compare "both:freeze snip" "both:freeze right_logit" --plugin my_score.py': Run("slow"),
        "cops export quickstart --format parquet": Run("slow"),
    },
}

# What a page's reader has done before. Only where the page has something that runs.
BEFORE = {"docs/report.md": f"cops launch quickstart {SHORT}"}


@dataclass(frozen=True)
class Python:
    """A block that runs, or is written to the file that it names. before: what the page says in words."""

    tier: Tier = "quick"
    before: str = ""


FILE = Python()

RAW = "images = (255 * images).byte()\n"
# What a reader of artifact.md and freezing.md has at hand: a network, its mask, a batch.
AT_HAND = """
import torch
from pathlib import Path
from torch.nn.functional import cross_entropy
from cops_core.artifact import ArtifactHeader
from cops_core.freeze_net import FROZEN, FreezeNet
from cops_core.initialization import initialize
from cops_core.mask import Mask
from cops_core.models import build_model
model = build_model("lenet_300_100", (1, 8, 8), 10)
theta0 = initialize(model, seed=0)
weights = {name: p for name, p in model.named_parameters() if p.ndim > 1}
mask = Mask({name: torch.arange(p.numel()).reshape(p.shape) % 10 == 0 for name, p in weights.items()})
images, labels = torch.rand(20, 1, 8, 8), torch.arange(20) % 10
"""
NETWORK = """
network = FreezeNet(model, mask, FROZEN)
path = Path("network.safetensors")
header = ArtifactHeader(
    model="lenet_300_100", shape=(1, 8, 8), classes=10, initialization="xavier_normal", seed=0, arm="freeze",
    density="0.1", mean=(0.0,), deviation=(1.0,), theta0_sha256=theta0, mask_sha256=mask.sha256(),
    data_sha256="0" * 64, extensions={},
)
"""

PYTHON: dict[str, list[Python]] = {
    "README.md": [Python(), Python()],
    "docs/artifact.md": [Python(before=AT_HAND + NETWORK + RAW)],
    "docs/compare.md": [FILE],
    "docs/extending.md": [FILE] * 6,
    "docs/freezing.md": [Python(before=AT_HAND)],
    "docs/library.md": [Python(), Python()],
    "docs/results.md": [FILE, FILE],
    "docs/scores.md": [Python("slow")],
    "docs/selection.md": [
        Python(
            before="from cops_core.config import Control, Floor, Regrow, Selection\n"
            "from cops_core.scores import Member"
        ),
        Python(),
        Python(before="from cops_core.config import Selection"),
    ],
    "docs/studies.md": [Python("slow")],
    "docs/trainers.md": [FILE],
    "docs/training.md": [FILE],
    "docs/tutorial.md": [FILE, FILE, FILE, Python("slow")],
}
