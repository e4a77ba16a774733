"""What a run says."""

from runners.run_log import RunLog


def test_long_run_is_said_with_a_way_out(tmp_path, capsys):
    """Someone starts utp_base on a laptop and waits."""
    log = RunLog(tmp_path, 0, 100_000, is_main=True)
    log.warn_if_long(0.5, 100_000)  # 50,000 s are 13.9 hours
    assert "utp_tiny" not in (tmp_path / "training.log").read_text()
    log.warn_if_long(9.0, 100_000)  # 900,000 s are 10.4 days
    log.close()
    text = (tmp_path / "training.log").read_text()
    assert "9.0 s a step" in text
    assert "10.4 days" in text
    assert "config/utp_tiny.py" in text


def test_other_processes_are_silent(tmp_path, capsys):
    """Every line and every curve eight times."""
    log = RunLog(tmp_path / "run", 0, 10, is_main=False)
    log.say("here")
    log.close()
    assert not (tmp_path / "run").exists()
    assert capsys.readouterr() == ("", "")
