"""Examples at the end of each command's help. A test parses all of them."""

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "cops": (
        "cops launch quickstart",
        "cops status quickstart",
        "cops ui",
    ),
    "launch": (
        "cops launch quickstart --trials 10 --epochs 3",
        "cops launch my_space.py --rates 0.95,0.99 --seeds 3",
        "cops launch fashion_mnist --objective smallest --keep 0.99",
        "cops launch quickstart --model timm/test_resnet --lr 0.05 --name tiny",
        "cops launch score_pairs --dry-run",
    ),
    "resume": (
        "cops resume quickstart",
        "cops resume quickstart --trials 40",
        "cops resume quickstart --retry",
    ),
    "status": (
        "cops status",
        "cops status quickstart --logs",
        "cops status quickstart --json",
    ),
    "stop": ("cops stop quickstart",),
    "report": ("cops report quickstart", "cops report quickstart --out quickstart-report"),
    "compare": (
        "cops compare quickstart other",
        "cops compare 'quickstart:freeze snip' 'quickstart:prune snip'",
    ),
    "show": ("cops show quickstart/12", "cops show 0123456789abcdef0123456789abcdef"),
    "ablate": (
        "cops ablate quickstart/12",
        "cops ablate quickstart/12 --seeds 10 --name more-seeds",
        "cops ablate quickstart/12 --dry-run",
    ),
    "export": ("cops export quickstart --format csv", "cops export quickstart --format optuna"),
    "import": (
        "cops import quickstart.optuna.db --home other-home",
        "cops import other.db --space quickstart --name again --best 5",
    ),
    "close": ("cops close quickstart --top 1",),
    "experiment": (
        "cops experiment headline",
        "cops experiment iterated_snip --rates 0.99,0.995 --seeds 10",
    ),
    "table": (
        "cops table",
        "cops table freezenet_lenet_5_caffe_mnist --dry-run",
        "cops table freezenet_lenet_300_100_fashion_mnist --epochs 5 --seeds 3",
        "cops table cops_vgg16_cifar10 --recorded",
    ),
    "replay": ("cops replay 0123456789abcdef0123456789abcdef",),
    "unpack": (
        "cops unpack 00000-ef6024641a67edb1.safetensors",
        "cops unpack 0123456789abcdef0123456789abcdef --out network.safetensors",
    ),
    "spaces": ("cops spaces", "cops spaces --plugin my_scores.py"),
    "models": ("cops models", "cops models torchvision/", "cops models timm/vit_tiny"),
    "datasets": ("cops datasets", "cops datasets --data-root data"),
    "scores": (
        "cops scores --list",
        "cops scores --model lenet_300_100 --dataset digits",
        "cops scores --score snip --score synflow --density 0.01",
    ),
    "check": (
        "cops check",
        "cops check --plugin my_scores.py",
        "cops check my_space.py --plugin my_scores.py",
        "cops check --address auto --storage s3://bucket/studies",
    ),
    "ui": ("cops ui", "cops ui --home other-home --port 5001"),
    "serve": ("cops serve --detach", "cops serve --stop"),
}


def epilog(command: str) -> str | None:
    """The examples of a command as text for its help; None if there are none."""
    lines = EXAMPLES.get(command, ())
    return "\n".join([f"Example{'s' if len(lines) > 1 else ''}:", *lines]) if lines else None
