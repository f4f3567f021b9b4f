"""Containers: which words run a command inside an image, and which sites are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hpcsim.errors import SiteError
from hpcsim.scheduler.site.container import check_image, inside
from hpcsim.scheduler.site.site import ContainerSection

WORK = Path("/home/me/project")
SET = ["env", "MPIR_CVAR_CH4_CMA_ENABLE=0", "UCX_POSIX_USE_PROC_LINK=n", "PYTHONNOUSERSITE=1"]


def container(image="/data/hpcsim.sif", **more):
    return ContainerSection(image=image, **more)


def mounts(section, *folders, work=WORK):
    """What is bound, as the runtime reads it."""
    words = inside(section, [Path(folder) for folder in folders], work)
    return [words[n + 1] for n, word in enumerate(words) if word == "--mount"]


def test_without_an_image_nothing_stands_in_front():
    assert inside(ContainerSection(), [WORK], WORK) == []
    check_image(ContainerSection())


def test_words_of_apptainer():
    section = container(binds=("/scratch", "/sw/licence:/licence:ro"), environment={"A": "x, y=$HOME"})
    assert inside(section, [Path("/data/runs"), Path("/data/runs/drive")], WORK) == [
        *("apptainer", "exec"),
        *("--mount", "type=bind,source=/data/runs,destination=/data/runs"),
        *("--mount", "type=bind,source=/home/me/project,destination=/home/me/project"),
        *("--mount", "type=bind,source=/sw/licence,destination=/licence,ro"),
        *("--mount", "type=bind,source=/scratch,destination=/scratch"),
        *("--pwd", "/home/me/project", "/data/hpcsim.sif", *SET, "A=x, y=$HOME"),
    ]
    assert inside(container(runtime="singularity"), [], WORK)[:2] == ["singularity", "exec"]


def test_words_of_docker():
    words = inside(container("hpcsim:0.1", runtime="docker", environment={"OMP_NUM_THREADS": "2"}), [], WORK)
    assert words == [
        *("docker", "run", "--rm", "--init", f"--user={os.getuid()}:{os.getgid()}"),
        *("--mount", "type=bind,source=/home/me/project,destination=/home/me/project", "--workdir=/home/me/project"),
        *("--env=SLURM_MEM_PER_NODE", "--env=SLURMD_NODENAME", "--entrypoint=env", "hpcsim:0.1", *SET[1:], "OMP_NUM_THREADS=2"),
    ]


def test_a_site_may_overrule_a_variable_and_it_is_set_once():
    words = inside(container(environment={"MPIR_CVAR_CH4_CMA_ENABLE": "1"}), [], WORK)
    assert [word for word in words if word.startswith("MPIR")] == ["MPIR_CVAR_CH4_CMA_ENABLE=1"]


def test_parents_swallow_what_they_show_and_nothing_is_bound_twice():
    [bound] = mounts(container(binds=("/home/me/", "/home/./me")), "/home/me/project/runs", "/home/me/project")
    assert bound == "type=bind,source=/home/me,destination=/home/me"
    # a name that only begins alike is no parent
    assert len(mounts(container(), "/home/me/project2")) == 2
    # a folder below one that is read-only, or that shows another, must be bound over it
    assert mounts(container(binds=("/data:/data:ro",)), "/data/runs", work=Path("/data/runs")) == [
        "type=bind,source=/data,destination=/data,ro",
        "type=bind,source=/data/runs,destination=/data/runs",
    ]
    shadowed = mounts(container(binds=("/data", "/other:/data/x")), "/data/x/runs", work=Path("/data"))
    assert [words.split(",")[1] for words in shadowed] == ["source=/data", "source=/other", "source=/data/x/runs"]


def test_odd_names_are_quoted():
    [bound] = mounts(container(), work=Path('/data/a,b:c "q" d'))
    assert bound == 'type=bind,"source=/data/a,b:c ""q"" d","destination=/data/a,b:c ""q"" d"'


@pytest.mark.parametrize(
    ("binds", "folder", "words"),
    [
        (("data",), "/x", "found 'data'; expected /source, /source:/destination or"),
        (("/a:b",), "/x", "found '/a:b'; expected"),
        (("/a:/b:rx",), "/x", "found '/a:/b:rx'; expected"),
        (("/a:/b:ro:no",), "/x", "expected"),
        (("/a:/b", "/c:/b"), "/x", "have one destination"),
        (("/mine:/usr",), "/x", "/usr inside is the image's own software"),
        ((), "/", "/ inside is the image's own software"),
        ((), "/x\ny", "found '/x\\ny'; no runtime binds names with line breaks"),
    ],
)
def test_binds_that_cannot_be(binds, folder, words):
    with pytest.raises(SiteError) as caught:
        inside(container(binds=binds), [Path(folder)], WORK)
    assert words in str(caught.value) and "container.binds" in str(caught.value)


def test_an_image_is_found_from_wherever_the_job_starts(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert "/home/me/project/images/a.sif" in inside(container("images/a.sif"), [], WORK)
    assert "/home/me/a.sif" in inside(container("~/a.sif"), [], WORK)
    assert "docker://hpcsim:0.1" in inside(container("docker://hpcsim:0.1"), [], WORK)


def test_an_image_that_is_not_there_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(SiteError, match=r"container.image: there is no file or folder .*none.sif; build it \(jobs/hpcsim.def"):
        check_image(container(str(tmp_path / "none.sif")))
    check_image(container(str(tmp_path)))
    check_image(container("oras://hpcsim:0.1"))
    with pytest.raises(SiteError, match="Docker takes names such as hpcsim"):
        check_image(container("docker://hpcsim:0.1", runtime="docker"))


def test_docker_is_asked_for_the_image_where_it_is(tmp_path, monkeypatch):
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\n[ "$5" = known ] || { echo "Error: No such image: $5" >&2; exit 1; }\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SiteError, match="Docker has no image other: Error: No such image: other; `docker build -t other"):
        check_image(container("other", runtime="docker"))
    check_image(container("known", runtime="docker"))
    monkeypatch.setenv("PATH", "/nowhere")
    check_image(container("other", runtime="docker"))
