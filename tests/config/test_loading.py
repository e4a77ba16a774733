"""Loading: files, overrides, derived values."""

import json

import pytest

from config.loading import load_config
from config.schema import ConfigError
from models.utp import UTP
from runners.checkpoint import to_plain
from tests.small import ROOT, TINY

BASE = ROOT / "config" / "utp_base.py"


def test_base_keeps_the_values_of_the_description():
    """DESIGN 3: utp_base.py is UTPExp at full size."""
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


def test_override_values_are_literals_or_words():
    """The shell eats quotes: DATASET.NAME=mine must do."""
    overrides = ["DATASET.NAME=mine", "MODEL.PARAM.quantiles=None", "TRAIN.OPTIM.PARAM.lr=3e-4"]
    config = load_config(BASE, overrides)
    assert config.DATASET.NAME == "mine"
    assert config.MODEL.PARAM.quantiles is None
    assert config.TRAIN.OPTIM.PARAM.lr == 3e-4


@pytest.mark.parametrize(
    ("override", "same"),
    [
        ("TRAIN.NUM_ITERATIONS=500", True),
        ("VAL.INTERVAL=7", True),
        ("TRAIN.DATA.NUM_WORKERS=1", True),
        ("TRAIN.LOG_INTERVAL=3", True),
        ("DESCRIPTION=other", True),
        ("ENV.SEED=1", False),
        ("MODEL.PARAM.num_layers=5", False),
        ("MODEL.PARAM.BYOT.LOSS_WEIGHTS.loss_soft=0.3", False),
        ("DATASET.NAME=other", False),
        ("DATASET.PARAM.context_length=128", False),
        ("TRAIN.OPTIM.PARAM.lr=0.5", False),
        ("TRAIN.DATA.BATCH_SIZE=4", False),
    ],
)
def test_run_folder_is_named_by_what_fixes_the_trajectory(override, same):
    """Two trainings in one folder, or one training in two."""
    one, other = (load_config(TINY, o).TRAIN.CKPT_SAVE_DIR for o in ([], [override]))
    assert (one.rpartition("_")[2] == other.rpartition("_")[2]) is same


def test_run_folder_counts_the_global_batch(monkeypatch):
    """1 process x 16 and 2 x 8 are the same training."""
    alone = load_config(TINY).TRAIN.CKPT_SAVE_DIR
    accumulated = ["TRAIN.DATA.BATCH_SIZE=8", "TRAIN.GRAD_ACCUMULATION_STEPS=2"]
    assert alone == load_config(TINY, accumulated).TRAIN.CKPT_SAVE_DIR
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert alone == load_config(TINY, ["TRAIN.DATA.BATCH_SIZE=8"]).TRAIN.CKPT_SAVE_DIR


def test_plain_copy_is_json_and_rebuilds_the_model():
    """DESIGN 1: what is saved holds names of classes, and MODEL.PARAM but for BYOT is UTP's."""
    plain = json.loads(json.dumps(to_plain(load_config(TINY))))
    assert (plain["RUNNER"], plain["MODEL"]["ARCH"]) == ("UTPRunner", "UTP")
    param = plain["MODEL"]["PARAM"]
    UTP(**{key: value for key, value in param.items() if key != "BYOT"})


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
    with pytest.raises(ConfigError, match="no such configuration file"):
        load_config(tmp_path / "none.py")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"a \.py file"):
        load_config(tmp_path / "config.json")


def test_launched_processes_decide_the_gpus(monkeypatch):
    """GPU_NUM None under torchrun is what torchrun started, and a contradiction is refused."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 8)
    assert load_config(TINY).GPU_NUM == 8
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert load_config(TINY).GPU_NUM == 4
    assert load_config(TINY, ["GPU_NUM=0"]).GPU_NUM == 0
    with pytest.raises(ConfigError, match="GPU_NUM: found 2"):
        load_config(TINY, ["GPU_NUM=2"])
