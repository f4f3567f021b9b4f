"""The page of `hpcsim run`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request

import pytest

STUDY = """
[study]
name = "s"
model = "toys:single"
[space]
x = { linspace = [0, 39, 40] }
[fixed]
seconds = 0.25
guilty = 3
"""


@pytest.fixture
def sweep(tmp_path):
    """A sweep of some seconds and the address of its page."""
    (tmp_path / "s.toml").write_text(STUDY)
    process = subprocess.Popen([sys.executable, "-m", "hpcsim", "run", "s.toml"], stdout=subprocess.PIPE, text=True)
    address = ""
    for line in process.stdout:
        if found := re.match(r"dashboard (http://127\.0\.0\.1:\d+/) ", line):
            address = found[1]
            break
    yield process, address
    process.kill()


def ask(address):
    with urllib.request.urlopen(f"{address}progress.json", timeout=30) as answer:
        return json.load(answer)


def test_points_are_seen_before_they_are_in_shards(sweep, tmp_path):
    process, address = sweep
    assert "ssh -L" not in address
    seen, deadline = [], time.monotonic() + 60
    while time.monotonic() < deadline:
        found = ask(address)
        seen.append(found)
        if found["done"] == 40:
            break
        time.sleep(0.2)
    # an open page gets the last word of a sweep that ends
    assert seen[-1]["state"] == "finished"
    assert (seen[-1]["done"], seen[-1]["failed"]) == (40, 1)
    middle = [found for found in seen if 0 < found["done"] < 40]
    assert middle
    assert {found["executor"] for found in middle} == {"local"}
    assert [found["done"] for found in seen] == sorted(found["done"] for found in seen)
    running = [item["count"] for found in middle for item in found["tasks"] if item["state"] == "running"]
    assert running and max(running) >= 1
    assert {found["dask"] for found in middle} == {None}
    assert process.wait(60) == 0


def test_a_finished_study_and_inline_have_no_page(tmp_path, command):
    (tmp_path / "s.toml").write_text(STUDY.replace("0.25", "0"))
    assert "dashboard" not in command("run", "s.toml", "--on", "inline").stdout
    assert "dashboard" not in command("run", "s.toml").stdout
