"""Checkpoints: saved, found, loaded, and read from UTPExp.

A checkpoint is a dict of tensors and plain values that `torch.load(weights_only=True)` opens:
`format_version, iteration, model_state_dict, optim_state_dict, best_metrics, config`, and what
exact resumption needs.
"""

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from models.byot import BYOTWrapper
from models.utp import UTP

FORMAT_VERSION = 1
LATEST, PREVIOUS, BEST = "latest.pt", "previous.pt", "best.pt"
SUMMARY = "summary.json"  # of a finished run


class CheckpointError(Exception):
    """A checkpoint that cannot be used, or a folder that holds one and must not."""


def save_checkpoint(folder: Path, name: str, checkpoint: dict, keep_previous: bool = True) -> None:
    """Writes a checkpoint so that a whole one is there at every moment.

    Args:
        folder: of the run.
        name: LATEST, BEST, or of an export.
        checkpoint: tensors and plain values.
        keep_previous: whether the latest one before it becomes previous.pt.

    Raises:
        CheckpointError: it cannot be written; what was there is as it was.
    """
    path = folder / name
    keep_as = folder / PREVIOUS if name == LATEST and keep_previous else None
    try:
        atomic_write(path, lambda file: torch.save(checkpoint, file), keep_as)
    except (OSError, RuntimeError) as error:  # torch.save raises both where the disk is full
        reason = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
        raise CheckpointError(f"{path} cannot be written: {reason}") from None


def atomic_write(path: Path, write: Callable[[BinaryIO], Any], keep_as: Path | None = None) -> None:
    """Writes a file aside, brings it to disk, and renames it to `path`.

    Args:
        path: of the file.
        write: writes its content.
        keep_as: the new name of the file that was at `path`, if there was one.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    aside = path.with_name(f".{path.name}.tmp")
    try:
        with open(aside, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if keep_as is not None and path.exists():
            path.replace(keep_as)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the renames too
    finally:
        os.close(folder)


def write_json(path: Path, content: dict) -> None:
    """Writes a JSON file, whole or not at all."""
    text = json.dumps(content, indent=2) + "\n"
    atomic_write(path, lambda file: file.write(text.encode()))


def find_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints that a run can resume from, the newest first; best.pt only where alone."""
    found = [folder / name for name in (LATEST, PREVIOUS, BEST) if (folder / name).is_file()]
    resumable = [path for path in found if path.name != BEST]
    return resumable or found


def load_newest(folder: Path) -> tuple[dict | None, Path | None, list[str]]:
    """The newest whole checkpoint of a run's folder.

    Returns:
        The checkpoint and its file, or None and None where there is none; and a line for every
        newer one that is damaged.

    Raises:
        CheckpointError: all are damaged.
    """
    damaged = []
    for path in find_checkpoints(folder):
        try:
            return load_checkpoint(path), path, damaged
        except CheckpointError as error:
            damaged.append(str(error))
    if damaged:
        raise CheckpointError(
            f"{'; '.join(damaged)}. No other checkpoint is left to go on from in {folder}: start "
            "again in another folder (--run-dir), from older weights if there are (--init-from)"
        )
    return None, None, []


def load_checkpoint(path: str | Path) -> dict:
    """Loads a checkpoint of this project or of UTPExp onto the CPU; it runs no code.

    Returns:
        The dict that was saved; its `model_state_dict` has this project's key names.

    Raises:
        CheckpointError: no such file, or not a checkpoint.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if archive.testzip():  # torch does not look at the checksums
                    raise zipfile.BadZipFile
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    except Exception:  # the unpickler raises many kinds, and advises to run what it refused
        raise CheckpointError(
            f"{path} is no whole checkpoint: torch.save did not write it, it is damaged, or it "
            "holds more than tensors and plain values"
        ) from None
    weights = checkpoint.get("model_state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(key, str) for key in weights):
        raise CheckpointError(f"{path} is not a checkpoint: it holds no model_state_dict")
    version = checkpoint.get("format_version", FORMAT_VERSION)
    if version != FORMAT_VERSION:
        raise CheckpointError(f"{path} has format {version}; this version reads {FORMAT_VERSION}")
    return checkpoint | {"model_state_dict": convert_names(checkpoint["model_state_dict"])}


def convert_names(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Key names of this project for a state dict of UTPExp (its own come out unchanged).

    UTPExp keeps the heads under `utp.aux_heads.`; DDP and torch.compile leave prefixes.
    """

    def convert(key: str) -> str:
        while key.startswith(("module.", "_orig_mod.")):
            key = key.partition(".")[2]
        return key.removeprefix("utp.") if key.startswith("utp.aux_heads.") else key

    return {convert(key): tensor for key, tensor in state_dict.items()}


