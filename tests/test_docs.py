"""The commands of README.md and docs/ are run as they stand there, in small.

Models, files and numbers of steps are small; programs, options and the order of commands are those
of the page. What takes hours says so on its page: a benchmark is run here in its smallest form, and
of a long search (HYPOTHESIS_PROFILE=long) it is seen that the tests are there. A command for
several GPUs has its options checked.
"""

import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed.run

import train
from config.loading import load_config
from config.utp_base import CFG as BASE
from runners import ablate
from runners.forecaster import Forecaster
from runners.training.devices import resolve_devices
from tests.docs_tables import TABLES, write_csv
from tests.exports import quick_exports
from tests.processes import Forked
from tests.small import ROOT, TINY, make_corpus, train_here

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PREFIX = r"(?:[A-Z_]+=\S+ |systemd-run .*?(?=python))*"
PROGRAM = re.compile(PREFIX + r"(?:python |pip |torchrun .*train\.py|tensorboard )")
HOURS = "minutes to hours"  # on a page whose commands take a reader that long
SMALL = [
    "MODEL.PARAM.embed_dim=16",
    "MODEL.PARAM.num_heads=2",
    "MODEL.PARAM.mlp_hidden_dim=16",
    "TRAIN.NUM_ITERATIONS=2",
    "TRAIN.DATA.BATCH_SIZE=2",
    "TRAIN.DATA.NUM_WORKERS=0",
    "DATASET.PARAM.context_length=48",
    "DATASET.PARAM.target_length=16",
    "DATASET.PARAM.num_valid_samples=4",
    "VAL.FIGURES=False",
]
LAYERS = ["MODEL.PARAM.num_layers=2", "MODEL.PARAM.BYOT.AUX_HEAD_LAYERS=[0]"]
# What makes a benchmark small. It stands behind the options of the page, and so it wins.
SMALLEST = {
    # With this seed the kill comes 0.01 s after the first new steps, when a checkpoint is there.
    "crash": "--kills 1 --seed 581 --iterations 15 TRAIN.LOG_INTERVAL=1 TRAIN.CKPT_SAVE_STRATEGY=2",
    "evaluate": "--rows 2000 --columns 1 --rounds 1",
    "faults damage": "--times 3",
    "faults full": "--times 3",
    # With this seed a process dies: where it hangs, the launcher needs 30 s to end it.
    "faults lost": "--times 1 --seed 6",
    "gpu": "--device cpu --batches 1 --modes eager --product 64 --horizons 8 --rounds 1",
    "inference": "--batches 1 --horizons 8 --rounds 1",
    # An export takes seconds for each layer and head, a compilation more.
    "inference exported": "--runtimes float32 int8 --batches 1 --horizons 8 --rounds 1 "
    "MODEL.PARAM.num_layers=1 MODEL.PARAM.BYOT.ENABLED=False",
    "loader": "--rows 20 --batches 2 --workers 0 1 --seconds 0.01 --rounds 1",
    "loop": "--rounds 2 TRAIN.LOG_INTERVAL=2",
    "peers": "--python --windows 4",
    "pictures": "--rounds 1",
    "prepare": "--size 1",
    "references": "",
    "rollout": "--paths 2 --seeds 0 --passes 2 --windows 4 --short 20 --timed 2 --rounds 1",
    "scaling": "--sizes 2 --rounds 1",
    "step": "--batch 1 --modes eager --product 64 --rounds 1",
    "study": "--batch 1 --rounds 1",
}
# These take no configuration keys.
NO_KEYS = ("evaluate", "faults", "peers", "prepare", "references", "rollout", "study")


