"""A Slurm of shell scripts: it runs the tasks of an array one after the other on this machine."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

COMMANDS = {
    "sbatch": r"""
        script=$(realpath "$1")
        cd "$here"
        id=$((100 + $(ls *.sh 2>/dev/null | wc -l)))
        cp "$script" $id.sh
        last=$(sed -n 's/^#SBATCH --array=0-\([0-9]*\).*/\1/p' $id.sh)
        export SLURM_JOB_ID=$id SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0
        export SLURM_JOB_NODELIST=here SLURM_PROCID=0 SLURM_LOCALID=0
        (for task in $(seq 0 ${last:-0}); do
            [ -n "$last" ] && export SLURM_ARRAY_JOB_ID=$id SLURM_ARRAY_TASK_ID=$task
            while rm -f requeue; bash $id.sh; [ -e requeue ]; do :; done
        done) >> jobs.log 2>&1 &
        echo "Submitted batch job $id"
    """,
    "srun": r"""
        while [[ $1 == --* ]]; do
            case $1 in --output) shift; out=$1 ;; esac
            shift
        done
        out=${out//%A/$SLURM_ARRAY_JOB_ID}
        out=${out//%a/$SLURM_ARRAY_TASK_ID}
        out=${out//%j/$SLURM_JOB_ID}
        id=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}
        echo $id${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID} >> $here/runs
        echo $$ > $here/pid
        exec "$@" >> ${out//%t/0} 2>&1
    """,
    "scontrol": "touch $here/requeue",
    "scancel": 'echo "$@" >> $here/cancelled',
    "sacct": 'echo "JobID|State|NodeList"; cat $here/states',
}


class FakeSlurm:
    """Its commands are the first on the path for as long as a test lasts."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, starts: bool = True
    ) -> None:
        self.folder = folder
        failed = "100_0|NODE_FAIL|here\n100_1|NODE_FAIL|here\n"
        (folder / "states").write_text("" if starts else failed)
        for name, script in COMMANDS.items():
            file = folder / name
            script = script if starts or name != "srun" else "exit 1"
            file.write_text(f"#!/bin/bash\nhere={folder}\n{script}")
            file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def after(self, folder: Path, name: str, happens: Callable[[], None]) -> None:
        """Have something happen as soon as there is a file somewhere in a folder."""

        def wait() -> None:
            while not any(folder.rglob(name)):
                time.sleep(0.01)
            happens()

        threading.Thread(target=wait, daemon=True).start()

    def preempt(self) -> None:
        """Signal every process of the job that runs, its job's own last."""
        job = int((self.folder / "pid").read_text())
        children = Path(f"/proc/{job}/task/{job}/children").read_text().split()
        for pid in (*map(int, children), job):
            os.kill(pid, signal.SIGUSR2)

    def lose(self) -> None:
        """End the job that runs as its node would."""
        (self.folder / "states").write_text(f"{self.runs()[-1]}|NODE_FAIL|here\n")
        os.kill(int((self.folder / "pid").read_text()), signal.SIGKILL)

    def runs(self) -> list[str]:
        """Return the jobs that began, in order."""
        return (self.folder / "runs").read_text().split()

    def scripts(self) -> list[str]:
        """Return what was given to sbatch."""
        return [file.read_text() for file in sorted(self.folder.glob("*.sh"))]
