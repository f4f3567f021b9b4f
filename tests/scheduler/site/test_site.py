"""Site files: found by path or name, checked as a whole, and overruled by study and argument."""

from __future__ import annotations

import pytest

from hpcsim.errors import SiteError, StudyError
from hpcsim.scheduler.site.files import load_site, sites
from hpcsim.scheduler.site.site import Overrides, Settings, Site, resolve
from hpcsim.study.file import ResourcesSection

WRONG = """
partition = "a; rm -rf /"
acount = "me"
memory = "4 parsecs"
setup = ["one\\ntwo"]
[environment]
"A B" = "x"
[launcher]
use = "sruns"
path = "mpiexec"
[limits]
max_arry = 10
time = "forever"
throttle = 0
"""


def test_every_mistake_in_one_go_with_the_nearest_name(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(WRONG)
    with pytest.raises(SiteError) as caught:
        load_site(path)
    text = str(caught.value)
    assert len(caught.value.problems) == 10
    assert all(line.startswith(f"{path}: ") for line in text.splitlines())
    for words in (
        'acount: there is no such key; did you mean "account"?',
        "partition: found 'a; rm -rf /', allowed: letters",
        "memory: ",
        "setup.0: found 'one\\ntwo', allowed: one line",
        "the name of an environment variable",
        "launcher.use: found 'sruns', allowed: srun, mpiexec; did you mean \"srun\"?",
        "launcher.path: found 'mpiexec', allowed: a full path, from /",
        'limits.max_arry: there is no such key; did you mean "max_array"?',
        "limits.time: ",
        "limits.throttle: found 0",
    ):
        assert words in text, words


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('memory = "4 mV**2"', 'memory: "4 mV**2" is a quantity of'),
        ('memory = "50 %"', "expected an amount of memory"),
        ('memory = "nan GB"', 'memory: "nan" is no quantity'),
        ('[limits]\ntime = "10 m/s**2"', 'limits.time: "10 m/s**2" is an acceleration (m/s**2); expected a time, such as "10 s"'),
        ('[limits]\ntime = "1e400 h"', "limits.time: "),
        ("[limits]\nthrottle = true", "limits.throttle: found true, expected a number"),
        ("[limits]\nthrottle = " + "1" * 5000, "has a number of thousands of digits in line 2"),
        ("[limits]\nthrottle = " + "[" * 3000, "nested too deep"),
    ],
    ids=lambda text: text[:30],
)
def test_quantities_that_do_not_fit(tmp_path, line, message):
    path = tmp_path / "wrong.toml"
    path.write_text(line + "\n")
    with pytest.raises(StudyError) as caught:
        load_site(path)
    assert message in str(caught.value)


def test_a_site_is_found_by_path_then_among_the_users_then_among_those_shipped(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    own = tmp_path / "config" / "hpcsim" / "sites"
    own.mkdir(parents=True)
    (own / "slurm.toml").write_text('partition = "mine"\n')
    (own / "big.toml").write_text('partition = "big"\n')
    (tmp_path / "here.toml").write_text('name = "nice"\npartition = "here"\n')
    assert load_site("here.toml").name == "nice"
    assert load_site("big").partition == "big" and load_site("big").name == "big"
    assert load_site("slurm").partition == "mine"
    assert load_site("workstation").limits.throttle == 4
    assert load_site().partition == ""
    with pytest.raises(SiteError, match='there is no such file or site; did you mean "workstation"'):
        load_site("workstaton")
    for no_name_of_a_file in ("a" * 300, "a\0b", str(tmp_path)):
        with pytest.raises(SiteError, match="there is no such file or site"):
            load_site(no_name_of_a_file)


@pytest.mark.parametrize("name", ["workstation", "slurm", "apptainer"])
def test_the_shipped_examples_are_right(name):
    site = load_site(sites()[name])
    assert site.name == name and site.description


def test_argument_over_study_over_site_over_default():
    site = Site.check({"partition": "site", "memory": "1 GiB", "limits": {"time": "2 h", "throttle": 7}}, "s")
    study = ResourcesSection(memory="2 GiB", task_size=5, threads=2)
    overrides = Overrides.parse(["partition=argument", "memory=3 GiB", "time=1 h", "task_size=9", "throttle=1"])
    assert resolve(Site(), ResourcesSection()) == Settings(Site())
    plain = resolve(site, ResourcesSection())
    assert (plain.memory, plain.task_size, plain.throttle, plain.max_time) == (1024, None, 7, 7200.0)
    middle = resolve(site, study)
    assert (middle.memory, middle.task_size, middle.site.partition, middle.threads) == (2048, 5, "site", 2)
    top = resolve(site, study, overrides=overrides)
    assert (top.memory, top.task_size, top.throttle, top.max_time, top.site.partition) == (3072, 9, 1, 3600.0, "argument")


@pytest.mark.parametrize(
    ("pair", "words"), [("partition", "expected KEY=VALUE"), ("part=x", "partition"), ("qos=a b", "qos: found")]
)
def test_wrong_arguments_are_told(pair, words):
    with pytest.raises(SiteError, match=words):
        Overrides.parse([pair])


def test_settings_come_back_from_a_record():
    settings = resolve(Site(modules=("a",)), ResourcesSection(memory="1 GB"))
    assert Settings.load(settings.dump()) == settings