def commands(text: str, each: bool = False) -> list[str]:
    """The commands of a page in their order, without comments; each time, or each once."""
    found, fence = [], ""
    for line in re.sub(r" \\\n\s*", " ", text).splitlines():
        if line.startswith("```"):
            fence = "" if fence else line[3:]
        elif fence == "bash" or (not fence and line.startswith("    ")):
            found.append(line.strip())
        elif not fence:
            found += re.findall(r"`([^`]+)`", line)
    found = [re.sub(r"\s+#.*", "", command) for command in found if PROGRAM.match(command)]
    return found if each else list(dict.fromkeys(found))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """Of a trained model."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_corpus(folder)
        assert train.main(["--run-dir", "run", *SMALL]) == 0
    return folder / "run" / "best.pt"


@pytest.fixture
def world(tmp_path, monkeypatch, checkpoint):
    """A folder as a user has it, and a call that makes what a command reads."""
    monkeypatch.chdir(tmp_path)
    Path("config").symlink_to(ROOT / "config")
    make_corpus(tmp_path)

    def make(arguments: list[str]) -> None:
        for option, word in zip(["", *arguments], arguments, strict=False):
            path = Path(word.removeprefix("DATASET.NAME=") if "=" in word else word)
            if "=" in word and word.startswith("DATASET.NAME="):
                path = Path("datasets") / path
            if option == "--out" or path.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.name in TABLES:
                TABLES[path.name](path)
            elif path.suffix == ".csv":
                write_csv(path)
            elif path.suffix == ".pt" or word == "CHECKPOINT":
                shutil.copy(checkpoint, path)
            elif path.suffix == ".py":
                sizes = ", ".join(key.removeprefix("MODEL.PARAM.") for key in SMALL[:3])
                lines = ["from copy import deepcopy", "from config.utp_base import CFG as BASE",
                         "CFG = deepcopy(BASE)", f"CFG.MODEL.PARAM.update({sizes})"]  # fmt: skip
                path.write_text("\n".join(lines))
            elif path.parent == Path("datasets"):
                shutil.copytree("datasets/synthetic", path)

    return make


def check_pytest(arguments: list[str]) -> None:
    """What it runs is there; this suite runs it."""
    files = [ROOT / word for word in arguments if word.startswith("tests")]
    text = "".join(path.read_text() for path in files)
    if "-k" in arguments:
        for word in arguments[arguments.index("-k") + 1].split(" or "):
            assert re.search(rf"def test_\w*{word}", text), word


def run_module(module: str, arguments: list[str], monkeypatch) -> int:
    """Runs `python -m`; returns the status."""
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        return ended.code or 0
    return 0


def smallest(module: str, arguments: list[str]) -> list[str]:
    """The arguments of a benchmark, and those that make it small."""
    name = module.removeprefix("tests.benchmarks.")
    key = f"{name} {arguments[0]}" if name == "faults" else name
    key += " exported" * ("onnx" in arguments)
    sizes = SMALLEST[key].split()
    options = [word for word in sizes if "=" not in word]
    keys = [word for word in sizes if "=" in word]
    if name not in NO_KEYS:
        keys = [*SMALL, *LAYERS, *keys]
    return [*arguments, *options, *keys]


def run_apart(commands: list[list[str]]) -> None:
    """Runs benchmarks that kill or measure processes, all at the same time."""
    arguments = [*map(shlex.join, commands)]
    own = str(Path.cwd())  # torch's launcher leaves folders in TMPDIR
    process = Forked("tests.benchmarks.forked", arguments, cwd=ROOT, TMPDIR=own)
    try:
        output = "".join(process.communicate(timeout=240))
    finally:
        process.kill()
    assert process.returncode == 0, output


def run_exports() -> None:
    """The Python of docs/export.md, with what the commands of that page have written."""
    values = np.arange(90) % 24 + np.arange(90) * 0.1
    values[40] = np.nan
    times = pd.date_range("2024-03-01", periods=90, freq="h")
    pd.DataFrame({"date": times, "sales": values}).to_csv("series.csv", index=False)
    onnx, plain = python_blocks("docs/export.md")
    assert len([line for line in onnx.splitlines() if line.strip()]) <= 10  # what the page promises
    exec(onnx, {})
    forecaster = Forecaster.from_checkpoint("CHECKPOINT", head=3, dtype=torch.float32)
    found = np.loadtxt("forecast.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(found, forecaster.predict_quantiles(values, 64)[0], atol=1e-3)
    header = Path("forecast.csv").read_text().partition("\n")[0]
    assert header == ",".join(f"{level:g}" for level in forecaster.quantiles)
    names = {}
    exec(plain, names)
    expected = forecaster.predict_quantiles(np.arange(100.0), 64)
    np.testing.assert_allclose(names["quantiles"].numpy(), expected, atol=1e-3)


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_work(page, world, monkeypatch):
    """A page that has gone stale: an option renamed, a file moved, steps in the wrong order."""
    text, apart, threads = page.read_text(), [], torch.get_num_threads()
    for command in commands(text):
        assert HOURS in text or "HYPOTHESIS_PROFILE=long" not in command
        for part in command.split(" && "):
            part = re.sub(PREFIX, "", part, count=1)
            part = re.sub(r"\[(--[^]]+)\]", r"\1", part)  # an option that may be left out
            if re.search(r"runners\.ablate|benchmarks\.study", part):
                # One seed and one file are enough: each command trains many runs.
                part = re.sub(r"(--(seeds|data|file) \S+)( [^-\s]\S*)+", r"\1", part)
            program, *words = [word for word in shlex.split(part) if word != "..."]
            world(words)
            status = 0
            match program, *words:
                case "python", "train.py", *arguments:
                    status = train.main([*arguments, *SMALL])
                case "python", "-m", "runners.ablate", *arguments:
                    few = ["--stride", "5000"] if "--data" in arguments else []
                    with monkeypatch.context() as patch:
                        patch.setattr(ablate, "train", train_here)
                        # Drawn after each run; tests/runners/ablation draws it, too.
                        patch.setattr(ablate, "draw", lambda report, file: file.write(b"picture"))
                        status = ablate.run(ablate.main, [*arguments, *few, *SMALL])
                case "python", "-m", "pytest", *arguments:
                    check_pytest(arguments)
                case "python", "-m", "runners.evaluate", *arguments:
                    few = ["--paths", "1"]
                    few += [] if "--backtest" in arguments else ["--stride", "5000"]
                    status = run_module("runners.evaluate", [*arguments, *few], monkeypatch)
                case "python", "-m", module, *arguments if module.startswith("tests.benchmarks."):
                    assert HOURS in text or module.endswith("references")
                    arguments = smallest(module, arguments)
                    # The peak memory that `prepare` checks must not be that of this process.
                    if module.endswith(("crash", "prepare")) or "lost" in arguments:
                        apart.append([module, *arguments])
                    else:
                        with quick_exports():
                            status = run_module(module, arguments, monkeypatch)
                        torch.set_num_threads(threads)  # the loader's benchmark takes one
                case "torchrun", *arguments:
                    (line,) = (line for line in text.splitlines() if line.startswith(part))
                    assert "GPUs" in line.partition("#")[2]
                    assert torch.distributed.run.parse_args(arguments).training_script == "train.py"
                case "tensorboard", "--logdir", _, *options:
                    # tests/runners/test_tensorboard.py starts it so.
                    assert options in ([], ["--samples_per_plugin", "images=1000"])
                case "python", "-m", "config.schema", *_:
                    pass  # tests/config/test_schema.py
                case ("python", "-m", "venv", _) | (".", ".venv/bin/activate"):
                    pass  # .ci/run
                case "pip", "install", "-r", "requirements.txt":
                    pass  # .ci/run
                case "python", "-m", module, *arguments:
                    with quick_exports():
                        status = run_module(module, arguments, monkeypatch)
                case _:
                    pytest.fail(f"{page.name}: nothing runs {command!r}")
            assert status == 0, command
    if apart:
        run_apart(apart)
    if page.name == "export.md":
        run_exports()


def test_every_benchmark_is_on_a_page():
    """One that no page names is run by nobody, and breaks unseen."""
    text = "\n".join(command for page in PAGES for command in commands(page.read_text()))
    names = [name.removesuffix(" exported") for name in SMALLEST]
    assert [name for name in names if f"python -m tests.benchmarks.{name}" not in text] == []
    files = {path.stem for path in (ROOT / "tests" / "benchmarks").glob("*.py")}
    shared = {"forked", "measure", "peers_worker"}  # the benchmarks and this file use them
    assert files - shared == {name.partition(" ")[0] for name in SMALLEST}


def test_no_command_is_overlooked():
    """Extraction that skips a block, or a way of writing, would keep it from being tested."""
    written = re.compile(
        r"python -m [a-z]|python \w+\.py|torchrun .*train\.py|tensorboard --|pip inst"
    )
    for page in PAGES:
        text = re.sub(r"\\\n\s*", "", page.read_text())
        found = commands(text, each=True)
        assert len(written.findall(text)) == len(written.findall("\n".join(found))), page.name
    assert len(commands((ROOT / "README.md").read_text())) > 15


def python_blocks(page: str) -> list[str]:
    """The Python code of a page."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)


