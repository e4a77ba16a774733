"""A head of a checkpoint, made a checkpoint of its own."""

import resource
from contextlib import chdir
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from config.loading import resolve
from models.utp import UTP
from runners.checkpoint import CheckpointError, load_checkpoint, load_model
from runners.command import run as run_command
from runners.export import main
from runners.utp_runner import UTPRunner
from tests.golden import both_modes, load_golden
from tests.small import BYOT_OFF, POINT, TINY, assert_same, make_corpus, run, small_config

ONE_LAYER = "MODEL.PARAM.num_layers=1"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, Path]:
    """A checkpoint of each mode, with students on layers 0 and 1 of 3."""
    folder = tmp_path_factory.mktemp("trained")
    make_corpus(folder)
    with chdir(folder):
        for mode, overrides in (("quantile", ()), ("point", (POINT,))):
            run(mode, "TRAIN.NUM_ITERATIONS=2", *overrides)
    return {mode: folder / mode / "latest.pt" for mode in ("quantile", "point")}


def export(*arguments: str | Path) -> int:
    """Runs the command and returns its exit status."""
    return run_command(main, [str(argument) for argument in arguments])


def raw_context() -> torch.Tensor:
    """Two rows of raw values, one of them missing."""
    values = 20.0 + 4.0 * torch.randn(2, 90, generator=torch.Generator().manual_seed(1))
    values[0, 7] = torch.nan
    return values


def save_golden(mode: str) -> SimpleNamespace:
    """UTPExp's file and its configuration, utpexp.pt and utpexp.py; returns the golden arrays."""
    golden = load_golden(mode)
    torch.save({"model_state_dict": golden.weights}, "utpexp.pt")
    Path("utpexp.py").write_text(
        "from copy import deepcopy\nfrom config.utp_tiny import CFG as TINY\nCFG = deepcopy(TINY)\n"
        f"CFG.MODEL.PARAM = {golden.param}\n"
        "CFG.DATASET.PARAM.update(context_length=48, target_length=16)\n"
    )
    return golden


