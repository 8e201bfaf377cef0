"""Models of other packages, small ones: each with a batch, and with a loss where it needs one of its own.

No weights are loaded. `MODELS` has them by name, "package/model".
"""

import copy
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import timm
import torch
import torchvision
import transformers
from torch import Tensor, nn
from torch.nn import functional

from ...contracts.odd_networks import ODD
from .. import networks

CLASSES = 10


@dataclass(frozen=True)
class Tried:
    """A model that is tried.

    Attributes:
        make: Builds it; its values are torch's generator's.
        batch: What its loss takes.
        loss: See `cops.select`; None for the cross-entropy of (inputs, labels).
        sample_losses: The same.
        example: The same.
    """

    make: Callable[[], nn.Module]
    batch: Any
    loss: Callable[[nn.Module, Any], Tensor] | None = None
    sample_losses: Callable[[nn.Module, Any], Tensor] | None = None
    example: Any = None

    def build(self) -> nn.Module:
        """The model, with the same values at each call, in train mode."""
        with torch.random.fork_rng():
            torch.manual_seed(5)
            return self.make().train()

    def loss_of(self, model: nn.Module) -> Tensor:
        """The loss of the batch, as the model is trained with it."""
        batch = copy.deepcopy(self.batch)  # a model may change its inputs in place
        if self.loss is not None:
            return self.loss(model, batch)
        inputs, labels = batch
        return functional.cross_entropy(model(inputs), labels)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def pair(*shape: int) -> tuple[Tensor, Tensor]:
    """Inputs with labels; the first dimension is the batch."""
    return noise(*shape), torch.arange(shape[0]) % CLASSES


TIMM: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    # name: (image size, other arguments)
    "resnet18": (32, {}),
    "resnet26d": (32, {"zero_init_last": False, "layers": (1, 1, 1, 1)}),
    "resnetv2_50": (32, {"layers": (1, 1, 1, 1)}),
    "seresnet18": (32, {"layers": (1, 1, 1, 1), "zero_init_last": False}),
    "regnetx_002": (32, {"zero_init_last": False}),
    "regnety_002": (32, {}),
    "efficientnet_b0": (32, {}),
    "tf_efficientnetv2_b0": (32, {}),
    "mobilenetv3_small_050": (32, {}),
    "mobilenetv3_large_075": (32, {}),
    "mobilenetv4_conv_small_050": (32, {}),
    "mnasnet_050": (32, {}),
    "ghostnet_050": (32, {}),
    "densenet121": (32, {"growth_rate": 8}),
    "dla46_c": (64, {}),
    "dpn48b": (32, {}),
    "repvgg_a0": (32, {}),
    "nf_regnet_b0": (32, {}),
    "convnext_atto": (32, {}),
    "convnextv2_atto": (32, {}),
    "edgenext_xx_small": (64, {}),
    "vit_tiny_patch16_224": (32, {"img_size": 32, "patch_size": 8, "depth": 3}),
    "vit_small_patch14_dinov2": (28, {"img_size": 28, "embed_dim": 96, "depth": 3, "num_heads": 3}),
    "deit_tiny_patch16_224": (32, {"img_size": 32, "patch_size": 8, "depth": 3}),
    "cait_xxs24_224": (32, {"img_size": 32, "patch_size": 8, "depth": 2}),
    "beit_base_patch16_224": (
        32,
        {"img_size": 32, "patch_size": 8, "embed_dim": 96, "depth": 3, "num_heads": 3},
    ),
    "swin_tiny_patch4_window7_224": (
        32,
        {"img_size": 32, "window_size": 4, "embed_dim": 32, "depths": (1, 1, 2), "num_heads": (1, 2, 4)},
    ),
    "swinv2_tiny_window8_256": (
        32,
        {"img_size": 32, "window_size": 4, "embed_dim": 32, "depths": (1, 1, 2), "num_heads": (1, 2, 4)},
    ),
    "poolformer_s12": (32, {}),
    "mobilevit_xxs": (64, {}),
    "levit_128s": (64, {"img_size": 64}),
    "pit_ti_224": (64, {"img_size": 64}),
    "eva02_tiny_patch14_224": (28, {"img_size": 28, "depth": 2}),
}