def write_sales(ends: tuple[int, int, int]) -> None:
    """sales.csv: three series that end after so many hours; the second has a gap, the third NaN."""
    frames = []
    for name, end in zip("abc", ends, strict=True):
        times = pd.date_range("2024-03-01", periods=end, freq="h")
        values = 10 + np.sin(np.arange(end) * 2 * np.pi / 24)
        frames.append(pd.DataFrame({"item_id": name, "timestamp": times, "target": values}))
    frames[1] = frames[1].drop(index=[20, 21])
    frames[2]["target"] = np.nan
    pd.concat(frames).to_csv("sales.csv", index=False)


def run_block(block: str) -> dict:
    """Runs code of a page; its names."""
    lines = [line for line in block.splitlines() if line.strip()]
    assert len(lines) <= 6  # what the pages promise
    names = {}
    exec(block, names)
    return names


def test_python_of_the_readme_works(world):
    """A renamed argument, another run folder, another default."""
    use, byot = python_blocks("README.md")
    names = {}
    exec(byot, names)
    assert names["BYOT"] == BASE.MODEL.PARAM.BYOT
    (path,) = re.findall(r'"(checkpoints/.*?)"', use)
    assert path == f"{resolve_devices(load_config(TINY)).TRAIN.CKPT_SAVE_DIR}/best.pt"
    world([path])
    write_sales((60, 60, 60))
    forecast = run_block(use)["forecast"]
    columns = ["item_id", "timestamp", "predictions", "0.1", "0.5", "0.9"]
    assert [*forecast.columns] == columns
    assert forecast[columns[2:]].isna().all(axis=1).tolist() == [False] * 48 + [True] * 24


