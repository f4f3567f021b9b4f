"""Whatever a path, a study or a site is called: each value is one word of the script, or the script is refused."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hpcsim.errors import HpcsimError, SiteError
from hpcsim.scheduler.queue.paths import ArraySpec, SubmissionPaths
from hpcsim.scheduler.queue.script import array_script, collect_script, dependency_script, probe_script
from hpcsim.scheduler.site.container import inside
from hpcsim.scheduler.site.site import ContainerSection, Settings, Site, resolve
from hpcsim.study.file import ResourcesSection

SHELL = [
    "$(touch x)", "`id`", "; rm -rf ~", "a b", "it's", '"', "\\", "\\\n", "$HOME", "${IFS}", "&& id", "| id", "> x", "*", "~",
    "#", "!", "%A", "\n#SBATCH --uid=0", "--wrap=id", "-c", "{a,b}", "\t", "\u00a0", "\u2028", "é", "\x1b[2J", "<(id)", "a=b",
]  # fmt: skip
#: A part of a path: anything but a slash, a zero byte, and dots alone.
NAMES = (st.sampled_from(SHELL) | st.text(min_size=1, max_size=12)).filter(
    lambda name: not set(name) & set("/\0") and name.strip(".")
)
TEXTS = (st.sampled_from(SHELL) | st.text(min_size=1, max_size=12)).filter(lambda text: "\0" not in text)
quick = settings(max_examples=60, derandomize=True, database=None, deadline=None)


def _words(text: str) -> list[str]:
    """The words after exec, as a shell reads them."""
    (line,) = re.findall(r"^exec (.*)\Z", text, re.MULTILINE | re.DOTALL)
    return shlex.split(line.replace("\\\n", ""))


def _settings(values: dict[str, object], ranks: int = 1) -> Settings:
    try:
        return resolve(Site.check({"name": "s", **values}, "s"), ResourcesSection(ranks=ranks, threads=ranks))
    except SiteError:
        assume(False)
        raise


def _options(text: str) -> dict[str, str]:
    """What stands after #SBATCH; each line is one word."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#SBATCH "):
            (word,) = shlex.split(line.removeprefix("#SBATCH "))
            name, _, value = word.partition("=")
            assert re.fullmatch(r"--[a-z-]+", name)
            found[name] = value
    return found


@quick
@given(parts=st.lists(NAMES, min_size=1, max_size=3), python=NAMES, value=TEXTS, module=TEXTS, scratch=NAMES)
def test_every_value_is_one_word(parts, python, value, module, scratch):
    folder = Path("/", *parts)
    site = _settings({"environment": {"VALUE": value}, "modules": [module], "scratch": f"/{scratch}", "python": f"/{python}"})
    place = SubmissionPaths("s", folder, 2, folder)
    try:
        text = array_script(place, ArraySpec(3, 2), site)
        collect, after = collect_script(place, site), dependency_script(place, site, folder / "site", ["a"], ["--with", value])
        probe = probe_script(place, site, folder / "answer")
    except HpcsimError:
        assert not str(folder).isprintable()
        return
    tasks, log = folder / "jobs" / "0002" / "tasks", f"{folder}/logs/${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID.log"
    start = [f"/{python}", "-m", "hpcsim"]
    number = "$((SLURM_ARRAY_TASK_ID + 3))"
    assert _words(text) == [*start, "task", str(folder), number, "--tasks", str(tasks), "--log", log, "--defer-oom"]
    assert _words(collect) == [*start, "collect", str(folder), "--go-on"]
    assert _words(after) == [*start, "submit", "--after-inputs", str(folder), "--site", str(folder / "site"), "--with", value]
    assert _words(probe)[-2:] == ["hpcsim.scheduler.slurm.probe", str(folder / "answer")]
    for script in (text, collect, after, probe):
        options = _options(script)
        assert options["--chdir"] == str(folder) and not {"--uid", "--wrap"} & options.keys()
        # what stands before the command: the module, the variable and the folder, and nothing else
        head = script.partition("set -e\n")[2].partition("\nmkdir -p")[0]
        assert shlex.split(head) == ["module", "load", module, "export", f"VALUE={value}", "export", f"TMPDIR=/{scratch}"]


@quick
@given(parts=st.lists(NAMES, min_size=1, max_size=2), image=NAMES, value=TEXTS, runtime=st.sampled_from(["apptainer", "docker"]))
def test_every_value_is_one_word_of_a_container(parts, image, value, runtime):
    folder = Path("/data", *parts)
    name = f"/{image}" if runtime == "apptainer" else image
    try:
        section = ContainerSection(image=name, runtime=runtime, environment={"VALUE": value})
        words = inside(section, [folder], folder)
    except (HpcsimError, ValueError):
        return
    assert f"VALUE={value}" in words and name in words
    (mount,) = (words[n + 1] for n, word in enumerate(words) if word == "--mount")
    assert next(csv.reader([mount])) == ["type=bind", f"source={folder}", f"destination={folder}"]
    launched = _settings({"container": section.model_dump()}, ranks=2)
    try:
        text = array_script(SubmissionPaths("s", folder / "runs", 1, folder), ArraySpec(0, 1), launched)
    except HpcsimError:
        return
    wrapped = shlex.split(_words(text)[_words(text).index("--inside") + 1])
    assert f"VALUE={value}" in wrapped and wrapped[-1] == "python3"


@pytest.mark.parametrize("name", ["é", "A-B", "A B", "A=B", "1A", "A;id", "A\n", "", "Aé", "A²"])
def test_names_of_variables_are_those_of_a_shell(name):
    with pytest.raises(SiteError, match="environment"):
        Site.check({"environment": {name: "x"}}, "s")
    with pytest.raises(SiteError, match="environment"):
        Site.check({"container": {"image": "/a.sif", "environment": {name: "x"}}}, "s")


@pytest.mark.parametrize("name", ["--privileged", "-v/:/host"])
def test_an_image_is_never_an_option(name):
    with pytest.raises(SiteError, match="without a dash"):
        Site.check({"container": {"image": name, "runtime": "docker"}}, "s")
