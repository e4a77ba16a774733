"""Trains UTP with BYOT: one loop, from the corpus to the meters.

Shapes: B batch of one process, L context, H horizon, Q quantiles.
"""

import logging
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from easydict import EasyDict
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from data.corpus import CorpusError
from data.windows import Batch, batch_ranges
from losses.byot import byot_losses, huber_loss
from models.byot import Forecasts
from runners import checkpoint, distributed
from runners.batches import StepBatches, open_corpus
from runners.checkpoint import CheckpointError
from runners.distributed import PeerLostError, peak_memory
from runners.keeper import Keeper
from runners.meters import Meters, loss_names, loss_values
from runners.metrics import calibration, calibration_names
from runners.optimization import StepGuard, cosine_warmup
from runners.run_log import RunLog
from runners.stopping import Stopped, StopRequest, TrainingError
from runners.validation_figures import ValidationFigures

TIMED_STEPS = 2  # tell how long the run takes; the first step, which compiles, is not one


class UTPRunner:
    """Trains the model of a resolved configuration.

    Building one checks and reads everything that training needs, and writes nothing but a missing
    synthetic corpus.

    Args:
        config: as `config.loading.resolve` returns it.
        resume: go on from the checkpoint in the run's folder.
        init_from: a checkpoint whose weights to start from.

    Raises:
        CorpusError: the corpus is missing or damaged.
        CheckpointError: the run's folder holds a checkpoint and `resume` is not given, or a
            checkpoint is unusable.
    """

    def __init__(self, config: EasyDict, resume: bool = False, init_from: str | Path | None = None):
        self.config = config
        self.run_dir = Path(config.TRAIN.CKPT_SAVE_DIR)
        found = bool(checkpoint.find_checkpoints(self.run_dir))
        if found and not resume:
            raise CheckpointError(
                f"{self.run_dir} holds a checkpoint already; go on from it with --resume, or "
                "choose another folder with --run-dir"
            )
        self.process = distributed.start(config.GPU_NUM, config.TRAIN.PEER_TIMEOUT)
        self.device = self.process.device
        self.train_windows, self.valid_windows = open_corpus(config, self.process)

        train = config.TRAIN
        per_process = train.DATA.BATCH_SIZE * train.GRAD_ACCUMULATION_STEPS
        self.global_batch = per_process * self.process.world_size
        torch.manual_seed(config.ENV.SEED)
        self.wrapper = checkpoint.build_model(config.MODEL.PARAM, config.MODEL.ARCH).to(self.device)
        self.notes = []  # for the log, which does not exist yet
        if init_from and not (found and resume):
            self._init_weights(init_from)
        quantiles = self.wrapper.utp.quantiles
        self.quantiles = None if quantiles is None else torch.tensor(quantiles, device=self.device)
        byot = config.MODEL.PARAM.BYOT
        # Off is the baseline: the plain loss, whatever the weights say.
        self.weights = byot.LOSS_WEIGHTS if byot.ENABLED else {"loss_gt": 1.0, "loss_soft": 0.0}
        wants_bfloat16 = config.MODEL.DTYPE == "bfloat16"
        self.bfloat16 = wants_bfloat16 and distributed.has_bfloat16(self.device)
        if wants_bfloat16 and not self.bfloat16:
            self.notes.append(
                "MODEL.DTYPE: this CPU has no AMX or AVX512-BF16; training in float32"
            )

        self.optimizer = torch.optim.AdamW(self.wrapper.parameters(), **train.OPTIM.PARAM)
        self.guard = StepGuard(train.MAX_SKIPPED_STEPS, self.device)
        names = loss_names(self.wrapper.aux_head_layers)
        self.meters = Meters([*names, "grad_norm"], self.device)
        self.iteration = 0
        self.validation = {}  # the last one's meters
        # Seconds of training, without validating and saving; bytes.
        self.cost = {"seconds": 0.0, "peak_memory": 0}
        draws = config.VAL.FIGURES and self.process.is_main
        self.pictures = ValidationFigures(self.wrapper) if draws else None
        self.keeper = Keeper(self.run_dir, checkpoint.to_plain(config), self.process)
        if resume:
            self._resume()
        if train.COMPILE_MODEL:
            self.wrapper.compile()  # in place: no prefix in the checkpoint's keys
        self.model = self.wrapper
        if self.process.world_size > 1:
            # The one buffer, the rotary table, is a constant.
            self.model = DistributedDataParallel(self.wrapper, forward_sync_buffers=False)

    def train(self) -> dict[str, float]:
        """Trains until NUM_ITERATIONS and returns the last validation's meters.

        SIGTERM and SIGINT finish the step in hand, on all processes, and save.

        Raises:
            Stopped: a signal asked for it.
            TrainingError: MAX_SKIPPED_STEPS steps in a row had non-finite numbers, or the last
                checkpoint could not be written.
            PeerLostError: another process died or hangs.
        """
        train = self.config.TRAIN
        pin_memory = train.DATA.PIN_MEMORY and self.device.type == "cuda"
        self.keeper.lock(make_folder=True)
        self.batches = StepBatches(
            self.train_windows, train, self.process, self.iteration, pin_memory
        )
        self.log = RunLog(
            self.run_dir,
            self.iteration,
            train.NUM_ITERATIONS,
            self.process.is_main,
            self.validation,
        )
        try:
            with StopRequest() as stop, distributed.naming_lost_peers():
                self._begin()
                first = self.iteration
                self._loop(stop)
                # The last step validates; a finished run, resumed, trains none.
                validation = self.validation if self.iteration > first else self.validate()
                self.log.table(validation, self.wrapper.aux_head_layers, self.iteration)
                self.keeper.check()
                self._write_summary(validation)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):  # raised wherever the step was
                raise
            raise TrainingError(str(error).partition("\n")[0]) from None
        except (Stopped, TrainingError, CorpusError, PeerLostError) as error:
            self.log.say(f"iteration {self.iteration}: {error}", logging.ERROR)
            raise
        finally:
            self.batches.close()
            self.log.close()
            self.keeper.unlock()
        return validation

    def _loop(self, stop: StopRequest) -> None:
        train, num_iterations = self.config.TRAIN, self.config.TRAIN.NUM_ITERATIONS
        horizon = self.config.DATASET.PARAM.target_length
        seed, world_size = self.config.ENV.SEED, self.process.world_size
        schedule = train.LR_SCHEDULER.PARAM
        max_norm = train.CLIP_GRAD_PARAM.max_norm or torch.inf
        parameters = list(self.wrapper.parameters())
        self.model.train()
        started = logged = time.perf_counter()
        began = started - self.cost["seconds"]
        first, last_logged = self.iteration, self.iteration

        while self.iteration < num_iterations:
            # The micro-batches of one step, and N, its valid label steps on all processes.
            micro_batches = self.batches.next()
            own_valid = sum(int(batch.mask.sum()) for batch in micro_batches)
            told = distributed.exchange(own_valid, stop.signum, not micro_batches)
            all_valid, signals, failures = zip(*told, strict=True)
            if any(signals) or any(failures):
                self.cost["seconds"] = time.perf_counter() - began
                self._stop(max(signals), failures)
            num_valid = torch.full((), float(sum(all_valid)), device=self.device)

            # Forward and backward: losses are shares of the step's mean, they and gradients add up.
            shares = 0.0
            for i, batch in enumerate(micro_batches):
                batch = Batch(*(part.to(self.device, non_blocking=True) for part in batch))
                syncs = i == len(micro_batches) - 1 or world_size == 1
                with nullcontext() if syncs else self.model.no_sync():
                    forecasts = self._forward(self.model, batch.context, horizon)
                    total, values = self._losses(forecasts, batch, num_valid)
                    (total * world_size).backward()  # DDP averages over processes
                shares = shares + values

            # Step, unless a number is not finite.
            grad_norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
            lr = train.OPTIM.PARAM.lr * cosine_warmup(
                self.iteration, schedule.num_warmup_steps, schedule.num_training_steps
            )
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            skipped = self.guard.check(shares[0], grad_norm)
            self.optimizer.found_inf = skipped
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            sums = torch.cat([shares * num_valid, (grad_norm * own_valid).double().view(1)])
            self.meters.add(
                torch.where(skipped > 0, 0.0, sums),
                torch.where(skipped > 0, 0.0, float(own_valid)),
            )
            self.iteration += 1
            self.log.progress.update()

            # Log: the only reads from the device.
            if self.iteration - first in (1, 1 + TIMED_STEPS):
                grad_norm.item()  # what has been asked of the device is done
                seconds = (time.perf_counter() - started) / TIMED_STEPS
                if self.iteration - first > 1:
                    self.log.warn_if_long(seconds, num_iterations - self.iteration)
                started = time.perf_counter()
            saves = self._is_due(train.CKPT_SAVE_STRATEGY) or self._is_due(self.config.VAL.INTERVAL)
            if saves or self._is_due(train.LOG_INTERVAL):
                skipped_steps = self.guard.check_limit(self.iteration, self.global_batch, seed)
                self.log.skipped(skipped_steps, self.iteration)
            if self._is_due(train.LOG_INTERVAL):
                averages = self.meters.averages()
                steps, now = self.iteration - last_logged, time.perf_counter()
                rate = steps * self.global_batch / (now - logged)
                others = {"lr": lr, "samples_per_second": rate, "skipped_steps": skipped_steps}
                self.log.training(averages | others, self.iteration)
                last_logged, logged = self.iteration, now

            # Validate and save; the time it takes is not the training's.
            paused = time.perf_counter()
            self.cost["seconds"] = paused - began
            if self._is_due(self.config.VAL.INTERVAL):
                before, self.validation = self.validation, self.validate()
                is_best = self.keeper.is_best(self.validation)
                drawn = self.pictures.draw(self.validation, before) if self.pictures else {}
                self.log.validation(self.validation, self.iteration, is_best, drawn)
                if is_best:
                    self.keeper.save_best(self._state(), self.validation, self.log)
            if self._is_due(train.CKPT_SAVE_STRATEGY):
                self.keeper.save_latest(self._state(), self.log)
            paused_for = time.perf_counter() - paused
            began, logged = began + paused_for, logged + paused_for

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The meters of validation, averaged over the same windows at every call."""
        param = self.config.DATASET.PARAM
        levels = self.wrapper.utp.quantiles
        names = [*loss_names(self.wrapper.aux_head_layers), *calibration_names(levels)]
        meters = Meters(names, self.device)
        size, count = self.config.VAL.DATA.BATCH_SIZE, param.num_valid_samples
        self.wrapper.eval()
        for samples in batch_ranges(0, size, self.process.rank, self.process.world_size):
            if samples.start >= count:
                break
            windows = self.valid_windows.__getitems__(
                range(samples.start, min(samples.stop, count))
            )
            batch = Batch(*(part.to(self.device) for part in windows))
            forecasts = self._forward(self.wrapper, batch.context, param.target_length)
            num_valid = batch.mask.sum()
            _, values = self._losses(forecasts, batch, num_valid)
            shares = calibration(forecasts.teacher, batch.labels, batch.mask, levels)
            meters.add(torch.cat([values, shares]) * num_valid, num_valid)
            if self.pictures:
                self.pictures.keep(batch, forecasts, is_first=samples.start == 0)
        self.wrapper.train()
        return meters.averages()

    def _forward(self, model: torch.nn.Module, context: Tensor, horizon: int) -> Forecasts:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            return model(context, horizon)

    def _losses(
        self, forecasts: Forecasts, batch: Batch, num_valid: Tensor
    ) -> tuple[Tensor, Tensor]:
        """L_total, and all loss meters as [meters]; both are shares of a mean over num_valid."""
        losses = byot_losses(forecasts, batch.labels, batch.mask, self.quantiles, num_valid)
        total = losses.total(**self.weights)
        with torch.no_grad():
            median = forecasts.teacher[..., self.wrapper.utp.median]
            huber = huber_loss(median, batch.labels, batch.mask, num_valid=num_valid)
        return total, loss_values(total, losses, huber)

    def _stop(self, signum: int, failures: tuple[int, ...]) -> None:
        """Saves between two steps and ends the training."""
        self.keeper.save_latest(self._state(), self.log)
        self.keeper.check()
        if any(failures):
            ranks = [rank for rank, failed in enumerate(failures) if failed]
            raise self.batches.failure or TrainingError(f"no more data in process(es) {ranks}")
        raise Stopped(signum)

    def _is_due(self, interval: int) -> bool:
        return self.iteration % interval == 0 or self.iteration == self.config.TRAIN.NUM_ITERATIONS

    def _init_weights(self, path: str | Path) -> None:
        state_dict = checkpoint.load_checkpoint(path)["model_state_dict"]
        new, left_out = checkpoint.load_weights(self.wrapper, state_dict, path)
        self.notes.append(
            f"initial weights from {path}; new heads on layers {new}, heads left out {left_out}"
        )

    def _resume(self) -> None:
        self.keeper.lock()
        state, lines = self.keeper.find()
        self.notes += lines
        if state is None:
            return
        self.wrapper.load_state_dict(state["model_state_dict"])
        self.optimizer.load_state_dict(state["optim_state_dict"])
        self.guard.load_state_dict(state["guard"])
        if self.process.is_main:
            self.meters.load_state(state["meters"])
        self.iteration = state["iteration"]
        self.cost = state.get("cost", self.cost)  # older checkpoints have none, and no validation
        self.validation = state.get("validation", {})

    def _state(self) -> dict:
        """All that an exact resumption needs; every process must call this."""
        self.cost["peak_memory"] = max(self.cost["peak_memory"], peak_memory(self.device))
        return {
            "iteration": self.iteration,
            "cost": dict(self.cost),
            "validation": self.validation,
            "model_state_dict": self.wrapper.state_dict(),
            "optim_state_dict": self.optimizer.state_dict(),
            "guard": self.guard.state_dict(),
            "meters": self.meters.state(),
        }

    def _begin(self) -> None:
        """Writes the configuration beside the results, and says what is trained."""
        if self.process.is_main:
            (self.run_dir / checkpoint.SUMMARY).unlink(missing_ok=True)  # of its last end
            checkpoint.write_json(self.run_dir / "config.json", self.keeper.config)
        parameters = sum(p.numel() for p in self.wrapper.parameters())
        self.log.say(
            f"{self.config.MODEL.NAME}: {parameters:,} parameters, students on layers "
            f"{list(self.wrapper.aux_head_layers)}; {self.process.world_size} process(es) on "
            f"{self.device.type}, {'bfloat16' if self.bfloat16 else 'float32'}, "
            f"{self.global_batch} windows a step; run folder {self.run_dir}"
        )
        for note in self.notes:
            self.log.say(note)
        self.log.settings(
            checkpoint.flatten(self.keeper.config), self.wrapper.aux_head_layers, self.iteration
        )

    def _write_summary(self, validation: dict[str, float]) -> None:
        """The end of a run, for programs."""
        if self.process.is_main:
            summary = {"iteration": self.iteration, "validation": validation} | self.cost
            summary["machine"] = distributed.machine(self.device)
            checkpoint.write_json(self.run_dir / checkpoint.SUMMARY, summary)
