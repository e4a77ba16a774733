"""--init-from: the weights that a run starts from are validated, and are the first best ones.

Weights that do not fit are refused with the configuration that does.
"""

import json
import shlex
import shutil
import signal
from pathlib import Path

import pytest
import torch

import train
from runners.checkpoint import CheckpointError, fitting_overrides, load_checkpoint, load_model
from runners.training.stopping import Stopped
from runners.utp_runner import UTPRunner
from tests.benchmarks.crash import points
from tests.processes import Ranks
from tests.small import (
    FIGURES,
    OVERRIDES,
    TINY,
    assert_same,
    pictures,
    run,
    scalars,
    small_config,
    weights_of,
)

EACH_THREE = "TRAIN.CKPT_SAVE_STRATEGY=3"
SPOILING = "TRAIN.OPTIM.PARAM.lr=1.0", "TRAIN.OPTIM.PARAM.weight_decay=0"  # every step is worse
FITS = "; the checkpoint fits "
OTHER_MODEL = r"start\.pt was trained as another model than MODEL\.PARAM says"
PARAM = {"embed_dim": 16, "num_heads": 2, "mlp_hidden_dim": 24, "num_layers": 3}
FROZEN = "TRAIN.OPTIM.PARAM.lr=1e-30"


@pytest.fixture(autouse=True)
def _start(_in_folder_with_corpus):
    """Each test's folder holds start.pt."""
    run("first", "TRAIN.NUM_ITERATIONS=2", "ENV.SEED=3")
    shutil.move("first/latest.pt", "start.pt")
    shutil.rmtree("first")


def test_start_is_the_first_point_of_every_validation_curve():
    """Nobody would see what fine-tuning has gained; or the point is of other weights."""
    run("run", FIGURES, init_from="start.pt")
    curves = scalars("run")
    val = [tag for tag in curves if tag.startswith("val/")]
    assert "val/loss_gt_head_0" in val
    assert all(list(curves[tag]) == [0, 3, 6] for tag in val)
    assert pictures("run")["val/forecasts"] == [0, 3, 6]
    runner = UTPRunner(small_config("other"))
    runner.wrapper.load_state_dict(load_model("start.pt").state_dict())
    for name, value in runner.validate().items():
        assert curves[f"val/{name}"][0] == pytest.approx(value, rel=1e-6)
    loss = curves["val/loss_gt_teacher"][0]
    said = Path("run/training.log").read_text()
    assert said.index(f"iteration 0: val/loss_gt_teacher {loss:.4f} (best)") < said.index(
        "iteration 1: "
    )
    assert all(step > 0 for tag in curves if tag not in val for step in curves[tag])


def test_best_checkpoint_is_never_worse_than_the_start():
    """A learning rate that spoils the model: best.pt would be a spoiled one."""
    run("run", *SPOILING, "VAL.INTERVAL=1", "TRAIN.PATIENCE=3", init_from="start.pt")
    state = load_checkpoint("run/best.pt")
    assert state["iteration"] == state["best_metrics"]["iteration"] == 0
    assert_same(state["model_state_dict"], weights_of("start.pt"))
    assert load_checkpoint("run/latest.pt")["iteration"] == 3  # patience counts from the start
    assert "best: iteration 0, val/loss_gt_teacher" in Path("run/training.log").read_text()


@pytest.mark.parametrize("at", [0, 3])
def test_resumed_run_is_not_validated_at_its_start_again(monkeypatch, at):
    """A resumed run would differ from the straight one, or start from start.pt a second time."""
    run("straight", EACH_THREE, init_from="start.pt")
    validate, validated = UTPRunner.validate, []

    def disturbed(self):
        validated.append(self.iteration)
        if validated == list(range(0, at + 1, 3)):
            signal.raise_signal(signal.SIGTERM)
        return validate(self)

    monkeypatch.setattr(UTPRunner, "validate", disturbed)
    with pytest.raises(Stopped):
        run("run", EACH_THREE, init_from="start.pt")
    Path("start.pt").unlink()  # it is not needed any more
    run("run", EACH_THREE, init_from="start.pt", resume=True)
    assert validated == [0, 3, 6]
    assert (
        "--init-from start.pt is not used: the run is resumed"
        in Path("run/training.log").read_text()
    )
    for name in ("latest.pt", "best.pt"):
        straight, resumed = (load_checkpoint(f"{folder}/{name}") for folder in ("straight", "run"))
        for part in straight.keys() - {"cost", "config"}:
            assert_same(straight[part], resumed[part])
    straight, resumed = points("straight"), points("run")
    for tag in straight.keys() - {"train/samples_per_second"}:
        assert straight[tag] == resumed[tag]


def test_validation_of_the_start_changes_no_step(monkeypatch):
    """Weights of a fine-tuned run would be others than before this validation existed."""
    run("run", init_from="start.pt")
    before = UTPRunner(small_config("before"), init_from="start.pt")
    before.init_from = None
    before.train()
    assert_same(weights_of("run/latest.pt"), weights_of("before/latest.pt"))
    assert list(scalars("before")["val/loss"]) == [3, 6]


def test_start_without_a_checkpoint_to_resume_is_validated():
    """A requeued job has the same command, --resume and --init-from, whether or not it ever ran."""
    run("run", init_from="start.pt", resume=True)
    assert list(scalars("run")["val/loss"]) == [0, 3, 6]


