"""The command makes only what it is asked for; nobody can tell."""

from __future__ import annotations

import pytest

from hpcsim.cli.entry import command, named


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["status", "quickstart"], "status"),
        (["--debug", "-q", "run", "plan"], "run"),
        (["show", "--help"], "show"),
        ([], ""),
        (["--help"], ""),
        (["--show-completion", "bash"], ""),
        (["new", "model"], ""),
        (["--help", "run"], ""),
        (["--version", "run"], ""),
        (["--quiet"], ""),
        (["runn", "status"], ""),
    ],
)
def test_the_command_that_arguments_ask_for(arguments, name):
    assert named(arguments) == name


def test_a_shell_that_completes_sees_all_commands(monkeypatch):
    monkeypatch.setenv("_HPCSIM_COMPLETE", "complete_bash")
    assert named(["status", "quickstart"]) == ""


def test_a_command_is_the_same_alone_and_among_all():
    whole = command()
    assert len(whole.commands) > 15
    for name, one in whole.commands.items():
        if named([name]) != name:
            # a group of commands
            assert name == "new"
            continue
        alone = command(name)
        assert list(alone.commands) == [name]
        assert [option.opts for option in alone.params] == [option.opts for option in whole.params]
        assert [option.opts for option in alone.commands[name].params] == [option.opts for option in one.params]
        assert alone.commands[name].help == one.help
