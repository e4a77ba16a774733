"""What makes two configurations the same training."""

import json

import pytest

from config import identity, schema
from config.identity import to_plain
from config.loading import load_config
from config.schema import Fixes, Key
from models.utp import UTP
from tests.small import TINY


def test_plain_copy_is_json_and_rebuilds_the_model():
    """What is saved holds names of classes, and MODEL.PARAM but for BYOT is UTP's."""
    plain = json.loads(json.dumps(to_plain(load_config(TINY))))
    assert (plain["RUNNER"], plain["MODEL"]["ARCH"]) == ("UTPRunner", "UTP")
    param = plain["MODEL"]["PARAM"]
    UTP(**{key: value for key, value in param.items() if key != "BYOT"})


@pytest.fixture
def new_key(monkeypatch):
    """A key that older runs do not have."""
    key = Key(schema.BOOL, "new", Fixes.TRAJECTORY, False, added_later=True)
    monkeypatch.setitem(schema.SCHEMA, "TRAIN.NEW", key)


def test_a_key_that_an_older_run_lacks_counts_as_its_default(new_key):
    """A run that is older than a key could not be resumed any more, or not found."""
    then = to_plain(load_config(TINY))
    del then["TRAIN"]["NEW"]
    now = to_plain(load_config(TINY))
    assert now["TRAIN"]["NEW"] is False
    of_then, of_now = identity.trajectory(then, 1), identity.trajectory(now, 1)
    assert identity.differences(of_then, of_now) == {}
    changed = identity.trajectory(now | {"TRAIN": now["TRAIN"] | {"NEW": True}}, 1)
    assert identity.differences(of_then, changed) == {"TRAIN.NEW": (False, True)}


def test_a_new_key_changes_the_hash_only_where_it_is_not_its_default(new_key):
    """Older runs would lose their folder; `378bc66d` is utp_tiny's before this key."""
    config = to_plain(load_config(TINY))
    assert identity.trajectory_hash(config, 1) == "378bc66d"
    config["TRAIN"]["NEW"] = True
    assert identity.trajectory_hash(config, 1) != "378bc66d"


def test_a_key_that_only_a_newer_version_knows_is_not_ignored():
    """A run made by a newer version would be resumed as another training."""
    config = to_plain(load_config(TINY))
    newer = config | {"MODEL": config["MODEL"] | {"NEWER": 3}}
    of_newer, own = (identity.trajectory(c, 1) for c in (newer, config))
    assert identity.differences(of_newer, own) == {"MODEL.NEWER": (3, None)}


def test_settings_of_the_machine_fix_nothing_and_a_longer_run_fixes_its_result():
    """Runs that differ would count as the same in an ablation, or equal ones as different."""
    config = to_plain(load_config(TINY))
    other = to_plain(load_config(TINY, ["TRAIN.DATA.NUM_WORKERS=3", "VAL.FIGURES=False"]))
    assert identity.result(config, 1) == identity.result(other, 1)
    longer = to_plain(load_config(TINY, ["TRAIN.NUM_ITERATIONS=900"]))
    assert identity.trajectory(config, 1) == identity.trajectory(longer, 1)
    assert "TRAIN.NUM_ITERATIONS" in identity.differences(
        identity.result(config, 1), identity.result(longer, 1)
    )
