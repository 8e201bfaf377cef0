"""What docs/models.md says of models of other packages."""

import pytest

# Each differs from the others in a layer, a way to use it, or a way to be built.
SOME = (
    "timm/resnetv2_50",
    "timm/mobilenetv3_small_050",
    "timm/convnext_atto",
    "timm/vit_tiny_patch16_224",
    "timm/cait_xxs24_224",
    "timm/swin_tiny_patch4_window7_224",
    "timm/mixer_s32_224 (small)",
    "timm/eva02_tiny_patch14_224",
    "torchvision/convnext_tiny (small)",
    "torchvision/maxvit_t (small)",
    "torchvision/mnasnet0_5",
    "torchvision/regnet_x_400mf",
    "torchvision/shufflenet_v2_x0_5",
    "torchvision/swin_v2_t (small)",
    "torchvision/vit_b_16 (small)",
    "torchvision/lraspp_mobilenet_v3_large",
    "transformers/BertForSequenceClassification",
    "transformers/DebertaV2ForSequenceClassification",
    "transformers/GPT2LMHeadModel",
    "transformers/LlamaForCausalLM",
    "transformers/MixtralForCausalLM",
    "transformers/MambaForCausalLM",
    "transformers/T5ForConditionalGeneration",
    "transformers/ViTForImageClassification",
)
TINY = ("transformers/GPT2LMHeadModel", "torchvision/vit_b_16 (small)", "odd/tied")


def check(name):
    """A model's line of the table, and what it says about failures."""
    from .table import PAGE, failures, line, tried

    lines = PAGE.read_text().splitlines()
    row = tried(name)
    assert line(row) in lines
    assert [text for text in lines if text.startswith(f"- {name}: ")] == failures(row)


@pytest.mark.parametrize("name", TINY)
def test_a_tiny_model(name):
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", SOME)
def test_some_models(name):
    check(name)


@pytest.mark.slow
def test_the_page_has_all_models():
    from .other_models import MODELS
    from .table import PAGE, START

    lines = PAGE.read_text().partition(START)[2].splitlines()
    rows = [line.split(" | ")[0][2:] for line in lines if line.startswith("| ")]
    assert rows == ["model", *MODELS]
    assert {name.partition("/")[0] for name in MODELS} == {"timm", "torchvision", "transformers", "odd"}
    assert len(MODELS) >= 60
