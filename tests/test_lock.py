"""The lock on a folder: one holder at a time, told by name; what dead processes leave is no obstacle."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from subprocess import PIPE

import pytest

from hpcsim import lock
from hpcsim.errors import BusyError, StorageError
from hpcsim.lock import DEAD_AFTER, Holder, hold, holder

HOLD = (
    "import sys; from pathlib import Path; from hpcsim.lock import hold\n"
    "with hold(Path(sys.argv[1]), 'a test'): print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "above" / "folder" / ".lock"


def elsewhere(place: Path) -> subprocess.Popen[str]:
    """A process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(place)], stdin=PIPE, stdout=PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def leave(place: Path, left: Holder, age: float = 0.0) -> None:
    """What a process left behind so many seconds ago."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(asdict(left)))
    os.utime(place, (time.time() - age,) * 2)


def test_the_second_is_told_who_holds_it(place):
    with elsewhere(place) as process:
        with pytest.raises(BusyError) as caught, hold(place, "another test"):
            pass
        message = str(caught.value)
        for part in ("a test", str(process.pid), os.uname().nodename, "since 20"):
            assert part in message
        found = holder(place)
        assert found is not None
        assert found.pid == process.pid
        process.communicate("")
    assert holder(place) is None
    with hold(place, "another test"):
        assert holder(place) is not None


def test_nothing_is_left_in_a_folder_that_was_there_nor_of_one_that_was_not(place):
    with hold(place, "a test"):
        assert [path.name for path in place.parent.iterdir()] == [".lock"]
    assert not place.parent.parent.exists()
    place.parent.mkdir(parents=True)
    with hold(place, "a test"):
        pass
    assert list(place.parent.iterdir()) == []


def test_an_error_inside_lets_it_go(place):
    with pytest.raises(KeyboardInterrupt), hold(place, "a test"):
        raise KeyboardInterrupt
    assert holder(place) is None


def test_a_process_that_was_killed_is_no_obstacle(place):
    with elsewhere(place) as process:
        process.kill()
        process.wait()
    assert place.exists()
    assert holder(place) is None
    with hold(place, "a test"):
        pass


def test_a_number_that_another_process_has_now_is_no_obstacle(place):
    mine = Holder.here("a sweep")
    leave(place, replace(mine, pid=os.getppid(), started="1"))
    assert holder(place) is None
    leave(place, replace(mine, pid=os.getppid(), started=lock._started(os.getppid())))
    assert holder(place) is not None


def test_a_zombie_is_dead(place):
    child = os.fork()
    if child == 0:
        os._exit(0)
    deadline = time.monotonic() + 300
    while lock._started(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    leave(place, replace(Holder.here("a sweep"), pid=child, started="12"))
    assert holder(place) is None
    os.waitpid(child, 0)


@pytest.mark.parametrize("other", [{"host": "node-of-another-cluster"}, {"machine": "another boot"}])
def test_on_another_machine_the_last_sign_of_life_counts(place, other):
    left = replace(Holder.here("a sweep"), pid=1, **other)
    leave(place, left, age=DEAD_AFTER / 2)
    with pytest.raises(BusyError), hold(place, "a test"):
        pass
    leave(place, left, age=DEAD_AFTER * 2)
    with hold(place, "a test"):
        pass


def test_a_holder_gives_signs_of_life(place, monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.01)
    with hold(place, "a test"):
        os.utime(place, (0, 0))
        deadline = time.monotonic() + 300
        while place.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert place.stat().st_mtime > 0


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"pid": 3, "what": 1, "more": 2}'])
def test_a_file_that_is_no_lock_counts_until_it_is_old(place, text):
    place.parent.mkdir(parents=True)
    place.write_text(text)
    with pytest.raises(BusyError), hold(place, "a test"):
        pass
    os.utime(place, (0, 0))
    with hold(place, "a test"):
        pass


def test_of_many_that_find_a_dead_lock_one_at_a_time_has_it(place, tmp_path):
    leave(place, replace(Holder.here("a sweep"), pid=2**22 - 1, started="1"))
    code = (
        "import sys, time; from pathlib import Path; from hpcsim.lock import hold\n"
        "for _ in range(5):\n"
        "    with hold(Path(sys.argv[1]), 'a test', wait=100):\n"
        "        inside = Path(sys.argv[2]); inside.touch(exist_ok=False); time.sleep(0.01); inside.unlink()\n"
    )
    line = [sys.executable, "-c", code, str(place), str(tmp_path / "inside")]
    many = [subprocess.Popen(line, stderr=PIPE, text=True) for _ in range(4)]
    assert [process.communicate()[1] for process in many] == [""] * 4


def test_where_there_are_no_hard_links(place, monkeypatch):
    def link(source, target):
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(os, "link", link)
    with hold(place, "a test"), pytest.raises(BusyError), hold(place, "a test"):
        pass
    assert not place.exists()


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="--dir"), hold(tmp_path / "file" / ".lock", "a test"):
        pass
