"""Scores the runs of an ablation on tables that they have not seen."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from easydict import EasyDict

from config.identity import to_plain
from data.tables import TableOptions
from runners import InputError
from runners.ablation.runs import EVALUATION, Run, evaluation_of, read_json
from runners.atomic import write_json
from runners.checkpoint import LATEST, SUMMARY
from runners.evaluation import Protocol, evaluate_model
from runners.evaluation.report import records
from runners.evaluation.series import open_series
from runners.evaluation.tables import Dataset
from runners.forecaster import Forecaster


@dataclass(frozen=True)
class Evaluation:
    """How every run is scored.

    Attributes:
        datasets: the files.
        options: how they are to be read.
        protocol: without a context it is each run's own, as trained.
        rollout: see `Forecaster.predict_quantiles`; likewise `num_paths` and `batch_size`.
        num_paths: number of paths.
        batch_size: windows at once; it changes no result.
        say: takes a line for each thing that the user must know.
    """

    datasets: Sequence[Dataset]
    options: TableOptions
    protocol: Protocol
    rollout: str
    num_paths: int
    batch_size: int | None = None
    say: Callable[[str], None] = lambda line: None

    def check(self, configs: Sequence[EasyDict]) -> None:
        """Checks files and settings before hours of training.

        Args:
            configs: of all runs.

        Raises:
            InputError: a setting is wrong, a file name is given twice, or a file is too short.
            TableError: a file is not a table.
        """
        names = [dataset.name for dataset in self.datasets]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"--data: {name} is given twice; file names must differ")
        protocols = []
        for config in configs:
            trained, longest = (
                config.DATASET.PARAM.context_length, config.MODEL.PARAM.max_context_length
            )  # fmt: skip
            protocols.append(self.protocol.with_context(trained))
            if protocols[-1].context > longest:
                raise InputError(
                    f"--context {protocols[-1].context}: this model looks back on 1 to {longest} "
                    "values"
                )
        by_context = sorted(protocols, key=lambda protocol: protocol.context)
        # The longest context first: its messages are the ones to show.
        for protocol, show in ((by_context[-1], self.say), (by_context[0], lambda line: None)):
            for dataset in self.datasets:
                table = dataset.table(self.options, show)
                open_series(table.source, table.items, protocol, self.options.freq, show)

    def settings(self) -> dict:
        """All that the scores depend on, as plain values, and the checksums of the files.

        Evaluations of versions before the paths name no rollout, so they are made again.
        """
        settings = self.protocol.settings() | {"rollout": self.rollout, "paths": self.num_paths}
        if given := {name: to_plain(one) for name, one in asdict(self.options).items() if one}:
            settings["table"] = given
        files = {}
        for dataset in self.datasets:
            checksum = 0
            for path in dataset.paths:
                checksum = zlib.crc32(path.read_bytes(), checksum)
            files[dataset.name] = checksum
        return {"files": files} | settings

    def score(self, planned: Run, settings: dict) -> None:
        """Scores every head of the run's last weights, if this has not been done yet.

        Args:
            planned: a finished run.
            settings: of `settings`.
        """
        if evaluation_of(planned, settings) is not None:
            return
        forecaster = Forecaster.from_checkpoint(planned.folder / LATEST)
        tables = (dataset.table(self.options, lambda line: None) for dataset in self.datasets)
        results = evaluate_model(
            forecaster, tables, self.protocol, forecaster.heads, rollout=self.rollout,
            num_paths=self.num_paths, batch_size=self.batch_size, freq=self.options.freq,
            say=lambda line: None,
        )  # fmt: skip
        for file in dict.fromkeys(results["file"][results["trained_on"]]):
            self.say(f"{planned}: trained on {file}, whose scores do not count as zero-shot")
        trained = read_json(planned.folder / SUMMARY)["seconds"]
        content = {"protocol": settings, "trained": trained, "results": records(results)}
        write_json(planned.folder / EVALUATION, content)
        del forecaster
        torch.cuda.empty_cache()  # the next training needs the memory
