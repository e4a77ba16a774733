"""Loading: files, overrides, derived values."""

import pytest

from config.loading import load_config
from config.schema import ConfigError
from tests.small import ROOT, TINY

BASE = ROOT / "config" / "utp_base.py"


def test_base_keeps_the_values_of_the_description():
    """utp_base.py would no longer be UTPExp at full size."""
    config = load_config(BASE)
    param = dict(config.MODEL.PARAM)
    byot = param.pop("BYOT")
    assert param.pop("quantiles") == pytest.approx(
        [0.01, *(5 * i / 100 for i in range(1, 20)), 0.99]
    )
    assert param == {
        "embed_dim": 384, "num_heads": 12, "mlp_hidden_dim": 1536, "num_layers": 12,
        "use_rope_x": True, "rope_base": 10000.0, "base_context_length": 1024,
        "use_reg_token": True, "asinh_transform": True, "max_context_length": 1024,
        "max_query_length": 64,
    }  # fmt: skip
    assert byot == {
        "ENABLED": True, "AUX_HEAD_LAYERS": [3, 7],
        "LOSS_WEIGHTS": {"loss_gt": 1.0, "loss_soft": 0.2},
    }  # fmt: skip
    train = config.TRAIN
    assert (train.NUM_ITERATIONS, train.DATA.BATCH_SIZE, config.VAL.INTERVAL) == (100_000, 32, 5000)
    assert (train.OPTIM.PARAM.lr, train.OPTIM.PARAM.betas) == (1e-4, (0.9, 0.95))
    assert train.LR_SCHEDULER.PARAM == {"num_warmup_steps": 10_000, "num_training_steps": 100_000}
    assert train.CLIP_GRAD_PARAM.max_norm == 1.0
    assert config.MODEL.DTYPE == "bfloat16"


def test_short_run_is_whole():
    """NUM_ITERATIONS alone gives warm-up, decay, a validation and a last checkpoint."""
    config = load_config(BASE, ["TRAIN.NUM_ITERATIONS=200"])
    assert config.TRAIN.LR_SCHEDULER.PARAM == {"num_warmup_steps": 20, "num_training_steps": 200}
    assert (config.VAL.INTERVAL, config.TRAIN.CKPT_SAVE_STRATEGY) == (200, 200)
    assert config.TRAIN.LOG_INTERVAL == 50


def test_explicit_schedule_is_kept():
    """Steps that are given must not be derived again."""
    overrides = ["TRAIN.NUM_ITERATIONS=200", "TRAIN.LR_SCHEDULER.PARAM.num_warmup_steps=7"]
    schedule = load_config(BASE, overrides).TRAIN.LR_SCHEDULER.PARAM
    assert schedule.num_warmup_steps == 7


def test_share_of_the_warmup_is_of_the_schedule():
    """A run that ends before its schedule would warm up for a share of its own few steps."""
    steps = "TRAIN.LR_SCHEDULER.PARAM.num_training_steps=1000"
    schedule = load_config(BASE, ["TRAIN.NUM_ITERATIONS=200", steps]).TRAIN.LR_SCHEDULER.PARAM
    assert schedule == {"num_warmup_steps": 100, "num_training_steps": 1000}  # 0.1 of it


def test_override_values_are_literals_or_words():
    """The shell eats quotes: DATASET.NAME=mine must do; and a space in quotes is no other key."""
    overrides = [" DATASET.NAME=mine", "MODEL.PARAM.quantiles=None", "TRAIN.OPTIM.PARAM.lr=3e-4"]
    config = load_config(BASE, overrides)
    assert config.DATASET.NAME == "mine"
    assert config.MODEL.PARAM.quantiles is None
    assert config.TRAIN.OPTIM.PARAM.lr == 3e-4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("CFG = 3", "defines no CFG"),
        ("x = 1", "defines no CFG"),
        ("a = 1\nb = a + undefined", "line 2: NameError"),
        ("a = (", "line 1: SyntaxError"),
    ],
)
def test_broken_config_file_is_one_error(text, said, tmp_path):
    """A config file that fails shows a traceback through our code."""
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_config(file)


def test_missing_config_file_is_named(tmp_path):
    """The path is the first thing to look at."""
    with pytest.raises(
        ConfigError, match=r"no such configuration file; this project has .*/utp_tiny\.py"
    ):
        load_config(tmp_path / "none.py")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"a \.py file"):
        load_config(tmp_path / "config.json")


def test_a_configuration_for_more_gpus_than_there_are_is_read(monkeypatch):
    """`--param CONFIG` of a machine with eight GPUs, on a laptop; training is what refuses it."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: pytest.fail("no device is asked"))
    assert load_config(TINY, ["GPU_NUM=8"]).GPU_NUM == 8
    assert load_config(TINY).GPU_NUM is None