@both_modes
@pytest.mark.parametrize("layer", [0, 1])
def test_student_forecasts_as_in_its_wrapper(trained, mode, layer):
    """Another layer's head, or one layer too many, forecasts something else in silence."""
    assert export(trained[mode], "--head", layer, "--out", "student.pt") == 0
    wrapper, student = load_model(trained[mode]), load_model("student.pt")
    assert student.aux_head_layers == ()
    assert len(student.utp.encoder_layers) == layer + 1
    context = torch.randn(3, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = wrapper(context, 16).students[layer]
        error = (student(context, 16).teacher - expected).abs() / (1 + expected.abs())
    assert error.max() <= 1e-6
    rolled = student.predict(raw_context(), 50)  # max_query_length is 32
    assert torch.equal(rolled, wrapper.student(layer).predict(raw_context(), 50))


@both_modes
def test_teacher_forecasts_bitwise_as_in_its_wrapper(trained, mode):
    """Stripping the heads must cost nothing."""
    assert export(trained[mode], "--head", "teacher", "--out", "teacher.pt") == 0
    wrapper, teacher = load_model(trained[mode]), load_model("teacher.pt")
    assert teacher.aux_head_layers == ()
    assert torch.equal(teacher.predict(raw_context(), 50), wrapper.predict(raw_context(), 50))


def test_export_holds_the_model_and_nothing_of_the_training(trained):
    """An export would hold what no forecast needs, such as the optimizer's state."""
    export(trained["quantile"], "--head", 1, "--out", "student.pt")
    content = torch.load("student.pt", weights_only=True)
    keys = {"format_version", "iteration", "corpus", "head", "model_state_dict", "config"}
    assert content.keys() == keys
    assert (content["iteration"], content["head"]) == (2, "1")
    source = load_checkpoint(trained["quantile"])
    param = source["config"]["MODEL"]["PARAM"]
    expected = UTP(**{k: v for k, v in param.items() if k != "BYOT"} | {"num_layers": 2})
    assert list(content["model_state_dict"]) == [f"utp.{key}" for key in expected.state_dict()]
    numbers = sum(parameter.numel() for parameter in expected.parameters())
    assert Path("student.pt").stat().st_size < 4 * numbers + 30_000  # names, configuration
    param |= {"num_layers": 2}
    param["BYOT"] |= {"ENABLED": False, "AUX_HEAD_LAYERS": []}
    assert_same(content["config"], source["config"])


def test_configuration_in_an_export_trains(trained):
    """AUX_HEAD_LAYERS that are gone must not make it one that the schema refuses."""
    export(trained["quantile"], "--head", 0, "--out", "student.pt")
    config = load_checkpoint("student.pt")["config"]
    config["RUNNER"], config["MODEL"]["ARCH"] = UTPRunner, UTP
    assert resolve(config).MODEL.PARAM.num_layers == 1


def test_training_starts_from_a_students_weights(trained):
    """An exported student could not be trained further with --init-from."""
    export(trained["quantile"], "--head", 0, "--out", "student.pt")
    config = small_config("tuned", ONE_LAYER, BYOT_OFF)
    runner = UTPRunner(config, init_from="student.pt")
    weights = load_checkpoint("student.pt")["model_state_dict"]
    assert_same(dict(runner.wrapper.state_dict()), weights)
    runner.train()
    with pytest.raises(CheckpointError, match=r"lacks utp\.encoder_layers\.1\..*this model needs"):
        UTPRunner(small_config("deeper"), init_from="student.pt")


def test_training_does_not_go_on_from_an_export(trained):
    """An optimizer that forgot its moments is not the same training."""
    Path("run").mkdir()
    export(trained["quantile"], "--head", 0, "--out", "run/latest.pt")
    with pytest.raises(CheckpointError, match=r"holds no training to resume.*--init-from"):
        UTPRunner(small_config("run", ONE_LAYER, BYOT_OFF), resume=True)


@both_modes
def test_heads_of_utpexps_files_are_exported(mode):
    """People with UTPExp's checkpoints want small models too, which then need no --param."""
    golden = save_golden(mode)
    layer = golden.param["BYOT"]["AUX_HEAD_LAYERS"][0]
    arguments = ["utpexp.pt", "--param", "utpexp.py", "--head", layer, "--out", "student.pt"]
    assert export(*arguments) == 0
    wrapper = load_model("utpexp.pt", golden.param)
    rolled = load_model("student.pt").predict(raw_context(), 40)
    assert torch.equal(rolled, wrapper.student(layer).predict(raw_context(), 40))


@both_modes
def test_utpexp_format_has_utpexps_names(mode):
    """UTPExp loads strictly: it misses an unused register token, and cannot take heads."""
    golden = save_golden(mode)
    to_utpexp = ("--head", "teacher", "--format", "utpexp", "--out", "back.pt")
    assert export("utpexp.pt", "--param", "utpexp.py", *to_utpexp) == 0
    content = torch.load("back.pt", weights_only=True)
    assert list(content) == ["model_state_dict"]
    backbone = {key: value for key, value in golden.weights.items() if "aux_heads" not in key}
    assert list(content["model_state_dict"]) == list(backbone)
    if not golden.param["use_reg_token"]:
        backbone["utp.reg_token"].zero_()  # whatever the source holds there
    assert_same(content["model_state_dict"], backbone)


@pytest.mark.parametrize("use_reg_token", [True, False])
def test_utpexp_format_comes_back_the_same(trained, use_reg_token):
    """Weights must travel both ways."""
    source = load_checkpoint(trained["quantile"])
    param = source["config"]["MODEL"]["PARAM"]
    param["use_reg_token"] = use_reg_token
    if not use_reg_token:
        del source["model_state_dict"]["utp.reg_token"]
    torch.save(source, "source.pt")
    export("source.pt", "--head", "teacher", "--format", "utpexp", "--out", "utpexp.pt")
    back = load_model("utpexp.pt", param | {"BYOT": {}})
    expected = load_model("source.pt").predict(raw_context(), 50)
    assert torch.equal(back.predict(raw_context(), 50), expected)


def test_message_says_what_was_written_and_what_comes_next(trained, capsys):
    """The user wonders how large the model is, and how to see whether it is any good."""
    export(trained["quantile"], "--head", 1, "--out", "a student.pt")
    printed = capsys.readouterr()
    parameters = sum(p.numel() for p in load_model("a student.pt").parameters())
    assert printed.out == (
        f"a student.pt: the student on layer 1 of {trained['quantile']}, 2 layers, "
        f"{parameters:,} parameters; next: "
        "python -m runners.evaluate 'a student.pt' --data FILE.csv\n"
    )
    assert printed.err == ""


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--head", "2"], "there is no head 2; the heads are 0, 1, teacher"),
        (["--head", "one"], "there is no head 'one'; the heads are 0, 1, teacher"),
        (["--head", "0", "--format", "utpexp"], "--format utpexp is for the teacher: "),
        (["--head", "0", "--out", "no/student.pt"], "--out: there is no folder no"),
        (["--head", "0", "--out", "s.onnx"], "--out: s.onnx has the ending of --format onnx"),
        (["--head", "teacher", "--out", "s.safetensors", "--format", "utpexp"], "has the ending"),
        (["--head", "0", "--param", str(TINY)], "; this model needs "),
        (["--head", "0", "--param", "none.py"], "none.py: no such configuration file"),
    ],
)
def test_wrong_input_is_one_line_and_writes_nothing(trained, arguments, line, capsys):
    """A traceback, a guess at what was meant, or half a file."""
    before = sorted(Path().rglob("*"))
    assert export(trained["quantile"], "--out", "student.pt", *arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert line in printed.err
    assert printed.err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("source", ["utpexp.pt", "student.pt", "utpexp.py"])
def test_what_cannot_be_opened_is_one_line_and_writes_nothing(source, capsys):
    """UTPExp's file without --param, no such file, another kind of file."""
    save_golden("point")
    assert export(source, "--head", "teacher", "--out", "out.pt") == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"error: {source} ")
    assert printed.err.count("\n") == 1
    assert not Path("out.pt").exists()


def test_a_file_that_is_there_is_left_alone(trained, capsys):
    """A typo in --out costs the checkpoint of a week, above all --out CHECKPOINT itself."""
    content = trained["quantile"].read_bytes()
    assert export(trained["quantile"], "--head", "0", "--out", trained["quantile"]) == 2
    assert capsys.readouterr().err == f"error: --out: {trained['quantile']} is there already\n"
    assert trained["quantile"].read_bytes() == content


def test_full_disk_is_one_line_and_leaves_nothing(trained, capsys):
    """Half a file that looks like a model."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        status = export(trained["quantile"], "--head", "0", "--out", "student.pt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert status == 1
    error = capsys.readouterr().err
    assert error.startswith("error: student.pt cannot be written: ")
    assert error.count("\n") == 1
    assert not list(Path().glob("*student*")) + list(Path().glob(".*"))
