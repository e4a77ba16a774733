"""Saves, finds and loads checkpoints of this project, and loads checkpoints of UTPExp.

A checkpoint is a dict of tensors and plain values that `torch.load(weights_only=True)` opens:
`format_version, iteration, model_state_dict, optim_state_dict, best_metrics, config`, and the
state that an exact resumption needs. A folder with model.safetensors and config.json holds a model
without the state of its training; nothing in it is pickled.
"""

import json
import shlex
import zipfile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from config import identity
from models.byot import BYOTWrapper
from models.utp import UTP
from runners.atomic import atomic_write, write_json

FORMAT_VERSION = 1
LATEST, PREVIOUS, BEST = "latest.pt", "previous.pt", "best.pt"
SUMMARY = "summary.json"  # written when a run finishes
WEIGHTS, FOLDER_CONFIG = "model.safetensors", "config.json"  # names of HuggingFace's hub
GRAPHS = (".onnx", ".pt2")
ANY_FIT = "max_context_length", "max_query_length"  # keys of MODEL.PARAM; weights fit any of them


class CheckpointError(Exception):
    """A checkpoint or the folder of a run cannot be used; the message gives the reason."""


class FormatError(CheckpointError):
    """A checkpoint that another version of this project wrote; it is whole."""


def save_checkpoint(folder: Path, name: str, checkpoint: dict, keep_previous: bool = True) -> None:
    """Writes a checkpoint atomically: at any time the old or the new file is complete on disk.

    Args:
        folder: folder of the run.
        name: file name, such as LATEST or BEST.
        checkpoint: tensors and plain values.
        keep_previous: whether the old latest.pt becomes previous.pt.

    Raises:
        CheckpointError: the file cannot be written; existing files are unchanged.
    """
    path = folder / name
    keep_as = folder / PREVIOUS if name == LATEST and keep_previous else None
    try:
        atomic_write(path, lambda file: torch.save(checkpoint, file), keep_as)
    except (OSError, RuntimeError) as error:  # torch.save raises either if the disk is full
        reason = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
        raise CheckpointError(f"{path} cannot be written: {reason}") from None


def save_folder(folder: Path, checkpoint: dict) -> None:
    """Writes model.safetensors and config.json into a folder.

    Args:
        folder: an existing folder.
        checkpoint: `model_state_dict` and plain values.

    Raises:
        OSError: a file cannot be written.
    """
    weights = safetensors.torch.save(checkpoint["model_state_dict"], metadata={"format": "pt"})
    atomic_write(folder / WEIGHTS, lambda file: file.write(weights))
    facts = {key: value for key, value in checkpoint.items() if key != "model_state_dict"}
    write_json(folder / FOLDER_CONFIG, {"model_type": "utp"} | facts)


def load_folder(folder: Path) -> dict:
    """The checkpoint in a folder that `save_folder` wrote.

    Raises:
        CheckpointError: a file is missing, damaged, or not this project's.
    """
    if find_checkpoints(folder):
        raise CheckpointError(f"{folder} is the folder of a run; give its {BEST} or {LATEST}")
    for name in (FOLDER_CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder} holds no {name}; a folder is a model if it holds {FOLDER_CONFIG} and "
                f"{WEIGHTS}, as runners.export --format safetensors writes them"
            )
    try:
        content = json.loads((folder / FOLDER_CONFIG).read_bytes())
        param = content["config"]["MODEL"]["PARAM"]
        if content.pop("model_type") != "utp" or not isinstance(param, dict):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CheckpointError(
            f"{folder / FOLDER_CONFIG} is not a configuration that runners.export wrote"
        ) from None
    try:
        content["model_state_dict"] = safetensors.torch.load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{folder / WEIGHTS} is damaged: {error}") from None
    return content


