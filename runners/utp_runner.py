"""Trains UTP with BYOT: the training loop and the validation.

Shapes: B batch of one process, L context, H horizon, Q quantiles.
"""

import logging
from contextlib import nullcontext
from pathlib import Path

import torch
from easydict import EasyDict
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from config import identity
from data.corpus import CorpusError
from data.provenance import join, made_of
from data.windows import Batch, batch_ranges
from losses.byot import byot_losses, huber_loss
from models.byot import Forecasts
from runners import checkpoint, distributed
from runners.atomic import write_json
from runners.distributed import PeerLostError
from runners.tracking.calibration import calibration, calibration_names
from runners.tracking.meters import Meters, loss_names, loss_values
from runners.tracking.run_log import RunLog
from runners.tracking.validation_figures import CURVES, ValidationFigures
from runners.training import devices
from runners.training.checkpoint_manager import CheckpointManager
from runners.training.loader import DATASETS, StepBatches, open_corpus
from runners.training.optimization import StepGuard, set_learning_rate
from runners.training.stopping import Stopped, StopRequest, TrainingError
from runners.training.stopwatch import Stopwatch, estimate_step


class UTPRunner:
    """Trains the model of a configuration.

    The constructor checks and reads everything that training needs. It writes only a missing
    synthetic corpus.

    Args:
        config: configuration from `config.loading.load_config`.
        resume: continue from the checkpoint in the folder of the run.
        init_from: checkpoint with the initial weights; they are validated before the first step,
            and are the first best.pt.

    Raises:
        ConfigError: GPU_NUM does not fit this machine, or there is no such corpus.
        CorpusError: the corpus is damaged.
        CheckpointError: the folder of the run holds a checkpoint but `resume` is False, or a
            checkpoint cannot be used.
    """

    def __init__(self, config: EasyDict, resume: bool = False, init_from: str | Path | None = None):
        self.config = config = devices.resolve_devices(config)
        self.run_dir = Path(config.TRAIN.CKPT_SAVE_DIR)
        found = bool(checkpoint.find_checkpoints(self.run_dir))
        if found and not resume:
            raise checkpoint.occupied(self.run_dir)
        self.process = distributed.start(config.GPU_NUM, config.TRAIN.PEER_TIMEOUT)
        self.device = self.process.device
        self.train_windows, self.valid_windows = open_corpus(config, self.process)

        train = config.TRAIN
        per_process = train.DATA.BATCH_SIZE * train.GRAD_ACCUMULATION_STEPS
        self.global_batch = per_process * self.process.world_size
        torch.manual_seed(config.ENV.SEED)
        self.wrapper = checkpoint.build_model(config.MODEL.PARAM, config.MODEL.ARCH).to(self.device)
        self.corpus = made_of(DATASETS / config.DATASET.NAME)
        self.notes = []  # lines for the log, which `train` opens
        self.init_from = None if found and resume else init_from
        if self.init_from:
            self._init_weights(self.init_from)
        elif init_from:
            self.notes.append(f"--init-from {init_from} is not used: the run is resumed")
        quantiles = self.wrapper.utp.quantiles
        self.quantiles = None if quantiles is None else torch.tensor(quantiles, device=self.device)
        byot = config.MODEL.PARAM.BYOT
        # With ENABLED False the loss is the baseline's, so the configured weights are not used.
        self.weights = byot.LOSS_WEIGHTS if byot.ENABLED else {"loss_gt": 1.0, "loss_soft": 0.0}
        wants_bfloat16 = config.MODEL.DTYPE == "bfloat16"
        self.bfloat16 = wants_bfloat16 and devices.has_bfloat16(self.device)
        if wants_bfloat16 and not self.bfloat16:
            self.notes.append(
                "MODEL.DTYPE: this CPU has no AMX or AVX512-BF16; training in float32"
            )

        self.notes += devices.choose_attention(config, self.device, self.bfloat16)

        self.optimizer = torch.optim.AdamW(self.wrapper.parameters(), **train.OPTIM.PARAM)
        self.guard = StepGuard(train.MAX_SKIPPED_STEPS, self.device)
        names = loss_names(self.wrapper.aux_head_layers)
        self.meters = Meters([*names, "grad_norm"], self.device)
        self.iteration = 0
        self.validation = {}  # meters of the last validation
        # Training seconds without validating and saving; peak memory in bytes.
        self.cost = {"seconds": 0.0, "peak_memory": 0}
        draws = config.VAL.FIGURES and self.process.is_main
        self.pictures = ValidationFigures(self.wrapper) if draws else None
        plain = identity.to_plain(config)
        self.checkpoints = CheckpointManager(self.run_dir, plain, self.process)
        if resume:
            self._resume()
        if train.COMPILE_MODEL:
            self.wrapper.compile()  # compiles in place: the checkpoint's keys get no prefix
        self.model = self.wrapper
        if self.process.world_size > 1:
            # The only buffer, the rotary table, is constant.
            self.model = DistributedDataParallel(self.wrapper, forward_sync_buffers=False)

    def train(self) -> dict[str, float]:
        """Trains until NUM_ITERATIONS, or until PATIENCE is lost.

        After SIGTERM or SIGINT all processes finish the current step, save, and stop.

        Returns:
            The meters of the last validation.

        Raises:
            Stopped: a signal has stopped the training.
            TrainingError: MAX_SKIPPED_STEPS steps in a row had non-finite numbers, or the last
                checkpoint could not be written.
            PeerLostError: another process died or hangs.
        """
        train = self.config.TRAIN
        pin_memory = train.DATA.PIN_MEMORY and self.device.type == "cuda"
        self.notes += self.checkpoints.lock(make_folder=True)
        self.batches = StepBatches(
            self.train_windows, train, self.process, self.iteration, pin_memory
        )
        is_main, length = self.process.is_main, train.NUM_ITERATIONS
        layers = self.wrapper.aux_head_layers
        self.log = RunLog(self.run_dir, self.iteration, length, is_main, layers, self.validation)
        try:
            with StopRequest() as stop, distributed.naming_lost_peers():
                self._begin()
                if self.init_from:
                    self._validate_and_save_best()
                first = self.iteration
                self._loop(stop)
                if self.iteration < train.NUM_ITERATIONS:
                    self.log.say(f"iteration {self.iteration}: {self.checkpoints.describe_end()}")
                # The last step validates. A finished run that is resumed has no step to train.
                validation = self.validation if self.iteration > first else self.validate()
                self.log.table(validation, self.iteration)
                if self.pictures:
                    self.pictures.save_curves(self.checkpoints.history, self.run_dir / CURVES)
                self.checkpoints.check()
                self._write_summary(validation)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):  # a killed worker raises at any line
                raise
            line = str(error).partition("\n")[0]
            self.log.say(f"iteration {self.iteration}: {line}", logging.ERROR)
            raise TrainingError(line) from None
        except (Stopped, TrainingError, CorpusError, PeerLostError) as error:
            self.log.say(f"iteration {self.iteration}: {error}", logging.ERROR)
            raise
        finally:
            self.batches.close()
            self.log.close()
            self.checkpoints.unlock()
        return validation

    def _loop(self, stop: StopRequest) -> None:
        train, num_iterations = self.config.TRAIN, self.config.TRAIN.NUM_ITERATIONS
        horizon, val_interval = self.config.DATASET.PARAM.target_length, self.config.VAL.INTERVAL
        world_size, seed = self.process.world_size, self.config.ENV.SEED
        max_norm = train.CLIP_GRAD_PARAM.max_norm or torch.inf
        parameters = list(self.wrapper.parameters())
        last_logged = self.iteration
        watch = Stopwatch(self.cost["seconds"])
        self.model.train()

        while self.iteration < num_iterations and not self.checkpoints.has_lost_patience():
            # Load the micro-batches of one step, and count its valid label steps.
            micro_batches = self.batches.next()
            own_valid = sum(int(batch.mask.sum()) for batch in micro_batches)
            gathered = distributed.all_gather_ints(own_valid, stop.signum, not micro_batches)
            all_valid, signals, failures = zip(*gathered, strict=True)
            if any(signals) or any(failures):
                self.cost["seconds"] = watch.seconds
                self._stop(max(signals), failures)
            num_valid = torch.full((), float(sum(all_valid)), device=self.device)

            # Forward and backward: the losses of the micro-batches add up to the step's mean.
            shares = 0.0
            for i, batch in enumerate(micro_batches):
                batch = Batch(*(part.to(self.device, non_blocking=True) for part in batch))
                is_last = i == len(micro_batches) - 1
                with nullcontext() if is_last or world_size == 1 else self.model.no_sync():
                    forecasts = self._forward(self.model, batch.context, horizon)
                    total, values = self._losses(forecasts, batch, num_valid)
                    (total * world_size).backward()  # DDP averages over processes
                shares = shares + values
            grad_norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm)

            # Optimizer step. If `found_inf` is 1, fused AdamW changes nothing.
            lr = set_learning_rate(
                self.optimizer, self.iteration, train.OPTIM.PARAM.lr, **train.LR_SCHEDULER.PARAM
            )
            skipped = self.guard.check(shares[0], grad_norm)
            self.optimizer.found_inf = skipped
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            values = torch.cat([shares * world_size, grad_norm.double().view(1)])
            self.meters.add(values, torch.where(skipped > 0, 0.0, num_valid / world_size))
            self.iteration += 1
            self.log.progress.update()

            # Log: only this part waits for the device.
            if seconds := watch.step(wait=grad_norm.item):
                self.log.warn_if_long(seconds, num_iterations - self.iteration)
            is_saved = self._is_due(train.CKPT_SAVE_STRATEGY) or self._is_due(val_interval)
            if is_saved or self._is_due(train.LOG_INTERVAL):
                skipped_steps = self.guard.check_limit(self.iteration, self.global_batch, seed)
                self.log.skipped(skipped_steps, self.iteration)
            if self._is_due(train.LOG_INTERVAL):
                averages, num_steps = self.meters.averages(), self.iteration - last_logged
                rate = num_steps * self.global_batch / watch.lap()
                others = {"lr": lr, "samples_per_second": rate, "skipped_steps": skipped_steps}
                self.log.training(averages | others, self.iteration)
                last_logged = self.iteration

            # Validate and save.
            self.cost["seconds"] = watch.seconds
            with watch.paused():
                if self._is_due(val_interval):
                    self._validate_and_save_best()
                if self._is_due(train.CKPT_SAVE_STRATEGY) or self.checkpoints.has_lost_patience():
                    self.checkpoints.save_latest(self._state(), self.log)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Computes the validation meters; every call uses the same windows."""
        param = self.config.DATASET.PARAM
        levels = self.wrapper.utp.quantiles
        names = [*loss_names(self.wrapper.aux_head_layers), *calibration_names(levels)]
        meters = Meters(names, self.device)
        size, count = self.config.VAL.DATA.BATCH_SIZE, param.num_valid_samples
        self.wrapper.eval()
        for samples in batch_ranges(0, size, self.process.rank, self.process.world_size):
            if samples.start >= count:
                break
            windows = self.valid_windows.batch(range(samples.start, min(samples.stop, count)))
            batch = Batch(*(part.to(self.device) for part in windows))
            forecasts = self._forward(self.wrapper, batch.context, param.target_length)
            num_valid = batch.mask.sum()
            _, values = self._losses(forecasts, batch, num_valid)
            shares = calibration(forecasts.teacher, batch.labels, batch.mask, levels)
            meters.add(torch.cat([values, shares]), num_valid)
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
        """L_total and all loss meters [meters]: sums over this batch, divided by num_valid."""
        losses = byot_losses(forecasts, batch.labels, batch.mask, self.quantiles, num_valid)
        total = losses.total(**self.weights)
        with torch.no_grad():
            median = forecasts.teacher[..., self.wrapper.utp.median]
            huber = huber_loss(median, batch.labels, batch.mask, num_valid=num_valid)
        return total, loss_values(total, losses, huber)

    def _validate_and_save_best(self) -> None:
        self.validation = self.validate()
        is_best = self.checkpoints.count_validation(self.validation, self.iteration)
        drawn = self.pictures.draw(self.checkpoints.history) if self.pictures else {}
        self.log.validation(self.validation, self.iteration, is_best, drawn)
        if is_best:
            self.checkpoints.save_best(self._state(), self.validation, self.log)

    def _stop(self, signum: int, failures: tuple[int, ...]) -> None:
        """Saves a checkpoint between two steps and ends the training."""
        self.checkpoints.save_latest(self._state(), self.log)
        self.checkpoints.check()
        if any(failures):
            ranks = [rank for rank, failed in enumerate(failures) if failed]
            raise self.batches.failure or TrainingError(f"no more data in process(es) {ranks}")
        raise Stopped(signum)

    def _is_due(self, interval: int) -> bool:
        return self.iteration % interval == 0 or self.iteration == self.config.TRAIN.NUM_ITERATIONS

    def _init_weights(self, path: str | Path) -> None:
        start, param = checkpoint.load_checkpoint(path), self.config.MODEL.PARAM
        new, left_out = checkpoint.load_weights(self.wrapper, start, path, param)
        self.corpus = join(start.get("corpus"), self.corpus)
        changes = f"; new heads on layers {new}, heads left out {left_out}"
        self.notes.append(f"initial weights from {path}{changes if new or left_out else ''}")

    def _resume(self) -> None:
        self.notes += self.checkpoints.lock()
        state, lines = self.checkpoints.find()
        self.notes += lines
        if state is None:
            return
        self.wrapper.load_state_dict(state["model_state_dict"])
        self.optimizer.load_state_dict(state["optim_state_dict"])
        self.guard.load_state_dict(state["guard"])
        if self.process.is_main:
            self.meters.load_state(state["meters"])
        self.iteration = state["iteration"]
        self.cost = state.get("cost", self.cost)  # old checkpoints lack cost, validation, corpus
        self.validation = state.get("validation", {})
        self.corpus = state.get("corpus", self.corpus)

    def _state(self) -> dict:
        """The state that an exact resumption needs; every process must call this method."""
        peak = devices.peak_memory(self.device)
        self.cost["peak_memory"] = max(self.cost["peak_memory"], peak)
        return {
            "iteration": self.iteration,
            "cost": dict(self.cost),
            "corpus": self.corpus,
            "validation": self.validation,
            "model_state_dict": self.wrapper.state_dict(),
            "optim_state_dict": self.optimizer.state_dict(),
            "guard": self.guard.state_dict(),
            "meters": self.meters.state(),
        }

    def _begin(self) -> None:
        """Writes config.json, and logs what is trained."""
        if self.process.is_main:
            (self.run_dir / checkpoint.SUMMARY).unlink(missing_ok=True)  # no longer finished
            write_json(self.run_dir / "config.json", self.checkpoints.config)
        parameters = sum(p.numel() for p in self.wrapper.parameters())
        self.log.say(
            f"{self.config.MODEL.NAME}: {parameters:,} parameters, students on layers "
            f"{list(self.wrapper.aux_head_layers)}; {self.process.world_size} process(es) on "
            f"{self.device.type}, {'bfloat16' if self.bfloat16 else 'float32'}, "
            f"{self.global_batch} windows per step; run folder {self.run_dir}"
        )
        for note in self.notes:
            self.log.say(note)
        self.log.settings(identity.flatten(self.checkpoints.config), self.iteration)
        if self.device.type == "cpu" and not self.config.TRAIN.COMPILE_MODEL:
            seconds = estimate_step(self.wrapper, self.config, self.bfloat16)
            left = self.config.TRAIN.NUM_ITERATIONS - self.iteration
            self.log.warn_if_long(seconds, left, "by one forward pass, ")

    def _write_summary(self, validation: dict[str, float]) -> None:
        """Writes the results of a finished run to summary.json."""
        if self.process.is_main:
            summary = {"iteration": self.iteration, "validation": validation} | self.cost
            summary["machine"] = devices.machine(self.device)
            write_json(self.run_dir / checkpoint.SUMMARY, summary)
