"""A SLURM cluster of one node on this machine: the real daemons, without root's own settings."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
PACKAGES = ("munge", "slurmctld", "slurmd", "slurm-client")
START_SECONDS = 120.0
CONFIGURATION = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


class SlurmCluster:
    """The daemons munged, slurmctld and slurmd, with all their files in one folder.

    Args:
        folder: A short path, since a socket's name is bounded; gone again after `stop`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Starts the daemons and waits until the node takes jobs."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        ports = _free_ports(2)
        text = CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            controller_port=ports[0],
            node_port=ports[1],
            folder=self.folder,
            cpus=os.cpu_count(),
        )
        (self.folder / "slurm.conf").write_text(text)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self._run(
            *("munged", "--foreground", "--force", f"--key-file={key}"),
            *(f"--{name}-file={self.folder}/munge.{name}" for name in ("pid", "log", "seed")),
            f"--socket={self.folder}/munge.socket",
        )
        self._wait_for(lambda: (self.folder / "munge.socket").exists(), "munged")
        self._run("slurmctld", "-D")
        self._run("slurmd", "-D")
        self._wait_for(lambda: "idle" in self._said("sinfo", "-h", "-o", "%T"), "the node")

    def stop(self) -> None:
        """Ends the daemons; jobs that still run end with them."""
        self._said("scancel", "--user=root")
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def environment(self) -> dict[str, str]:
        """What clients must know."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def _run(self, *words: str) -> None:
        with (self.folder / f"{words[0]}.out").open("wb") as output:
            self.processes.append(
                subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=os.environ | self.environment(),
                )
            )

    def _said(self, *words: str) -> str:
        ran = subprocess.run(
            words,
            capture_output=True,
            text=True,
            env=os.environ | self.environment(),
            timeout=60,
            check=False,
        )
        return ran.stdout

    def _wait_for(self, is_ready, what: str) -> None:
        end = time.monotonic() + START_SECONDS
        while not is_ready():
            ended = [process.args[0] for process in self.processes if process.poll() is not None]
            if ended or time.monotonic() > end:
                logs = [*self.folder.glob("*.out"), *self.folder.glob("*.log")]
                said = "\n".join(f"{log.name}: {log.read_text()[-1500:]}" for log in logs)
                raise RuntimeError(f"{what} is not ready; ended: {ended}\n{said}")
            time.sleep(0.3)


def install_or_skip() -> None:
    """Installs SLURM where it is absent; skips where that cannot be done, and says why."""
    if os.getuid() != 0:
        pytest.skip("the daemons of SLURM start as root only")
    if all(shutil.which(name) for name in DAEMONS):
        return
    if shutil.which("apt-get") is None:
        pytest.skip("SLURM is not installed, and there is no apt-get to install it")
    words = ("apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES)
    installed = subprocess.run(
        words,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if installed.returncode != 0:
        pytest.skip(f"SLURM cannot be installed: {installed.stderr.strip()[-200:]}")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