def test_two_processes_validate_the_start_and_end_together():
    """One would wait for the other without end, or patience be lost at another iteration."""
    options = [*OVERRIDES, "TRAIN.DATA.BATCH_SIZE=4", "VAL.INTERVAL=1", FROZEN, "TRAIN.PATIENCE=2"]
    options += ["--init-from", "start.pt", "--run-dir", "run"]
    ranks = Ranks("train.py", ["-c", str(TINY), *options])
    try:
        output = "".join(ranks.communicate(timeout=60))
    finally:
        ranks.kill()
    assert ranks.returncode == 0, output
    assert load_checkpoint("run/best.pt")["iteration"] == 0
    assert load_checkpoint("run/latest.pt")["since_best"] == 2
    assert json.loads(Path("run/summary.json").read_text())["iteration"] == 2
    said = Path("run/training.log").read_text()
    assert "iteration 2: no better teacher in 2 validations in a row" in said
    assert list(scalars("run")["val/loss"]) == [0, 1, 2]


def test_configuration_in_an_error_about_shapes_can_be_pasted(capsys):
    """The user would look up four sizes by hand; or what is pasted is refused."""
    arguments = ["-c", str(TINY), "--run-dir", "run", "--init-from", "start.pt", *OVERRIDES]
    arguments += ["MODEL.PARAM.embed_dim=32", "MODEL.PARAM.num_layers=5", "TRAIN.NUM_ITERATIONS=1"]
    arguments += ["MODEL.PARAM.BYOT.AUX_HEAD_LAYERS=[0, 4]", "MODEL.PARAM.quantiles=[0.5]"]
    arguments += ["MODEL.PARAM.max_context_length=64"]  # another length, which fits all the same
    capsys.readouterr()
    assert train.main(arguments) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    pasted = shlex.split(err.partition(FITS)[2])
    assert pasted == [
        "MODEL.PARAM.embed_dim=16",
        "MODEL.PARAM.num_layers=3",
        "MODEL.PARAM.quantiles=[0.1, 0.5, 0.8]",
        "MODEL.PARAM.BYOT.AUX_HEAD_LAYERS=[0, 1]",
    ]
    assert train.main([*arguments, *pasted]) == 0


@pytest.mark.parametrize(
    ("override", "said", "fits"),
    [
        ("num_layers=2", r"holds utp\.encoder_layers\.2\..* does not have", "num_layers=3"),
        ("num_layers=4", r"lacks utp\.encoder_layers\.3\..* this model needs", "num_layers=3"),
        ("embed_dim=32", r"has shape .* this model needs \[24, 32\]", "embed_dim=16"),
        ("use_reg_token=False", OTHER_MODEL, "use_reg_token=True"),
        ("rope_base=500.0", OTHER_MODEL, r"rope_base=10000\.0"),
        ("base_context_length=32", OTHER_MODEL, "base_context_length=256"),
        ("asinh_transform=False", OTHER_MODEL, "asinh_transform=True"),
        ("quantiles=[0.1, 0.5, 0.9]", OTHER_MODEL, r"quantiles=\[0\.1, 0\.5, 0\.8\]'"),
    ],
)
def test_each_error_about_weights_names_the_setting_that_fits(override, said, fits):
    """Missing tensors without a hint; or weights that fit, and mean something else."""
    config = small_config("run", f"MODEL.PARAM.{override}")
    with pytest.raises(CheckpointError, match=f"{said}{FITS}'?MODEL.PARAM.{fits}$"):
        UTPRunner(config, init_from="start.pt")
    with pytest.raises(CheckpointError, match=f"{said}{FITS}'?MODEL.PARAM.{fits}$"):
        load_model("start.pt", config.MODEL.PARAM)


def test_weights_without_a_configuration_have_no_hint():
    """UTPExp's files hold none: the error would be a KeyError."""
    torch.save({"model_state_dict": weights_of("start.pt")}, "bare.pt")
    with pytest.raises(CheckpointError, match=r"this model needs \[24, 32\]$"):
        UTPRunner(small_config("run", "MODEL.PARAM.embed_dim=32"), init_from="bare.pt")


@pytest.mark.parametrize(
    ("stored", "own", "expected"),
    [
        ({}, {"BYOT": {"ENABLED": True, "AUX_HEAD_LAYERS": [2]}}, []),  # a new head
        ({}, {"BYOT": {"ENABLED": True, "AUX_HEAD_LAYERS": [3]}}, ["BYOT.ENABLED=False"]),
        ({}, {"BYOT": {"ENABLED": False, "AUX_HEAD_LAYERS": [3]}}, []),
        ({}, {"use_rope_x": True, "rope_base": 10000}, []),  # older checkpoints lack the keys
        ({}, {"asinh_transform": True}, ["asinh_transform=False"]),
        ({"quantiles": None}, {"quantiles": [0.5]}, ["quantiles=None"]),
    ],
)
def test_settings_that_fit_by_hand(stored, own, expected):
    """A setting that is the same, or that weights do not care for, would be changed."""
    found = fitting_overrides(PARAM | stored, PARAM | own)
    assert found == [f"MODEL.PARAM.{override}" for override in expected]