def build_model(param: dict, arch: type[UTP] = UTP) -> BYOTWrapper:
    """The model of a configuration's MODEL.PARAM, freshly initialised."""
    utp = arch(**{key: value for key, value in param.items() if key != "BYOT"})
    byot = param.get("BYOT", {})
    return BYOTWrapper(utp, byot["AUX_HEAD_LAYERS"] if byot.get("ENABLED") else ())


def load_model(path: str | Path, param: dict | None = None) -> BYOTWrapper:
    """Rebuilds the model of a checkpoint, on the CPU, in evaluation mode.

    Args:
        path: a checkpoint of this project or of UTPExp.
        param: a MODEL.PARAM, for UTPExp's files, which hold no configuration.

    Raises:
        CheckpointError: not a checkpoint, no configuration, or weights that do not fit it.
    """
    return model_of(load_checkpoint(path), path, param)


def model_of(checkpoint: dict, path: str | Path, param: dict | None = None) -> BYOTWrapper:
    """`load_model` for a checkpoint that is loaded already; `path` is for its errors."""
    if param is None:
        if "format_version" not in checkpoint or "config" not in checkpoint:
            raise CheckpointError(
                f"{path} holds no configuration, as UTPExp's files do not; say which model it is "
                "(--param CONFIG, or load_model's param)"
            )
        param = checkpoint["config"]["MODEL"]["PARAM"]
    model = build_model(param)
    new, left_out = load_weights(model, checkpoint["model_state_dict"], path)
    if new or left_out:
        raise CheckpointError(
            f"{path}: its heads are not those of MODEL.PARAM.BYOT (ENABLED False where it has "
            f"none); missing on layers {new}, unexpected on layers {left_out}"
        )
    return model.eval()


def load_weights(
    model: BYOTWrapper, state_dict: dict[str, Tensor], path: str | Path
) -> tuple[list[int], list[int]]:
    """Loads the backbone strictly, and the auxiliary heads that both sides have.

    Args:
        model: takes the weights.
        state_dict: with this project's key names.
        path: where it comes from, for the error.

    Returns:
        The layers whose heads stay new, and the layers whose weights were left out.

    Raises:
        CheckpointError: a tensor is missing, unexpected, or of another shape.
    """
    given = dict(state_dict)
    if model.utp.reg_token is None:
        given.pop("utp.reg_token", None)  # UTPExp's files hold it even where it is unused
    own = model.state_dict()
    heads = {int(key.split(".")[1]) for key in given if key.startswith("aux_heads.")}
    new = sorted(set(model.aux_head_layers) - heads)
    left_out = sorted(heads - set(model.aux_head_layers))
    for layers, weights in ((left_out, given), (new, own)):
        for layer in layers:
            for key in [k for k in weights if k.startswith(f"aux_heads.{layer}.")]:
                del weights[key]
    for key in sorted(own.keys() | given.keys()):
        if key not in given:
            raise CheckpointError(f"{path} lacks {key}, which this model needs")
        if key not in own:
            raise CheckpointError(f"{path} holds {key}, which this model does not have")
        if own[key].shape != given[key].shape:
            found, needed = list(given[key].shape), list(own[key].shape)
            raise CheckpointError(f"{path}: {key} has shape {found}; this model needs {needed}")
    model.load_state_dict(given, strict=not new)
    return new, left_out