def find_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints that a run can resume from, newest first; best.pt only if it is alone."""
    found = [folder / name for name in (LATEST, PREVIOUS, BEST) if (folder / name).is_file()]
    resumable = [path for path in found if path.name != BEST]
    return resumable or found


def occupied(folder: Path) -> CheckpointError:
    """The error of a new run in a folder that holds checkpoints of another one."""
    return CheckpointError(
        f"{folder} holds a checkpoint already; continue from it with --resume, choose another "
        "folder with --run-dir, or, if it was only a trial, remove it: "
        f"rm -r {shlex.quote(str(folder))}"
    )


def load_newest(folder: Path) -> tuple[dict | None, Path | None, list[str]]:
    """Loads the newest undamaged checkpoint in the folder of a run.

    Returns:
        The checkpoint and its path (None and None if there is no checkpoint), and an error
        message for each newer checkpoint that is damaged.

    Raises:
        CheckpointError: all checkpoints are damaged, or one has a format of another version.
    """
    damaged, found = [], find_checkpoints(folder)
    for path in found:
        try:
            return load_checkpoint(path), path, damaged
        except FormatError:
            raise  # an older checkpoint must not take its place
        except CheckpointError as error:
            damaged.append(str(error))
    if damaged:
        rest = (
            f"{folder} holds no other checkpoint: start again in another folder (--run-dir); "
            "--init-from CHECKPOINT starts from saved weights"
        )
        best = folder / BEST
        if best.is_file() and best not in found:  # it may be much older, so the user decides
            rest = f"To continue from {best}, remove {LATEST} and {PREVIOUS}"
        raise CheckpointError(f"{'; '.join(damaged)}. {rest}")
    return None, None, []


def load_checkpoint(path: str | Path) -> dict:
    """Loads a checkpoint of this project or of UTPExp, or an exported folder, onto the CPU.

    It is safe for files from others: loading runs no code from the file.

    Returns:
        The saved dict; the keys of `model_state_dict` are renamed to those of this project.

    Raises:
        CheckpointError: the file is missing, damaged, or not a checkpoint.
    """
    path = Path(path)
    if path.suffix in GRAPHS:
        raise CheckpointError(
            f"{path} is an exported graph, which other programs run (docs/export.md); give the "
            "checkpoint that it was made from"
        )
    if path.suffix == ".safetensors" and path.is_file():
        raise CheckpointError(f"{path}: give the folder, which has the configuration too")
    checkpoint = load_folder(path) if path.is_dir() else _load_file(path)
    weights = checkpoint.get("model_state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(key, str) for key in weights):
        raise CheckpointError(f"{path} is not a checkpoint: it holds no model_state_dict")
    version = checkpoint.get("format_version", FORMAT_VERSION)
    if version != FORMAT_VERSION:
        raise FormatError(f"{path} has format {version}; this code reads {FORMAT_VERSION}")
    try:
        stored_param(checkpoint)
    except (KeyError, TypeError):
        raise CheckpointError(f"{path} is not a checkpoint: config holds no MODEL.PARAM") from None
    return checkpoint | {"model_state_dict": convert_names(checkpoint["model_state_dict"])}


def _load_file(path: Path) -> Any:
    """What torch.save wrote."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if archive.testzip():  # torch does not verify the checksums
                    raise zipfile.BadZipFile
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    except Exception:  # the unpickler raises many kinds; its messages suggest unsafe loading
        raise CheckpointError(
            f"{path} is no whole checkpoint, such as a run's {BEST}: torch.save did not write it, "
            "it is damaged, or it holds more than tensors and plain values"
        ) from None


