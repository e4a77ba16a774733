"""What the configuration refuses, and how it says so."""

from copy import deepcopy
from pathlib import Path

import pytest

import train
from config.loading import load_config, read_config_file, resolve
from config.schema import SCHEMA, ConfigError, as_markdown, nearest
from tests.small import ROOT, TINY

BYOT = "MODEL.PARAM.BYOT"
LAYERS = f"{BYOT}.AUX_HEAD_LAYERS"
WEIGHTS = f"{BYOT}.LOSS_WEIGHTS"
# Override, the key that the error names, and a word of what it says is allowed (tiny: 6 layers).
MALFORMED = [
    (f"{LAYERS}=[6]", LAYERS, "0 to 5"),
    (f"{LAYERS}=[-1]", LAYERS, "0 to 5"),
    (f"{LAYERS}=[1, 99]", LAYERS, "0 to 5"),
    (f"{LAYERS}=[]", LAYERS, "one or more"),
    (f"{LAYERS}=[True]", LAYERS, "ints from 0"),
    (f"{LAYERS}=[1.0]", LAYERS, "ints from 0"),
    (f"{LAYERS}=['1']", LAYERS, "ints from 0"),
    (f"{LAYERS}=3", LAYERS, "list"),
    (f"{LAYERS}=None", LAYERS, "list"),
    (f"{LAYERS}=[[1], 3]", LAYERS, "ints from 0"),
    (f"{BYOT}=5", BYOT, "ENABLED"),
    (f"{BYOT}=None", BYOT, "ENABLED"),
    (f"{BYOT}={{'ENABLED': True}}", LAYERS, "one or more"),
    (f"{BYOT}={{'ENABLE': True}}", f"{BYOT}.ENABLE", f"{BYOT}.ENABLED"),
    (f"{BYOT}={{'ENABLED': True, 'AUX_HEADS': [1]}}", f"{BYOT}.AUX_HEADS", LAYERS),
    (f"{BYOT}.ENABLED=1", f"{BYOT}.ENABLED", "True or False"),
    (f"{BYOT}.ENABLED=yes", f"{BYOT}.ENABLED", "True or False"),
    (f"{BYOT}.ENABLED=None", f"{BYOT}.ENABLED", "True or False"),
    (f"{BYOT}.FEATURE_LOSS=0.1", f"{BYOT}.FEATURE_LOSS", "nearest"),
    (f"{WEIGHTS}={{'loss_gt': 0, 'loss_soft': 0}}", WEIGHTS, "above 0"),
    (f"{WEIGHTS}={{'loss_gt': 1, 'loss_soft': 1, 'hint': 1}}", f"{WEIGHTS}.hint", "nearest"),
    (f"{WEIGHTS}.loss_gt=-1", f"{WEIGHTS}.loss_gt", "from 0 to"),
    (f"{WEIGHTS}.loss_soft=-0.2", f"{WEIGHTS}.loss_soft", "from 0 to"),
    (f"{WEIGHTS}.loss_gt=1e999", f"{WEIGHTS}.loss_gt", "from 0 to"),
    (f"{WEIGHTS}.loss_soft=nan", f"{WEIGHTS}.loss_soft", "from 0 to"),
    (f"{WEIGHTS}.loss_soft=True", f"{WEIGHTS}.loss_soft", "from 0 to"),
    (f"{WEIGHTS}=[1.0, 0.2]", WEIGHTS, "loss_gt, loss_soft"),
    (f"{WEIGHTS}.loss_sfot=0.2", f"{WEIGHTS}.loss_sfot", f"{WEIGHTS}.loss_soft"),
    ("MODEL.PARAM.num_layers=2", LAYERS, "0 to 1"),
    ("MODEL.PARAM.num_layers=0", "MODEL.PARAM.num_layers", "from 1 to"),
    ("MODEL.PARAM.num_layers=True", "MODEL.PARAM.num_layers", "from 1 to"),
    ("MODEL.PARAM.embed_dim=65", "MODEL.PARAM.embed_dim", "num_heads = 2"),
    ("MODEL.PARAM.embed_dim=66", "MODEL.PARAM.embed_dim", "even"),
    ("MODEL.PARAM.quantiles=[0.5, 0.1]", "MODEL.PARAM.quantiles", "strictly increasing"),
    ("MODEL.PARAM.quantiles=[0.1, 0.5, 0.5]", "MODEL.PARAM.quantiles", "strictly increasing"),
    ("MODEL.PARAM.quantiles=[0.0, 0.5]", "MODEL.PARAM.quantiles", "(0, 1)"),
    ("MODEL.PARAM.quantiles=[0.5, 1]", "MODEL.PARAM.quantiles", "(0, 1)"),
    ("MODEL.PARAM.quantiles=[0.1, 0.9]", "MODEL.PARAM.quantiles", "0.5"),
    ("MODEL.PARAM.quantiles=[]", "MODEL.PARAM.quantiles", "0.5"),
    ("MODEL.PARAM.quantiles='0.5'", "MODEL.PARAM.quantiles", "0.5"),
    ("MODEL.PARAM.dropout=0.1", "MODEL.PARAM.dropout", "nearest"),
    ("MODEL.PARAM.rope_base=0", "MODEL.PARAM.rope_base", "from 1 to"),
    ("MODEL.DTYPE=float16", "MODEL.DTYPE", "'bfloat16' or 'float32'"),
    ("MODEL.NAME=a/b", "MODEL.NAME", "letters"),
    ("RUNNER=UTPRunner", "RUNNER", "class"),
    ("DATASET.PARAM.context_length=257", "DATASET.PARAM.context_length", "= 256"),
    ("DATASET.PARAM.target_length=33", "DATASET.PARAM.target_length", "= 32"),
    ("DATASET.PARAM.num_valid_samples=0", "DATASET.PARAM.num_valid_samples", "from 1 to"),
    ("DATASET.NAME=../other", "DATASET.NAME", "not starting with '.'\n"),
    ("DATASET.NAME=other/wide", "DATASET.NAME", "not starting with '.'\n"),
    ("DATASET.NAME=datasets/wide", "DATASET.NAME", "datasets/wide: DATASET.NAME=wide\n"),
    ("DATASET.NAME=wide/", "DATASET.NAME", "datasets/wide: DATASET.NAME=wide\n"),
    ("DATASET.NAME=", "DATASET.NAME", "letters"),
    ("GPU_NUM=1000", "GPU_NUM", "visible GPUs"),
    ("GPU_NUM=-1", "GPU_NUM", "from 0 to"),
    ("ENV.SEED=-1", "ENV.SEED", "0 to"),
    ("TRAIN.NUM_ITERATIONS=0", "TRAIN.NUM_ITERATIONS", "from 1 to"),
    ("TRAIN.NUM_ITERATIONS=1e5", "TRAIN.NUM_ITERATIONS", "an int"),
    ("TRAIN.NUM_ITERATION=10", "TRAIN.NUM_ITERATION", "TRAIN.NUM_ITERATIONS"),
    ("TRAIN.OPTIM.TYPE=SGD", "TRAIN.OPTIM.TYPE", "'AdamW'"),
    ("TRAIN.OPTIM.PARAM.lr=0", "TRAIN.OPTIM.PARAM.lr", "above 0"),
    ("TRAIN.OPTIM.PARAM.betas=[0.9, 1.0]", "TRAIN.OPTIM.PARAM.betas", "[0, 1)"),
    ("TRAIN.LR_SCHEDULER.PARAM.num_warmup_steps=701", "num_warmup_steps", "at most the 700"),
    ("TRAIN.CLIP_GRAD_PARAM=None", "TRAIN.CLIP_GRAD_PARAM", "max_norm"),
    (f"{BYOT}={{1: 2}}", BYOT, "names without dots"),
    (f"{BYOT}={{'': 2}}", BYOT, "names without dots"),
    ("MODEL={'PARAM.num_layers': 2}", "MODEL: found 'PARAM.num_layers'", "names without dots"),
    ("MODEL={'a\\nb': 2}", "MODEL.a b", "unknown key"),
    ("MODEL.ARCH=UTP", "MODEL.ARCH", "the class UTP"),
    (f"MODEL.NAME={'x' * 101}", "MODEL.NAME", "at most 100"),
    ("MODEL.PARAM.rope_base=1e-300", "MODEL.PARAM.rope_base", "from 1 to"),
    ("MODEL.PARAM.quantiles=[0.5, nan]", "MODEL.PARAM.quantiles", "0.5"),
    (f"{LAYERS}=[{10**30}]", LAYERS, "0 to num_layers - 1"),  # no int of torch's
    (f"{WEIGHTS}.loss_gt=1e30", f"{WEIGHTS}.loss_gt", "to 1e+06"),
    (f"TRAIN.NUM_ITERATIONS={10**400}", "TRAIN.NUM_ITERATIONS", "to 1_000_000_000"),
    (f"TRAIN.MAX_SKIPPED_STEPS={10**30}", "TRAIN.MAX_SKIPPED_STEPS", "to 1_000_000_000"),
    ("TRAIN.NUM_ITERATIONS=200.0", "TRAIN.NUM_ITERATIONS", "an int"),
    ("TRAIN.DATA.BATCH_SIZE=True", "TRAIN.DATA.BATCH_SIZE", "an int"),
    ("TRAIN.OPTIM.PARAM.lr=1e30", "TRAIN.OPTIM.PARAM.lr", "at most 1"),
    ("TRAIN.OPTIM.PARAM.lr=True", "TRAIN.OPTIM.PARAM.lr", "at most 1"),
    ("TRAIN.OPTIM.PARAM.eps=1e-60", "TRAIN.OPTIM.PARAM.eps", "from 1e-15"),
    ("TRAIN.OPTIM.PARAM.eps=1e30", "TRAIN.OPTIM.PARAM.eps", "to 1"),
    ("TRAIN.OPTIM.PARAM.weight_decay=1001", "TRAIN.OPTIM.PARAM.weight_decay", "1 / lr = 1000"),
    ("TRAIN.CLIP_GRAD_PARAM.max_norm=1e-30", "TRAIN.CLIP_GRAD_PARAM.max_norm", "from 1e-06"),
    ("TRAIN.CKPT_SAVE_DIR='a\\0b'", "TRAIN.CKPT_SAVE_DIR", "printable"),
    (f"TRAIN.CKPT_SAVE_DIR={__file__}", "TRAIN.CKPT_SAVE_DIR", f"{__file__} is no folder"),
    (f"TRAIN.CKPT_SAVE_DIR={__file__}/run", "TRAIN.CKPT_SAVE_DIR", f"{__file__} is no folder"),
    ("NUM_ITERATIONS", "NUM_ITERATIONS", "KEY=VALUE"),
    ("config/utp_tiny.py", "config/utp_tiny.py", "the configuration: -c config/utp_tiny.py"),
    (" =1", "=1", "KEY=VALUE"),
    ("3]", "3]", "put lists in quotes"),
    ("model.param.embed_dim=64", "model.param.embed_dim", "MODEL.PARAM.embed_dim"),
]