@pytest.mark.filterwarnings("ignore:series 'b'. 2 of the last")
@pytest.mark.filterwarnings("ignore:2 series end before the last time")
def test_python_of_the_forecasting_page_works(world):
    """Series of unequal length, with a gap or without a value, would need more than six lines."""
    whole, numbers, *more = python_blocks("docs/forecasting.md")
    assert not more
    world(["best.pt"])
    write_sales((60, 50, 40))
    names = run_block(whole)
    forecast = names["forecast"]
    first = forecast.groupby("item_id").timestamp.min()
    assert first.tolist() == [*pd.to_datetime(["2024-03-03 12:00", "2024-03-03 02:00",
                                               "2024-03-02 16:00"])]  # fmt: skip
    assert forecast.groupby("item_id")["0.5"].count().tolist() == [24, 24, 0]
    assert Path("forecast.png").stat().st_size > 5000
    names |= {"series_a": [1.0, 2.0, 3.0], "series_b": np.arange(70.0)}
    exec(numbers, names)
    assert names["quantiles"].shape == (2, 24, 21)


def test_step_of_the_byot_page_works(make_utp):
    """What someone copies into a training of their own."""
    (step,) = python_blocks("docs/byot.md")
    utp = make_utp(num_layers=8)
    labels = torch.randn(2, 64)
    exec(step, {"utp": utp, "context": torch.randn(2, 24), "labels": labels, "mask": labels**0})
    assert all(parameter.grad is not None for parameter in utp.parameters())
