"""The image of these tests, and the Slurm of some."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from absent import absent
from slurm_cluster import slurm  # noqa: F401

from hpcsim.paths import cache_directory

SCRIPTS = Path(__file__).parents[3] / "scripts"


@pytest.fixture(scope="session")
def image() -> Path:
    """hpcsim with NEST and MPI in an Apptainer image, of the sources as they are; built where it is not there yet."""
    if shutil.which("apptainer") is None:
        absent('Apptainer: PATH="$(scripts/apptainer-install.sh):$PATH"')
    line = [str(SCRIPTS / "apptainer-image.sh"), str(cache_directory() / "images" / "ci.sif"), "nest,mpi"]
    # an image that is read once need not be small
    settings = {**os.environ, "HPCSIM_SQUASH": "-comp zstd -Xcompression-level 1"}
    done = subprocess.run(line, capture_output=True, text=True, env=settings)
    assert done.returncode == 0, done.stderr[-3000:]
    return Path(done.stdout.strip())


@pytest.fixture
def container(image):
    """The image as a site names it; models beside the tests are found in it."""
    from hpcsim.scheduler.site.site import ContainerSection

    return ContainerSection(image=str(image), binds=(os.environ["PYTHONPATH"].split(os.pathsep)[0],))
