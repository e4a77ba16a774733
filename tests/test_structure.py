"""The house: imports flow one way, and what a command line holds stops at `main`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.small import ROOT

# A file may import files of its own floor and below.
FLOORS = [
    {"models", "losses", "data"},
    {"config.kinds", "config.schema", "config.identity", "config.loading"},
    {"runners"},  # its __init__: InputError
    {"runners.atomic", "runners.checkpoint", "runners.distributed"},
    {"runners.training", "runners.tracking"},
    {"runners.utp_runner"},
    {"config.utp_base", "config.utp_tiny", "config.utp_study"},
    {"runners.forecaster"},
    {"runners.formats"},
    {"runners.evaluation", "runners.ablation"},
    {
        "train",
        "runners.command",
        "runners.evaluate",
        "runners.forecast",
        "runners.export",
        "runners.ablate",
    },
]
FOLDERS = ("config", "models", "losses", "data", "runners")
APART = {"models", "losses", "data"}  # these import nothing of the other folders
FIRST_FOUR = {"torch", "numpy", "easydict", "tensorboard"}  # models, losses and the loop need these


def files() -> list[Path]:
    """Every file of the project but the tests."""
    return [ROOT / "train.py", *(f for folder in FOLDERS for f in (ROOT / folder).rglob("*.py"))]


def module_of(file: Path, root: Path = ROOT) -> str:
    """The dotted name of a file."""
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST) -> Iterator[str]:
    """The dotted names that a file imports, inside functions too; each with its parts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if is_module(inner) else node.module


def is_module(name: str) -> bool:
    """Whether a dotted name is a file or folder of the project."""
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def floor_of(module: str) -> int:
    """The floor that a module of the project stands on; the longest name counts."""
    names = {name: number for number, floor in enumerate(FLOORS) for name in floor}
    while module not in names:
        assert "." in module, f"{module} has no floor in tests/test_structure.py"
        module = module.rpartition(".")[0]
    return names[module]


def wrong_imports(module: str, source: str) -> list[str]:
    """The imports of a file that go against the way, `importer -> imported`."""
    wrong = []
    for name in imports(ast.parse(source)):
        if not is_module(name) or name.startswith("tests"):
            continue
        folder, own = name.partition(".")[0], module.partition(".")[0]
        if folder == own and own in APART:
            continue
        if own in APART or floor_of(name) > floor_of(module):
            wrong.append(f"{module} -> {name}")
    return wrong


def test_imports_flow_one_way():
    """Two rooms that need each other cannot be read, tested or moved apart."""
    found = [line for file in files() for line in wrong_imports(module_of(file), file.read_text())]
    assert found == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("models.byot", "from losses.byot import TEACHER"),
        ("losses.byot", "def f():\n    from config import schema"),
        ("config.loading", "import runners.checkpoint"),
        ("config.identity", "from runners import InputError"),
        ("runners.checkpoint", "from runners.training.stopping import Stopped"),
        ("runners.training.loader", "from runners import utp_runner"),
        ("runners.evaluation.protocol", "def f():\n    from runners.command import run"),
        ("runners.utp_runner", "from config.utp_base import CFG"),
    ],
)
def test_an_import_against_the_way_is_found(module, line):
    """The test above would be green whatever is imported."""
    assert len(wrong_imports(module, line)) == 1


def test_no_import_stands_inside_a_function_to_escape_a_circle():
    """Circles hide there. What loads a slow library only where it is needed may stay."""
    inner = [
        (module_of(file), name)
        for file in files()
        for function in ast.walk(ast.parse(file.read_text()))
        if isinstance(function, ast.FunctionDef)
        for name in imports(function)
    ]
    assert [pair for pair in inner if is_module(pair[1])] == []


def test_models_losses_and_the_loop_need_four_packages_alone():
    """They are what others take into their own projects."""
    parts = ["models", "losses", "runners/utp_runner.py"]
    sources = [f for part in parts for f in (ROOT / part).rglob("*.py")] or []
    sources += [ROOT / part for part in parts if part.endswith(".py")]
    packages = {
        name.partition(".")[0] for f in sources for name in imports(ast.parse(f.read_text()))
    }
    standard = {"collections", "contextlib", "copy", "logging", "pathlib", "typing"}
    assert packages - {*FOLDERS} - standard <= FIRST_FOUR


def takes_a_namespace(function: ast.FunctionDef) -> bool:
    """Whether an argument holds a parsed command line."""
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return any(
        argument.arg == "args"
        or (argument.annotation and "Namespace" in ast.unparse(argument.annotation))
        for argument in given
    )


def test_a_parsed_command_line_stops_at_main():
    """One object with every option of a command says nothing about what a function needs."""
    benchmarks = (ROOT / "tests" / "benchmarks").glob("*.py")
    found = [
        f"{file.stem}.{node.name}"
        for file in [*files(), *benchmarks]
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name != "main" and takes_a_namespace(node)
    ]
    assert found == []


@pytest.mark.parametrize("file", files(), ids=module_of)
def test_no_file_is_too_long_to_hold_one_idea(file):
    """About 350 lines."""
    assert len(file.read_text().splitlines()) <= 360
