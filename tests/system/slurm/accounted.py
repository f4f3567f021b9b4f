"""A Slurm with accounting: a MariaDB and a slurmdbd on the loopback interface beside the other daemons."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

from hpcsim.cli.slurm_cluster import PATH, Cluster

PROGRAMS = ("slurmdbd", "sacctmgr", "mariadbd", "mariadb-install-db", "mariadb")

DATABASE = """\
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={ports[0]}
SlurmUser={user}
LogFile={root}/log/slurmdbd.log
PidFile={root}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={ports[1]}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct
"""
LINES = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports[0]}
AccountingStoragePass={root}/munge/socket
AccountingStorageEnforce=limits"""


def missing() -> list[str]:
    """Programs of the accounting that are not here."""
    return [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]


class Accounted(Cluster):
    """A cluster whose jobs are remembered, with one account that root may use.

    Parameters
    ----------
    root : Path
    more : list of str
        Further lines of slurm.conf.
    """

    def __init__(self, root: Path, more: list[str]) -> None:
        self._ports = _two_ports()
        super().__init__(root, max_array=21, more=[LINES.format(root=root, ports=self._ports), *more])
        # a key that stands twice would be an error
        text = self.config.read_text().replace("AccountingStorageType=accounting_storage/none\n", "")
        self.config.write_text(text.replace("MinJobAge=3600\n", ""))

    def start_controller(self) -> None:
        if not (self.root / "slurmdbd.conf").exists():
            self._start_database()
            self.ask("sacctmgr", "-i", "add", "cluster", "hpcsim")
            self.ask("sacctmgr", "-i", "add", "account", "science", "cluster=hpcsim")
            self.ask("sacctmgr", "-i", "add", "user", self.user, "account=science", "cluster=hpcsim")
        super().start_controller()

    def stop(self) -> None:
        self._run(["scancel", "-u", self.user])
        for name in ("slurmdbd", "mariadbd"):
            path = self.root / "run" / f"{name}.pid"
            if path.exists():
                subprocess.run(["kill", path.read_text().strip()], check=False)
        super().stop()

    def _start_database(self) -> None:
        place, address = self.root / "mysql", self.root / "run" / "mysql.sock"
        install = ["mariadb-install-db", "--no-defaults", f"--user={self.user}", f"--datadir={place}"]
        self.ask(*install, "--auth-root-authentication-method=normal", "--skip-test-db")
        options = [f"--user={self.user}", f"--datadir={place}", f"--socket={address}", f"--port={self._ports[1]}"]
        options += [
            "--bind-address=127.0.0.1",
            f"--pid-file={self.root / 'run' / 'mariadbd.pid'}",
            "--innodb-flush-log-at-trx-commit=0",
        ]
        with (self.root / "log" / "mariadbd.log").open("w") as log:
            subprocess.Popen(["mariadbd", "--no-defaults", *options], env=self.environment, stdout=log, stderr=log)
        client = ["mariadb", "--no-defaults", "-S", str(address), "-u", "root", "-e"]
        self.wait(lambda: self._run([*client, "select 1"]).returncode == 0, 60.0, "the database")
        self.ask(
            *client,
            "create user slurm@'127.0.0.1' identified by 'slurm'; create user slurm@localhost identified by 'slurm'; "
            "grant all on *.* to slurm@'127.0.0.1'; grant all on *.* to slurm@localhost",
        )
        file = self.root / "slurmdbd.conf"
        file.write_text(DATABASE.format(root=self.root, ports=self._ports, user=self.user))
        file.chmod(0o600)
        # it looks for its file beside that of SLURM_CONF
        self.ask("slurmdbd")
        self.wait(lambda: self._run(["sacctmgr", "-n", "show", "cluster"]).returncode == 0, 60.0, "slurmdbd")


def _two_ports() -> list[int]:
    """Ports that nobody listens at."""
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return [one.getsockname()[1], other.getsockname()[1]]
