"""Other people's trainers: the same losses as a loop by hand, checkpoints that resume, no half match."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import cops_core as cops

STEPS = 6
pytestmark = pytest.mark.slow


def tokens():
    """The same four rows in each step, so that the loss falls."""
    return torch.randint(3, 99, (4, 12), generator=torch.Generator().manual_seed(3)).repeat(STEPS, 1)


def language_model(tied_mask=False, decay=False, density=0.1):
    """A GPT-2, masked; `tied_mask` masks its embedding, too, which is its last layer."""
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()
    sizes = {"vocab_size": 99, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
    dropout = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    special = {"bos_token_id": 0, "eos_token_id": 1}
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes, **dropout, **special))
    cops.initialize(model, seed=7)
    include = [nn.Embedding, "*c_*"] if tied_mask else None
    batch = {"input_ids": tokens()[:4], "labels": tokens()[:4]}
    mask = cops.select(
        model, batch, target="snip", density=density, include=include, loss=lambda m, b: m(**b).loss
    )
    return cops.freeze(model, mask, decay=decay)


@pytest.fixture
def trainer(tmp_path, monkeypatch):
    """`trainer(model, steps=STEPS)`: one of transformers that notes its losses."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")

    class Noting(transformers.Trainer):
        def compute_loss(self, model, inputs, return_outputs=False, **rest):
            loss = super().compute_loss(model, inputs, False, **rest)
            self.losses.append(loss.item())
            return loss

        def _get_train_sampler(self, *_):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    def make(model, steps=STEPS):
        arguments = transformers.TrainingArguments(
            str(tmp_path / "run"),
            max_steps=steps,
            per_device_train_batch_size=4,
            learning_rate=0.01,
            weight_decay=0.1,
            lr_scheduler_type="constant",
            optim="adamw_torch",
            save_steps=3,
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        )
        rows = [{"input_ids": row, "labels": row} for row in tokens()]
        made = Noting(model=model, args=arguments, train_dataset=rows)
        made.losses = []
        made.model_accepts_loss_kwargs = False  # the mean of what it predicts, not over all tokens
        return made

    return make


def by_hand(model, trainer, steps=STEPS):
    """The losses of a loop as it is written by hand, with AdamW and weight decay for the same parameters."""
    decayed = set(trainer.get_decay_parameter_names(model))
    named = list(model.named_parameters())
    groups = [
        {"params": [parameter for name, parameter in named if name in decayed], "weight_decay": 0.1},
        {"params": [parameter for name, parameter in named if name not in decayed], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.01)
    losses = []
    for rows in tokens().split(4)[:steps]:
        optimizer.zero_grad()
        loss = model(input_ids=rows, labels=rows).loss
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("decay", [False, True])
def test_transformers_trainer(trainer, decay):
    theirs, ours = language_model(decay=decay), language_model(decay=decay)
    training = trainer(theirs)
    training.train()
    assert training.losses == by_hand(ours.train(), training)
    assert training.losses[-1] < training.losses[0]
    assert cops.audit(theirs) == cops.audit(ours) > 0
    values = [name for name, _ in theirs.named_parameters() if "parametrizations" in name]
    assert values
    assert set(values) <= set(training.get_decay_parameter_names(theirs))
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, theirs.state_dict()[name]), name


@pytest.mark.parametrize("decay", [False, True])
def test_transformers_trainer_resumes(trainer, tmp_path, decay):
    whole = trainer(language_model(decay=decay))
    whole.train()
    trainer(language_model(decay=decay), steps=3).train()
    resumed = trainer(language_model(decay=decay))
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-3"))
    assert resumed.losses == whole.losses[3:]
    other = trainer(language_model(decay=decay, density=0.2))
    with pytest.raises(RuntimeError, match="another mask"):
        other.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-3"))


@pytest.mark.parametrize("decay", [False, True])
@pytest.mark.parametrize("tied_mask", [False, True])
def test_a_pretrained_model_does_not_match_by_half(tmp_path, decay, tied_mask):
    model = language_model(tied_mask, decay)
    model.save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="mismatched"):
        type(model).from_pretrained(tmp_path)
    logits = model.eval()(tokens()).logits
    cops.materialize(model).save_pretrained(tmp_path)
    assert torch.equal(type(model).from_pretrained(tmp_path)(tokens()).logits, logits)


def network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 600), nn.BatchNorm1d(600), nn.ReLU(), nn.Linear(600, 5))
    return model


def masked(density=0.05):
    model = network()
    cops.initialize(model, seed=7)
    mask = cops.select(model, batches()[0], target="snip", density=density)
    return cops.freeze(model, mask, decay=True)


def batches():
    generator = torch.Generator().manual_seed(4)
    return [(torch.randn(16, 20, generator=generator), torch.arange(16) % 5) for _ in range(STEPS // 2)]


@pytest.fixture
def lightning(tmp_path):
    """The class of a module, and `fit(module, epochs, checkpoint)`, which returns a trainer."""
    package = pytest.importorskip("pytorch_lightning")

    class Module(package.LightningModule):
        def __init__(self, model=None):
            super().__init__()
            self.model = network() if model is None else model
            self.losses = []

        def training_step(self, batch, _):
            loss = functional.cross_entropy(self.model(batch[0]), batch[1])
            self.losses.append(loss.item())
            return loss

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=0.003, weight_decay=0.1)

    def fit(module, epochs=2, checkpoint=None):
        trainer = package.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        loader = torch.utils.data.DataLoader(batches(), batch_size=None)
        trainer.fit(module, loader, ckpt_path=checkpoint)
        return trainer

    return Module, fit


def test_lightning(lightning):
    module_class, fit = lightning
    module, ours = module_class(masked()), masked()
    fit(module)
    optimizer = torch.optim.AdamW(ours.parameters(), lr=0.003, weight_decay=0.1)
    losses = []
    for inputs, labels in batches() * 2:
        optimizer.zero_grad()
        loss = functional.cross_entropy(ours(inputs), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert module.losses == losses
    assert losses[-1] < losses[0]
    assert cops.audit(module) == cops.audit(ours) > 0


def test_lightnings_checkpoints(lightning, tmp_path):
    module_class, fit = lightning
    whole = module_class(masked())
    fit(whole)
    path = tmp_path / "half.ckpt"
    fit(module_class(masked()), epochs=1).save_checkpoint(path)

    loaded = module_class.load_from_checkpoint(path, model=masked())
    assert cops.audit(loaded) > 0
    resumed = module_class(masked())
    fit(resumed, checkpoint=path)
    assert resumed.losses == whole.losses[3:]
    for strict in (True, False):
        with pytest.raises(RuntimeError, match="size mismatch"):
            module_class.load_from_checkpoint(path, strict=strict)
        with pytest.raises(RuntimeError, match="another mask"):
            module_class.load_from_checkpoint(path, model=masked(0.1), strict=strict)
