"""Files that a head is exported to: checkpoints, a safetensors folder, ONNX, a torch program."""

import copy
import importlib.util
import json
import logging
import shutil
import warnings
from pathlib import Path

import torch
from torch import Tensor
from torch.export import Dim

from losses.byot import TEACHER
from models.graph import ForecastGraph
from models.utp import UTP
from runners import InputError
from runners.atomic import atomic_write
from runners.checkpoint import (
    FORMAT_VERSION,
    CheckpointError,
    save_checkpoint,
    save_folder,
)
from runners.forecaster import Forecaster

OPSET = 18  # the oldest that torch's exporter writes without converting; docs/export.md
IR_VERSION = 8  # of the same year as the operator set
OPTIMISE = True  # fewer nodes: the file loads and runs faster, and takes longer to write
EXAMPLE = (2, 100)  # series and values; both are free in what is exported


def write_own(path: Path, forecaster: Forecaster) -> None:
    """A checkpoint of this project, without the state of its training.

    Its configuration is that of the source, or only MODEL.PARAM if the source is UTPExp's file.

    Raises:
        OSError: the file cannot be written.
    """
    _save(path, exported(forecaster))


def write_utpexp(path: Path, forecaster: Forecaster) -> None:
    """A checkpoint in UTPExp's format: only weights, always with a register token.

    Raises:
        InputError: the head is a student.
        OSError: the file cannot be written.
    """
    if forecaster.head != TEACHER:
        raise InputError(f"--format utpexp is for the teacher: --head {TEACHER}")
    reg_token = torch.zeros(1, 1, 1, forecaster.model.embed_dim)
    weights = {"utp.reg_token": reg_token} | backbone_weights(forecaster.model)
    _save(path, {"model_state_dict": weights})


def write_safetensors(path: Path, forecaster: Forecaster) -> None:
    """A folder with model.safetensors and config.json.

    Raises:
        OSError: it cannot be written; nothing is left.
    """
    path.mkdir()
    try:
        save_folder(path, exported(forecaster))
    except BaseException:
        shutil.rmtree(path)
        raise


def write_onnx(path: Path, forecaster: Forecaster, horizon: int) -> None:
    """An ONNX file of `ForecastGraph`, in float32, with `facts` in its metadata.

    Raises:
        InputError: a package is missing.
        OSError: the file cannot be written.
    """
    lacking = [name for name in ("onnx", "onnxscript") if not importlib.util.find_spec(name)]
    if lacking:
        raise InputError(f"--format onnx needs: pip install {' '.join(lacking)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about itself
        for name in ("torch.onnx", "onnxscript"):
            logging.getLogger(name).setLevel(logging.ERROR)
        program = torch.onnx.export(
            _program(forecaster, horizon),
            dynamic_shapes=({0: "batch", 1: "length"},),  # their names
            dynamo=True,
            optimize=OPTIMISE,
            verbose=False,
            opset_version=OPSET,
            input_names=["context"],
            output_names=["quantiles"],
        )
    graph = program.model
    for node in graph.graph.all_nodes():
        node.metadata_props.clear()  # how torch made it: 0.3 MB of text for six layers
    graph.ir_version = IR_VERSION
    graph.metadata_props.update(facts(forecaster, horizon))
    atomic_write(path, lambda file: file.write(program.model_proto.SerializeToString()))


def write_torch(path: Path, forecaster: Forecaster, horizon: int) -> None:
    """A `torch.export` program of `ForecastGraph`, in float32, with `facts` as extra files.

    Raises:
        OSError: the file cannot be written.
    """
    program = _program(forecaster, horizon)
    extra = facts(forecaster, horizon)
    atomic_write(path, lambda file: torch.export.save(program, file, extra_files=extra))


def facts(forecaster: Forecaster, horizon: int) -> dict[str, str]:
    """What a user of an exported graph must know, each as JSON."""
    return {
        "quantiles": json.dumps(forecaster.quantiles),
        "horizon": json.dumps(horizon),
        "context_length": json.dumps(forecaster.context_length),
        "head": json.dumps(forecaster.head),
        "param": json.dumps(exported_param(forecaster)),
    }


def exported(forecaster: Forecaster) -> dict:
    """The content of a checkpoint with one head."""
    config = forecaster.config
    model = config.get("MODEL", {}) | {"PARAM": exported_param(forecaster)}
    content = {
        "format_version": FORMAT_VERSION,
        "head": str(forecaster.head),
        "model_state_dict": backbone_weights(forecaster.model),
        "config": config | {"MODEL": model},
    }
    known = {"iteration": forecaster.iteration, "corpus": forecaster.corpus}
    return content | {key: value for key, value in known.items() if value is not None}


def exported_param(forecaster: Forecaster) -> dict:
    """MODEL.PARAM of a model with one head."""
    param = forecaster.config["MODEL"]["PARAM"]
    byot = param.get("BYOT", {}) | {"ENABLED": False, "AUX_HEAD_LAYERS": []}
    return param | {"num_layers": forecaster.num_layers, "BYOT": byot}


def backbone_weights(utp: UTP) -> dict[str, Tensor]:
    """The weights on the CPU, with the key names of a checkpoint."""
    return {f"utp.{key}": tensor.cpu() for key, tensor in utp.state_dict().items()}


def _program(forecaster: Forecaster, horizon: int) -> torch.export.ExportedProgram:
    model = copy.deepcopy(forecaster.model).cpu()
    graph = ForecastGraph(model, forecaster.context_length, horizon).eval()
    example = torch.linspace(0, 1, EXAMPLE[0] * EXAMPLE[1], dtype=torch.float64).view(EXAMPLE)
    shapes = ({0: Dim("batch", min=1), 1: Dim("length", min=1)},)
    return torch.export.export(graph, (example,), dynamic_shapes=shapes)


def _save(path: Path, content: dict) -> None:
    try:
        save_checkpoint(path.parent, path.name, content)
    except CheckpointError as error:
        raise OSError(str(error)) from None  # a disk error has status 1, wrong input status 2