def convert_names(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Renames the keys of a UTPExp state dict to those of this project.

    UTPExp stores the heads under `utp.aux_heads.`, and its keys may have the prefixes of DDP and
    torch.compile. Keys of this project stay unchanged.
    """

    def convert(key: str) -> str:
        while key.startswith(("module.", "_orig_mod.")):
            key = key.partition(".")[2]
        return key.removeprefix("utp.") if key.startswith("utp.aux_heads.") else key

    return {convert(key): tensor for key, tensor in state_dict.items()}


def build_model(param: dict, arch: type[UTP] = UTP) -> BYOTWrapper:
    """Builds a model with new initial weights.

    Args:
        param: MODEL.PARAM of a configuration.
        arch: class of the backbone.
    """
    utp = arch(**{key: value for key, value in param.items() if key != "BYOT"})
    byot = param.get("BYOT", {})
    return BYOTWrapper(utp, byot["AUX_HEAD_LAYERS"] if byot.get("ENABLED") else ())


def load_model(path: str | Path, param: dict | None = None) -> BYOTWrapper:
    """Rebuilds the model of a checkpoint, on the CPU, in evaluation mode.

    Args:
        path: a checkpoint of this project or of UTPExp.
        param: a MODEL.PARAM; needed for UTPExp's files, which hold no configuration.

    Raises:
        CheckpointError: the file is not a checkpoint, it holds no configuration and `param` is
            not given, or the weights do not fit the model.
    """
    return model_of(load_checkpoint(path), path, param)


def model_of(checkpoint: dict, path: str | Path, param: dict | None = None) -> BYOTWrapper:
    """The same as `load_model`, for a loaded checkpoint; `path` is for error messages."""
    if param is None:
        param = stored_param(checkpoint)
        if param is None:
            hint = "give it with --param CONFIG, or with the argument param of load_model"
            raise CheckpointError(f"{path} holds no configuration, as UTPExp's files; {hint}")
    try:
        model = build_model(param)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: no model has its MODEL.PARAM here ({error})") from None
    new, left_out = load_weights(model, checkpoint, path, param)
    if new or left_out:
        raise CheckpointError(
            f"{path}: its heads are not those of MODEL.PARAM.BYOT; missing on layers {new}, "
            f"unexpected on layers {left_out} (set ENABLED False for a checkpoint without heads)"
        )
    return model.eval()


def stored_param(checkpoint: dict) -> dict | None:
    """MODEL.PARAM of a loaded checkpoint; None if it holds none, like UTPExp's files."""
    if "format_version" not in checkpoint or "config" not in checkpoint:
        return None
    return checkpoint["config"]["MODEL"]["PARAM"]


def fitting_overrides(stored: dict, param: dict) -> list[str]:
    """The overrides that make the model of a configuration fit the weights of a checkpoint.

    Args:
        stored: MODEL.PARAM of the checkpoint.
        param: MODEL.PARAM of the configuration.

    Returns:
        `KEY=VALUE` for each key that differs, quoted for a shell. The largest lengths are left
        out, since any weights fit them, and so are the heads, unless the configuration has one
        on a layer that the checkpoint lacks.
    """
    prefix = "MODEL.PARAM."
    then, now = (
        identity.with_defaults(identity.flatten({"MODEL": {"PARAM": identity.to_plain(part)}}))
        for part in (stored, param)
    )
    left_out = f"{prefix}BYOT.", *(f"{prefix}{name}" for name in ANY_FIT)
    changes = {
        key: value
        for key, (value, _) in identity.differences(then, now).items()
        if not key.startswith(left_out)
    }
    enabled, layers = f"{prefix}BYOT.ENABLED", f"{prefix}BYOT.AUX_HEAD_LAYERS"
    depth = then[f"{prefix}num_layers"]
    if now[enabled] and any(layer >= depth for layer in now[layers]):
        changes |= {layers: then[layers]} if then[enabled] else {enabled: False}
    return [shlex.quote(f"{key}={value}") for key, value in changes.items()]


def load_weights(
    model: BYOTWrapper, checkpoint: dict, path: str | Path, param: dict
) -> tuple[list[int], list[int]]:
    """Loads all weights of the backbone, and of the heads that model and state dict share.

    Args:
        model: model to load the weights into.
        checkpoint: a checkpoint of `load_checkpoint`.
        path: its file, for error messages.
        param: MODEL.PARAM of the model, for error messages.

    Returns:
        The layers whose heads keep their initial weights, and the layers whose heads the model
        does not have.

    Raises:
        CheckpointError: a tensor is missing, unexpected, or has another shape, or the weights
            mean another model; the message names the settings that fit, where they are known.
    """
    given = dict(checkpoint["model_state_dict"])
    if model.utp.reg_token is None:
        given.pop("utp.reg_token", None)  # UTPExp's files hold it even if it is not used
    own = model.state_dict()
    parts = [key.split(".") for key in given if key.startswith("aux_heads.")]
    heads = {int(layer) for _, layer, *_ in parts if layer.isdecimal()}
    new = sorted(set(model.aux_head_layers) - heads)
    left_out = sorted(heads - set(model.aux_head_layers))
    for layers, weights in ((left_out, given), (new, own)):
        for layer in layers:
            for key in [k for k in weights if k.startswith(f"aux_heads.{layer}.")]:
                del weights[key]
    stored = stored_param(checkpoint)
    fitting = fitting_overrides(stored, param) if stored else []
    misfit = _misfit(own, given, path)
    if misfit or fitting:
        misfit = misfit or f"{path} was trained as another model than MODEL.PARAM says"
        hint = f"; the checkpoint fits {' '.join(fitting)}" if fitting else ""
        raise CheckpointError(misfit + hint)
    model.load_state_dict(given, strict=not new)
    return new, left_out


def _misfit(own: dict[str, Tensor], given: dict[str, Tensor], path: str | Path) -> str | None:
    """Says which tensor of a file does not fit; the first one, or None if all fit.

    Args:
        own: weights of the model.
        given: weights of the file.
        path: the file.
    """
    for key in sorted(own.keys() | given.keys()):
        if key not in given:
            return f"{path} lacks {key}, which this model needs"
        if key not in own:
            return f"{path} holds {key}, which this model does not have"
        if own[key].shape != given[key].shape:
            found, needed = list(given[key].shape), list(own[key].shape)
            return f"{path}: {key} has shape {found}; this model needs {needed}"
    return None
