"""What a run says."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from runners.tracking.run_log import RunLog


def test_long_run_is_said_with_a_way_out(tmp_path, capsys):
    """Someone who starts utp_base on a laptop would not learn that it takes weeks."""
    log = RunLog(tmp_path, 0, 100_000, is_main=True)
    log.warn_if_long(0.5, 100_000)  # 50,000 s are 13.9 hours
    log.warn_if_long(30.0, 19)  # 9.5 minutes
    log.warn_if_long(30.0, 0)  # a finished run
    assert "utp_tiny" not in (tmp_path / "training.log").read_text()
    log.warn_if_long(30.0, 360, "by one forward pass, ")  # 3 hours, but a slow step
    assert (
        "by one forward pass, at about 30.0 s a step this run takes about 3.0 hours"
        in capsys.readouterr().err
    )
    log.warn_if_long(25.0, 30)
    assert "takes about 12.5 minutes" in capsys.readouterr().err
    log.warn_if_long(9.0, 100_000)  # 900,000 s are 10.4 days
    log.close()
    text = (tmp_path / "training.log").read_text()
    assert "9.0 s a step" in text
    assert "10.4 days" in text
    assert "config/utp_tiny.py" in text


def test_other_processes_are_silent(tmp_path, capsys):
    """With 8 GPUs every line and every curve would be written eight times."""
    log = RunLog(tmp_path / "run", 0, 10, is_main=False)
    log.say("here")
    log.close()
    assert not (tmp_path / "run").exists()
    assert capsys.readouterr() == ("", "")


def test_charts_are_laid_out_once_and_settings_said_at_every_start(tmp_path):
    """A second layout in a run's folder, or settings that a resumption changed and nobody sees."""
    # Killed before its first checkpoint, started again, resumed.
    for iteration, rate in ((0, 0.5), (0, 0.5), (7, 0.25)):
        log = RunLog(tmp_path, iteration, 10, is_main=True)
        log.settings({"ENV.SEED": 0, "TRAIN.OPTIM.PARAM.lr": rate}, iteration)
        log.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert len(events.Tensors("custom_scalars__config__")) == 1
    texts = {e.step: e.tensor_proto.string_val[0] for e in events.Tensors("config/text_summary")}
    head = "| key | value |\n|---|---|\n"
    assert {step: text.decode() for step, text in texts.items()} == {
        0: f"{head}| TRAIN.OPTIM.PARAM.lr | `0.5` |\n| ENV.SEED | `0` |",  # what is asked for first
        7: f"{head}| TRAIN.OPTIM.PARAM.lr | `0.25` |\n| ENV.SEED | `0` |",
    }


def test_a_run_of_an_older_version_gets_its_charts_when_it_is_resumed(tmp_path):
    """Weeks of training would go on without them."""
    log = RunLog(tmp_path, 0, 10, is_main=True)
    log.validation({"loss_gt_teacher": 1.0}, 7, is_best=True, pictures={})
    log.close()
    log = RunLog(tmp_path, 7, 10, is_main=True)
    log.settings({}, 7)
    log.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert len(events.Tensors("custom_scalars__config__")) == 1
    assert [point.step for point in events.Scalars("val/loss_gt_teacher")] == [7]


def test_the_bar_has_the_last_validation_beside_the_loss(tmp_path, monkeypatch):
    """A training loss alone says nothing of how it goes."""
    log = RunLog(tmp_path, 0, 10, is_main=True, validation={"loss_gt_teacher": 1.75})
    values = {"loss": 2.0, "loss_gt_teacher": 1.5, "samples_per_second": 3.0}
    monkeypatch.setattr(log.progress, "set_postfix", shown := Shown())
    log.training(values, 1)
    log.validation({"loss_gt_teacher": 1.25}, 1, is_best=True, pictures={})
    log.training(values | {"loss": 1.0}, 2)
    log.close()
    first = {"loss": "2.0000", "teacher": "1.5000", "val": "1.7500"}
    second = first | {"val": "1.2500"}
    assert shown == [first, second, second | {"loss": "1.0000"}]


def test_a_training_that_diverges_is_told_what_to_do(tmp_path, capsys):
    """Someone waits for hours while the loss is a million."""
    log = RunLog(tmp_path, 0, 10, is_main=True)
    for iteration, loss in enumerate((1.5, 90.0, 713.0, 1e9), start=1):
        values = {"loss": 1.5, "loss_gt_teacher": loss, "samples_per_second": 3.0}
        log.training(values, iteration)
    log.close()
    lines = [line for line in capsys.readouterr().err.splitlines() if "diverges" in line]
    assert len(lines) == 1
    assert "iteration 3: the loss is 713.0000, " in lines[0]
    assert lines[0].endswith("lower TRAIN.OPTIM.PARAM.lr")


class Shown(list):
    """Keeps what a bar was given."""

    def __call__(self, values):
        self.append(dict(values))
