"""The executor ``dask`` on schedulers that are there, and its parts; with Slurm's jobs it is in tests/system/slurm."""

from __future__ import annotations

import importlib.util
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from squares import make, right, rows

from hpcsim.errors import DaskError, HpcsimError, Interrupted, PluginError, SiteError, StorageError
from hpcsim.scheduler.dask import executor as dask_cluster
from hpcsim.scheduler.dask.jobs import certificates
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.queue.paths import SubmissionPaths
from hpcsim.scheduler.queue.script import worker_parts
from hpcsim.scheduler.site.site import Settings, Site
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target
from hpcsim.scheduler.task.process import TaskCommand, TaskProcesses

KEYS = {"ca-file": "ca_file", "cert": "worker_cert", "key": "worker_key"}


# -- schedulers of somebody else's ---------------------------------------------------------------


@contextmanager
def started(module, *options):
    process = subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{module}", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(40)


@contextmanager
def scheduler(tmp_path, *options):
    """A scheduler: the file that it wrote, and its address."""
    file = tmp_path / "scheduler.json"
    with started(
        "dask_scheduler", "--host=127.0.0.1", "--port=0", "--dashboard-address=127.0.0.1:0", f"--scheduler-file={file}", *options
    ):
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            # it is not there at once, and not written at once
            with suppress(OSError, ValueError):
                address = json.loads(file.read_text())["address"]
                break
            time.sleep(0.1)
        yield file, address


def worker(file, *options):
    return started("dask_worker", f"--scheduler-file={file}", "--nthreads=2", "--no-nanny", "--host=127.0.0.1", *options)


def tasks(directory):
    """Processes that simulate points of a directory."""
    place = str(directory.path.resolve())
    return [item for item in psutil.process_iter(["cmdline"]) if place in " ".join(item.info["cmdline"] or [])]


