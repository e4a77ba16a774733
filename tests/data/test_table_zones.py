"""Offsets of times that differ between the series of one table."""

import pandas as pd

from data.tables import TableOptions, read_items


def test_each_series_has_its_own_offset(tmp_path):
    """Midnights of New York would get the offset of Berlin, or the other way round."""
    rows = ["item_id,timestamp,target"]
    zones = {"b": "Europe/Berlin", "n": "America/New_York"}
    for name, zone in zones.items():
        days = pd.date_range("2024-03-01", periods=48, tz=zone)
        rows += [f"{name},{day.isoformat()},1" for day in days]
    path = tmp_path / "in.csv"
    path.write_text("\n".join(rows))
    said = []
    found = {item.id: item.times for item in read_items([path], TableOptions(), said.append)}
    assert [str(found[name][-1])[-6:] for name in zones] == ["+02:00", "-04:00"]
    for name in zones:
        days = pd.date_range("2024-03-01", periods=48)
        assert (found[name].tz_localize(None) == days).all()
    (line,) = said
    assert "each series goes on with its last one, here +02:00" in line