@pytest.mark.parametrize(("override", "key", "allowed"), MALFORMED)
def test_malformed_config_is_one_line_and_status_2(
    override, key, allowed, tmp_path, monkeypatch, capsys
):
    """A bad key would start a run, end in a traceback, or leave a folder behind."""
    monkeypatch.chdir(tmp_path)
    assert train.main(["-c", str(TINY), override]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert key in err
    assert allowed in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("RUNNER", "UTP"),
        ("RUNNER", "int"),
        ("RUNNER", "importlib"),
        ("MODEL.ARCH", "UTPRunner"),
        ("MODEL.ARCH", "torch.nn.Linear"),
        ("DESCRIPTION", "numpy.str_('mine')"),
        ("ENV.SEED", "10**5000"),
        ("MODEL.PARAM.num_layers", "numpy.int64(6)"),
        ("MODEL.PARAM.quantiles", "(q / 4 for q in (1, 2, 3))"),
        ("MODEL.PARAM.quantiles", "numpy.array([0.5])"),
        ("MODEL.PARAM.quantiles", "list(numpy.array([0.5]))"),
        ("MODEL.PARAM.quantiles", "functools.reduce(lambda deep, _: [deep], range(5000))"),
        ("TRAIN.OPTIM.PARAM.lr", "numpy.float64(0.001)"),
    ],
)
def test_value_that_only_a_file_can_hold_is_refused(key, line, tmp_path):
    """A value that cannot train, be copied, printed or saved would fail in the middle of a run."""
    file = tmp_path / "mine.py"
    file.write_text(
        "import copy, functools, importlib, numpy, torch\n"
        "from config.utp_base import CFG, UTP, UTPRunner\n"
        f"CFG = copy.deepcopy(CFG)\nCFG.{key} = {line}\n"
    )
    with pytest.raises(ConfigError, match=f"^{key}: found .*; allowed: ") as refused:
        load_config(file)
    assert (".tolist() converts" in str(refused.value)) == ("numpy" in line)