def wait(condition, seconds=300.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_scheduler_by_its_address_and_by_its_file(tmp_path, command):
    study, directory = make(tmp_path, 6, task_size=2)
    with scheduler(tmp_path) as (file, address), worker(file):
        done = command("run", "s.toml", "--on", "dask", "--scheduler", address)
        assert done.returncode == 0, done.stderr
        assert rows(directory) == right(6)
        other = study.directory(tmp_path / "other")
        sweep(study, other, Target("dask", scheduler=str(file)))
        assert rows(other) == right(6)


#: Tries to get in, as another user where it may become one.
INTRUDER = """
import os, sys
from pathlib import Path
from distributed import Client, Security
own = Security.temporary()
address, keys, user = sys.argv[1:]
if os.geteuid() == 0:
    os.chmod(keys, 0o755)
    for folder in Path(keys).parents:
        os.chmod(folder, os.stat(folder).st_mode | 0o011) if str(folder).startswith("/tmp/") and folder != Path("/tmp") else None
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
    for path in Path(keys).iterdir():
        try:
            print("read", path, len(path.read_bytes()))
        except PermissionError:
            pass
print("ready")
for where, security in ((address, own), (address.replace("tls:", "tcp:"), None), (address.replace("tls:", "ws:"), None)):
    try:
        Client(where, security=security, timeout=3, set_as_default=False).run_on_scheduler(os.getpid)
        print("let in at", where)
    except (OSError, TypeError, ValueError):
        pass
print("over", flush=True)
os._exit(0)
"""


def test_a_scheduler_with_tls_takes_the_users_certificates(tmp_path):
    study, directory = make(tmp_path, 4, task_size=2)
    private = tmp_path / "keys"
    private.mkdir()
    certificates(private)
    assert {path.name: path.stat().st_mode & 0o777 for path in private.iterdir()} == dict.fromkeys(KEYS.values(), 0o600)
    files = [f"--tls-{name}={private}/{path}" for name, path in KEYS.items()]
    section = "".join(f'{name.replace("-", "_")} = "{private}/{path}"\n' for name, path in KEYS.items())
    (tmp_path / "keys.toml").write_text(f"[dask]\n{section}")
    with scheduler(tmp_path, "--protocol=tls", *files) as (file, address), worker(file, *files):
        assert address.startswith("tls://")
        sweep(study, directory, Target("dask", scheduler=address, site="keys.toml"))
        assert rows(directory) == right(4)
        with pytest.raises(DaskError, match="give ca_file, cert and key"):
            sweep(study, study.directory(tmp_path / "other"), Target("dask", scheduler=address))
        # keys of somebody's own, or none, open nothing; nor can another user read ours
        told = subprocess.run(
            [sys.executable, "-c", INTRUDER, address, private, "4711"], capture_output=True, text=True, check=False
        )
        assert told.stdout == "ready\nover\n", told.stdout + told.stderr


def test_a_lost_worker_and_one_that_comes_later(tmp_path):
    study, directory = make(tmp_path, 16, seconds=0.4, task_size=4)
    over = [(0, 0)]
    with scheduler(tmp_path) as (file, address), worker(file) as lost:
        thread = threading.Thread(
            target=lambda: sweep(
                study, directory, Target("dask", scheduler=address), listener=Listener(progressed=lambda *now: over.append(now))
            )
        )
        thread.start()
        wait(lambda: over[-1][0] > 1)
        lost.kill()
        with worker(file):
            thread.join(120)
        assert not thread.is_alive()
    assert rows(directory) == right(16)
    assert over[-1] == (16, 0)


def test_workers_that_die_again_and_again_are_said(tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    study, directory = make(tmp_path, 4, seconds=5.0, task_size=2)
    with scheduler(tmp_path) as (file, address), worker(file) as lost:
        killer = threading.Thread(target=lambda: (wait(lambda: tasks(directory)), lost.kill()))
        killer.start()
        with pytest.raises(DaskError, match="workers died again and again"):
            sweep(study, directory, Target("dask", scheduler=address))
        killer.join()
    # nothing runs on unwatched
    wait(lambda: not tasks(directory), 40)


def test_ctrl_c_stops_tasks_and_leaves_the_workers_to_others(tmp_path):
    study, directory = make(tmp_path, 40, seconds=0.5, task_size=20)
    with scheduler(tmp_path) as (file, address), worker(file) as kept:
        line = [sys.executable, "-m", "hpcsim", "run", "s.toml", "--on", "dask", "--scheduler", address]
        sweeping = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait(lambda: len(list(directory.logs.glob("0*.log"))) == 2)
        time.sleep(4)
        sweeping.send_signal(signal.SIGINT)
        words, _ = sweeping.communicate(timeout=300)
        assert sweeping.returncode == 130, words
        assert "the same command goes on from there" in words
        assert not tasks(directory)
        assert 2 <= plan(study, directory).done < 40
        assert kept.poll() is None


def test_no_scheduler_and_no_workers(tmp_path, monkeypatch):
    study, directory = make(tmp_path, 2)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    with monkeypatch.context() as patience:
        patience.setattr(dask_cluster, "_ANSWER", 1.0)
        for address in (f"tcp://127.0.0.1:{port}", "nonsense://", "no.json"):
            with pytest.raises(DaskError, match="no Dask scheduler answers there"):
                sweep(study, directory, Target("dask", scheduler=address))
    monkeypatch.setattr(dask_cluster, "amount", lambda text, unit: 2.0)
    said = []
    with (
        scheduler(tmp_path) as (_, address),
        pytest.raises(DaskError, match="has had no worker for 2 s"),
    ):
        sweep(study, directory, Target("dask", scheduler=address), listener=Listener(notify=said.append))
    assert any("has no workers; waiting for up to 2 s" in text for text in said)


# -- the parts -----------------------------------------------------------------------------------


class _Command(TaskCommand):
    def argv(self, start, stop):
        return ["sh", "-c", self.directory]


def processes(script, home=""):
    return TaskProcesses(_Command(script, "/", False, home or socket.gethostname()), fork=False)


def test_what_a_task_says_and_how_it_ends():
    heard = []
    line = '{"done": 3, "failed": 1, "seconds": 0.5}'
    assert processes(f"echo noise; echo '{line}'").run(0, 5, heard.append) == 0.5
    assert [(item.done, item.failed) for item in heard] == [(3, 1)]
    with pytest.raises(StorageError, match=r"^the disk is full$"):
        processes("echo the disk is full >&2; exit 3").run(0, 5, heard.append)
    with pytest.raises(HpcsimError, match=r"^the task of points 0 to 5 ended with exit code 9; see"):
        processes("exit 9").run(0, 5, heard.append)
    with pytest.raises(HpcsimError, match=f"^on {socket.gethostname()}: words$"):
        processes("echo words >&2; exit 1", home="elsewhere").run(0, 5, heard.append)


def test_a_stop_ends_tasks_and_no_other_starts():
    found = processes("trap 'exit 143' TERM; while :; do sleep 0.1; done")
    errors = []

    def run():
        try:
            found.run(0, 1, lambda progress: None)
        except Interrupted as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait(lambda: found.running == 1)
    time.sleep(0.5)
    found.stop()
    thread.join(10)
    assert not thread.is_alive() and len(errors) == 1 and found.running == 0
    with pytest.raises(Interrupted):
        found.run(1, 2, lambda progress: None)


def test_without_dask_jobqueue_the_extra_is_named(tmp_path, monkeypatch):
    study, directory = make(tmp_path, 2)
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "dask_jobqueue" else there(name, *more))
    (tmp_path / "site.toml").write_text('partition = "debug"\n')
    with pytest.raises(PluginError, match=r"pip install 'hpcsim\[slurm\]'"):
        sweep(study, directory, Target("dask", site="site.toml"))


def test_a_network_interface_that_is_not_there(tmp_path, monkeypatch):
    study, directory = make(tmp_path, 2)
    (tmp_path / "site.toml").write_text('[dask]\ninterface = "loo"\n')
    with pytest.raises(SiteError, match=r'dask.interface: this machine has no network interface "loo"; did you mean "lo"'):
        sweep(study, directory, Target("dask", site="site.toml"))
    with pytest.raises(SiteError, match="the name of a network interface"):
        Site.check({"dask": {"interface": "lo; rm -rf x"}}, "site")
    with pytest.raises(SiteError, match="reaches no scheduler"):
        (tmp_path / "site.toml").write_text('[container]\nruntime = "docker"\nimage = "hpcsim"\n')
        sweep(study, directory, Target("dask", site="site.toml"))


def test_ctrl_c_stays_what_it_was_when_dask_jobqueue_is_imported():
    code = "import signal, hpcsim.scheduler.dask.jobs; print(signal.getsignal(2) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == "True", done.stderr


def parts(tasks, **more):
    site = Site(partition="debug", setup=("source it",), python="/opt/a b/python", scratch="/scratch")
    place = SubmissionPaths("s", Path("/data/my runs/s"), 0, Path("/data"))
    return worker_parts(place, Settings(site, **more), tasks, 3600.0)


def test_the_job_of_a_worker_has_room_for_its_tasks():
    found = parts(3, threads=2, memory=500)
    assert {"--partition=debug", "--ntasks=1", "--cpus-per-task=6", "--mem=1756M", "--time=0-01:00:00"} <= set(found.options)
    assert "--output='/data/my runs/s/logs/worker-%j.log'" in found.options
    assert found.python == "exec '/opt/a b/python'"
    assert "source it" in found.setup and "export TMPDIR=/scratch" in found.setup
    # ranks may be on several nodes; their launcher shares out the cores
    assert {"--ntasks=8", "--cpus-per-task=2"} <= set(parts(2, ranks=4, threads=2).options)
