"""The folder of compiled programs: nobody else may put one there."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from hpcsim import paths as assets
from hpcsim.cli import start_cost
from hpcsim.cli.doctor import examine
from hpcsim.errors import StorageError
from hpcsim.paths import cache_directory


@pytest.fixture
def cache(tmp_path, monkeypatch):
    place = tmp_path / "cache"
    monkeypatch.setenv("HPCSIM_CACHE", str(place))
    monkeypatch.delenv("HPCSIM_CACHE_SHARED", raising=False)
    # which import simulators
    monkeypatch.setattr(start_cost, "start_costs", lambda: iter(()))
    return place


def test_it_is_made_for_its_user_alone_whatever_the_umask(cache):
    before = os.umask(0)
    try:
        assert cache_directory() == cache
    finally:
        os.umask(before)
    assert cache.stat().st_mode & 0o777 == 0o700
    assert cache_directory() == cache


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_a_folder_that_others_may_write_is_refused(cache, monkeypatch, mode):
    cache.mkdir()
    cache.chmod(mode)
    with pytest.raises(StorageError, match=r"cache holds programs.*every user of this machine may write there.*chmod go-w"):
        cache_directory()
    [found] = [item for item in examine() if item.name == "cache"]
    assert found.state == "wrong" and "every user" in found.detail
    monkeypatch.setenv("HPCSIM_CACHE_SHARED", "1")
    assert cache_directory() == cache


def about(user, group, mode):
    return SimpleNamespace(st_uid=user, st_gid=group, st_mode=mode)


def test_who_else_may_change_a_folder(monkeypatch):
    monkeypatch.setattr(assets.os, "getuid", lambda: 1000)
    monkeypatch.setattr(assets.pwd, "getpwuid", lambda number: {1000: ("ann",), 1001: ("bob",)}[number])
    monkeypatch.setattr(assets.grp, "getgrgid", lambda number: {1000: ("ann",), 100: ("users",)}[number])
    assert assets._others(about(1000, 100, 0o40755)) == ""
    assert assets._others(about(0, 0, 0o40755)) == ""
    assert assets._others(about(1000, 1000, 0o40775)) == ""
    assert assets._others(about(1000, 100, 0o40775)) == "the group users may write there"
    assert assets._others(about(1001, 1000, 0o40755)) == "it belongs to bob"
    assert assets._others(about(1009, 1000, 0o40755)) == "it belongs to 1009"


def test_a_command_says_it_before_it_runs_anything(cache, tmp_path, command):
    cache.mkdir()
    cache.chmod(0o777)
    (tmp_path / "s.toml").write_text('[study]\nname = "s"\nmodel = "toys:noop"\n[space]\na = [1, 2]\n')
    done = command("run", "s.toml")
    assert done.returncode == StorageError.exit_code and "every user of this machine may write there" in done.stderr
    assert "Traceback" not in done.stderr