@pytest.mark.parametrize("key", [k for k in SCHEMA if k != "GPU_NUM"])
def test_every_key_refuses_what_no_key_may_hold(key):
    """A key whose check accepts anything would let every mistake through."""
    with pytest.raises(ConfigError, match=rf"^{key.rpartition('.')[0]}"):
        load_config(TINY, [f"{key}=(1, {{}})"])


def test_required_keys_are_missed_by_name():
    """A config without a needed key fails later, somewhere else."""
    config = read_config_file(TINY)
    del config["TRAIN"]["NUM_ITERATIONS"]
    with pytest.raises(ConfigError, match=r"^TRAIN.NUM_ITERATIONS: missing; allowed: an int"):
        resolve(config)


def test_byot_keys_may_be_left_out():
    """Configurations without these keys would be refused, or get BYOT without asking for it."""
    config = read_config_file(TINY)
    config["MODEL"]["PARAM"]["BYOT"] = {"ENABLED": True, "AUX_HEAD_LAYERS": (3, 1, 3)}
    byot = resolve(config).MODEL.PARAM.BYOT
    assert byot.AUX_HEAD_LAYERS == [1, 3]
    assert byot.LOSS_WEIGHTS == {"loss_gt": 1.0, "loss_soft": 0.2}
    del config["MODEL"]["PARAM"]["BYOT"]
    assert resolve(config).MODEL.PARAM.BYOT.ENABLED is False


def test_byot_off_does_not_mind_the_layers():
    """A shallow baseline must not need its AUX_HEAD_LAYERS rewritten."""
    config = load_config(TINY, ["MODEL.PARAM.num_layers=1", f"{BYOT}.ENABLED=False"])
    assert config.MODEL.PARAM.num_layers == 1


def test_nearest_key_survives_lost_sections_and_case():
    """The hint for a misspelt key would name another key."""
    assert nearest("AUX_HEAD_LAYER") == LAYERS
    assert nearest("TRAIN.batch_size") == "TRAIN.DATA.BATCH_SIZE"


def test_checking_leaves_the_config_file_alone():
    """Resolved values that leak into the file's CFG change the next load."""
    config = read_config_file(TINY)
    before = deepcopy(config)
    resolve(config)
    assert config == before


def test_documentation_is_the_schema():
    """docs/configuration.md goes stale: python -m config.schema > docs/configuration.md."""
    assert (Path(ROOT) / "docs" / "configuration.md").read_text() == as_markdown()