def timm_models() -> Iterator[tuple[str, Tried]]:
    for name, (size, arguments) in TIMM.items():
        make = partial(timm.create_model, name, pretrained=False, num_classes=CLASSES, **arguments)
        yield f"timm/{name}", Tried(make, pair(4, 3, size, size))
    mixers = timm.models.mlp_mixer
    for name, block, ratio in (
        ("mixer_s32_224", mixers.MixerBlock, (0.5, 4.0)),
        ("resmlp_12_224", mixers.ResBlock, 4),
    ):
        make = partial(
            mixers.MlpMixer,
            num_classes=CLASSES,
            img_size=32,
            patch_size=8,
            num_blocks=2,
            embed_dim=96,
            block_layer=block,
            mlp_ratio=ratio,
        )
        yield f"timm/{name} (small)", Tried(make, pair(4, 3, 32, 32))


def main_output(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """The loss of models with a second, auxiliary output in train mode."""
    output = model(batch[0])
    first = output if isinstance(output, Tensor) else output[0]
    return functional.cross_entropy(first, batch[1])


def main_output_samples(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    output = model(batch[0])
    first = output if isinstance(output, Tensor) else output[0]
    return functional.cross_entropy(first, batch[1], reduction="none")


def segmentation(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return functional.cross_entropy(model(batch[0])["out"], batch[1])


def segmentation_samples(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return functional.cross_entropy(model(batch[0])["out"], batch[1], reduction="none").mean((1, 2))


def small_head(name: str, width: int) -> nn.Module:
    """A model with a linear layer as its head: the original one has most of the weights, for 224 x 224."""
    model: nn.Module = getattr(torchvision.models, name)(weights=None, num_classes=CLASSES)
    model.avgpool = nn.AdaptiveAvgPool2d(1)
    model.classifier = nn.Linear(width, CLASSES)
    return model


models = torchvision.models
small_resnet = partial(models.ResNet, models.resnet.Bottleneck, [1, 1, 1, 1])
small_swin = partial(
    models.SwinTransformer,
    patch_size=[4, 4],
    embed_dim=32,
    depths=[1, 2],
    num_heads=[2, 4],
    window_size=[4, 4],
)
CONVNEXT = [models.convnext.CNBlockConfig(*sizes) for sizes in ((32, 64, 1), (64, None, 1))]
TORCHVISION: Mapping[str, int] = {
    "densenet121": 32,
    "efficientnet_b0": 32,
    "mnasnet0_5": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_large": 32,
    "mobilenet_v3_small": 32,
    "regnet_x_400mf": 32,
    "regnet_y_400mf": 32,
    "resnet18": 32,
    "resnet50": 32,
    "shufflenet_v2_x0_5": 32,
    "squeezenet1_1": 32,
}
# With fewer blocks or a smaller head than the model of that name: how it is made, and the input's shape.
SMALL: Mapping[str, tuple[Callable[..., nn.Module], tuple[int, ...]]] = {
    "alexnet": (partial(small_head, "alexnet", 256), (2, 3, 64, 64)),
    "convnext_tiny": (partial(models.ConvNeXt, CONVNEXT, num_classes=CLASSES), (4, 3, 32, 32)),
    "maxvit_t": (
        partial(
            models.MaxVit,
            input_size=(64, 64),
            stem_channels=16,
            partition_size=2,
            block_channels=[16, 32],
            block_layers=[1, 1],
            head_dim=8,
            stochastic_depth_prob=0.1,
            num_classes=CLASSES,
        ),
        (4, 3, 64, 64),
    ),
    "r3d_18": (
        partial(
            models.video.resnet.VideoResNet,
            models.video.resnet.BasicBlock,
            [models.video.resnet.Conv3DSimple] * 4,
            [1, 1, 1, 1],
            models.video.resnet.BasicStem,
            num_classes=CLASSES,
        ),
        (2, 3, 4, 16, 16),
    ),
    "resnext50_32x4d": (
        partial(small_resnet, groups=32, width_per_group=4, num_classes=CLASSES),
        (4, 3, 32, 32),
    ),
    "swin_t": (partial(small_swin, num_classes=CLASSES), (4, 3, 32, 32)),
    "swin_v2_t": (
        partial(
            small_swin,
            block=models.swin_transformer.SwinTransformerBlockV2,
            downsample_layer=models.swin_transformer.PatchMergingV2,
            num_classes=CLASSES,
        ),
        (4, 3, 32, 32),
    ),
    "vgg11": (partial(small_head, "vgg11", 512), (4, 3, 32, 32)),
    "vgg11_bn": (partial(small_head, "vgg11_bn", 512), (4, 3, 32, 32)),
    "vit_b_16": (
        partial(
            models.VisionTransformer,
            image_size=32,
            patch_size=8,
            num_layers=3,
            num_heads=3,
            hidden_dim=96,
            mlp_dim=192,
            num_classes=CLASSES,
        ),
        (4, 3, 32, 32),
    ),
    "wide_resnet50_2": (partial(small_resnet, width_per_group=128, num_classes=CLASSES), (4, 3, 32, 32)),
}


def torchvision_models() -> Iterator[tuple[str, Tried]]:
    for name, size in TORCHVISION.items():
        make = partial(getattr(models, name), weights=None, num_classes=CLASSES)
        yield f"torchvision/{name}", Tried(make, pair(4, 3, size, size))
    for name, (make, shape) in SMALL.items():
        yield f"torchvision/{name} (small)", Tried(make, pair(*shape))
    make = partial(models.googlenet, weights=None, num_classes=CLASSES, init_weights=False)
    yield "torchvision/googlenet", Tried(make, pair(4, 3, 64, 64), main_output, main_output_samples)
    make = partial(
        models.inception_v3, weights=None, num_classes=CLASSES, init_weights=False, aux_logits=False
    )
    yield "torchvision/inception_v3", Tried(make, pair(2, 3, 96, 96))
    make = partial(
        models.segmentation.lraspp_mobilenet_v3_large,
        weights=None,
        weights_backbone=None,
        num_classes=CLASSES,
    )
    labels = torch.arange(4 * 32 * 32).view(4, 32, 32) % CLASSES
    segments = Tried(make, (noise(4, 3, 32, 32), labels), segmentation, segmentation_samples)
    yield "torchvision/lraspp_mobilenet_v3_large", segments


def own_loss(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """The loss that the models of transformers compute."""
    loss: Tensor = model(**batch).loss
    return loss


def classes_samples(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    return functional.cross_entropy(model(**batch).logits, batch["labels"], reduction="none")


def tokens_samples(model: nn.Module, batch: Mapping[str, Tensor], shift: int = 0) -> Tensor:
    logits = model(**batch).logits
    count, length, _ = logits.shape
    logits, labels = logits[:, : length - shift], batch["labels"][:, shift:]
    losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return losses.view(count, length - shift).mean(1)


TEXT = {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
WIDE = {**TEXT, "intermediate_size": 64, "max_position_embeddings": 64}
# The classes' prefix, their end, the arguments of the configuration.
TRANSFORMERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "Bert": ("ForSequenceClassification", WIDE),
    "Roberta": ("ForMaskedLM", WIDE),
    "DistilBert": (
        "ForSequenceClassification",
        {"vocab_size": 99, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    ),
    "Albert": ("ForSequenceClassification", {**WIDE, "embedding_size": 16}),
    "Electra": ("ForSequenceClassification", {**WIDE, "embedding_size": 16}),
    "DebertaV2": ("ForSequenceClassification", WIDE),
    "GPT2": ("LMHeadModel", {"vocab_size": 99, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}),
    "GPTNeoX": ("ForCausalLM", WIDE),
    "OPT": ("ForCausalLM", {**TEXT, "ffn_dim": 64, "max_position_embeddings": 64, "word_embed_proj_dim": 32}),
    "Llama": ("ForCausalLM", {**WIDE, "num_key_value_heads": 2}),
    "Mistral": ("ForCausalLM", {**WIDE, "num_key_value_heads": 2}),
    "Qwen2": ("ForCausalLM", {**WIDE, "num_key_value_heads": 2}),
    "Mixtral": ("ForCausalLM", {**WIDE, "num_key_value_heads": 2, "num_local_experts": 4}),
    "Gemma": ("ForCausalLM", {**WIDE, "num_key_value_heads": 2, "head_dim": 8}),
    "Mamba": ("ForCausalLM", {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4}),
    "T5": (
        "ForConditionalGeneration",
        {
            "vocab_size": 99,
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 64,
            "num_layers": 2,
            "num_heads": 4,
            "decoder_start_token_id": 0,
        },
    ),
    "ViT": ("ForImageClassification", {**WIDE, "image_size": 32, "patch_size": 8, "num_labels": CLASSES}),
    "ConvNext": (
        "ForImageClassification",
        {"hidden_sizes": [16, 32], "depths": [1, 1], "num_stages": 2, "num_labels": CLASSES},
    ),
    "ResNet": (
        "ForImageClassification",
        {"embedding_size": 16, "hidden_sizes": [16, 32], "depths": [1, 1], "num_labels": CLASSES},
    ),
}


def transformer(name: str, end: str, arguments: Mapping[str, Any]) -> nn.Module:
    config = getattr(transformers, f"{name}Config")(**arguments)
    if "Classification" in end:
        config.num_labels = CLASSES
    model: nn.Module = getattr(transformers, f"{name}{end}")(config)
    return model


def transformers_models() -> Iterator[tuple[str, Tried]]:
    tokens = torch.randint(3, 99, (4, 12), generator=torch.Generator().manual_seed(3))
    labels = torch.arange(4) % CLASSES
    for name, (end, arguments) in TRANSFORMERS.items():
        samples: Callable[..., Tensor] = classes_samples
        if "Image" in end:
            batch = {"pixel_values": noise(4, 3, 32, 32), "labels": labels}
        elif "Classification" in end:
            batch = {"input_ids": tokens, "labels": labels}
        else:
            batch = {"input_ids": tokens, "labels": tokens}
            causal = end in ("LMHeadModel", "ForCausalLM")
            samples = partial(tokens_samples, shift=int(causal))
        example = {"input_ids": tokens, "decoder_input_ids": tokens} if name == "T5" else None
        make = partial(transformer, name, end, arguments)
        yield f"transformers/{name}{end}", Tried(make, batch, own_loss, samples, example)


def regression(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    return functional.mse_loss(model(*batch[:2]), batch[2])


def regression_samples(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    return functional.mse_loss(model(*batch[:2]), batch[2], reduction="none").mean(1)


# Of the networks as strangers write them, those that differ from all of the packages' models.
ODD_ONES = (
    "checkpointed_reentrant",
    "tied",
    "weight_norm",
    "buffers",
    "in_place_on_images",
    "layer_norm_by_hand",
    "data_dependent",
    "empty_layer",
    "half_layer",
    "under_autocast",
    "own_matrix",
    "rrelu",
    "transposed",
    "embedded",
    "frozen_by_author",
)


def odd_models() -> Iterator[tuple[str, Tried]]:
    for name in ODD_ONES:
        yield f"odd/{name}", Tried(partial(ODD[name], (3, 16, 16), CLASSES), pair(4, 3, 16, 16))
    yield "odd/lstm_and_cell", Tried(networks.Recurrent, (noise(4, 5, 3), torch.arange(4) % 2))
    two = (noise(4, 4), noise(4, 3), noise(4, 2))
    yield "odd/two_inputs", Tried(networks.Regression, two, regression, regression_samples, two[:2])


MODELS: Mapping[str, Tried] = dict(
    each for group in (timm_models, torchvision_models, transformers_models, odd_models) for each in group()
)
