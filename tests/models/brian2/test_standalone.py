"""Compiling once, running many times, and what happens when either fails; with a program that is a shell script."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hang_guard import hang_guard

from hpcsim.errors import SimulationError
from hpcsim.models.brian2 import standalone


@pytest.fixture
def log(tmp_path, monkeypatch):
    """Builds of the toy program, one line of flags each."""
    path = tmp_path / "builds"
    monkeypatch.setenv("TOY_LOG", str(path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    return path


def shell_program(folder, text):
    folder.mkdir()
    (folder / "main").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "main").chmod(0o755)
    return folder


def compiler(path, refuses):
    """A compiler that does not know some flags."""
    path.write_text(f'#!/bin/sh\ncase "$*" in *{refuses}*) exit 1;; esac\necho "#define __VERSION__ 1"\n')
    path.chmod(0o755)
    return str(path)


def test_a_program_is_compiled_once(tmp_path, log):
    first = standalone.program("toy_program", "one", tmp_path)
    assert standalone.program("toy_program", "one", tmp_path) == first
    assert sorted(path.name for path in first.iterdir()) == ["main", "static_arrays"]
    other = standalone.program("toy_program", "another", tmp_path)
    assert other != first
    assert log.read_text().splitlines() == [" ".join(standalone.flags())] * 2
    assert sorted(path for path in (tmp_path / "brian2").iterdir() if path.is_dir()) == sorted([first, other])


def test_processes_that_want_the_same_program_wait_for_one_build(tmp_path, log):
    code = (
        "import sys; from pathlib import Path; from hpcsim.models.brian2.standalone import program; "
        "print(program('toy_program', 'x', Path(sys.argv[1])))"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    folders = {process.communicate(timeout=300)[0] for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(folders) == 1
    assert len(log.read_text().splitlines()) == 1


def test_what_the_compiler_said_is_in_the_message(tmp_path, log, monkeypatch):
    monkeypatch.setenv("TOY_FAILS", "1")
    with pytest.raises(SimulationError, match=r"toy_program could not be compiled.*exit code 1.*\n.*linker is on strike"):
        standalone.program("toy_program", "one", tmp_path)
    monkeypatch.delenv("TOY_FAILS")
    assert (standalone.program("toy_program", "one", tmp_path) / "main").exists()


def test_a_compiler_that_does_not_know_the_flags_gets_plain_ones_and_it_is_said_once(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", compiler(tmp_path / "old", "-ffast-math"))
    with pytest.warns(UserWarning, match="old does not know .*-ffast-math.*several times slower"):
        assert standalone.flags() == standalone.PLAIN
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert standalone.flags() == standalone.PLAIN


def test_another_compiler_or_processor_is_another_program(tmp_path, log, monkeypatch):
    monkeypatch.setenv("CXX", compiler(tmp_path / "plain", "nothing"))
    assert standalone.flags() == standalone.FAST
    first = standalone.program("toy_program", "one", tmp_path)
    (tmp_path / "wide").write_text('#!/bin/sh\necho "#define __AVX2__ 1"; echo "#define __AVX512F__ 1"\n')
    (tmp_path / "wide").chmod(0o755)
    monkeypatch.setenv("CXX", str(tmp_path / "wide"))
    assert standalone.flags() == (*standalone.FAST, "-mprefer-vector-width=512")
    assert standalone.program("toy_program", "one", tmp_path) != first


def test_no_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(SimulationError, match=r'"no-such-compiler" is not there; install them \(g\+\+, make\), or set CXX'):
        standalone.flags()
    monkeypatch.setenv("CXX", compiler(tmp_path / "broken", ""))
    with pytest.raises(SimulationError, match="compiles nothing"):
        standalone.flags()


def test_arguments_and_streams(tmp_path):
    folder = shell_program(tmp_path / "echo", 'echo "$2"; cat "${1#*=}"; cat')
    with standalone.running(folder, {"cells.I": np.frombuffer(b"12345678"), "cells.steps": 3}) as talk:
        talk.send(b"sent")
        talk.into.close()
        memory = bytearray(len("cells.steps=3\n12345678sent"))
        assert talk.receive(memoryview(memory))
        assert not talk.receive(memoryview(bytearray(1)))
    assert memory == b"cells.steps=3\n12345678sent"
    assert [path.name for path in folder.iterdir()] == ["main"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo 'no such variable' >&2; exit 1", r"exit code 1\): no such variable"),
        ("echo 'file size does not match' >&2", r"exit code 0\): file size does not match"),
        ("kill -9 $$", r"exit code -9\): it said nothing"),
    ],
)
def test_a_program_that_fails(tmp_path, text, words):
    with pytest.raises(SimulationError, match=words), standalone.running(shell_program(tmp_path / "fails", text), {}) as talk:
        talk.send(b"x" * 1_000_000)
        assert not talk.receive(memoryview(bytearray(1)))


def test_a_program_is_killed_when_its_reader_stops(tmp_path):
    folder = shell_program(tmp_path / "sleeps", f"echo $$ > {tmp_path}/pid; echo; exec sleep 100000")
    with hang_guard(300), pytest.raises(KeyboardInterrupt), standalone.running(folder, {}) as talk:
        talk.receive(memoryview(bytearray(1)))
        raise KeyboardInterrupt
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.slow
def test_plain_flags_give_the_same_voltages(monkeypatch):
    from hpcsim.models.brian2.cortical_hh import simulate_traces

    noise = np.random.default_rng(1).normal(0, 10, 20_000)
    fast = simulate_traces({"VT": np.linspace(-70, -50, 8)}, noise=noise)
    monkeypatch.setattr(standalone, "flags", lambda: standalone.PLAIN)
    plain = simulate_traces({"VT": np.linspace(-70, -50, 8)}, noise=noise)
    assert not np.array_equal(plain, fast)
    np.testing.assert_allclose(plain, fast, rtol=0, atol=1e-6)


def test_a_program_is_made_where_compilers_can_read(tmp_path, log):
    """They know neither spaces nor letters beyond ASCII; the cache may be in a home that has both."""
    cache = tmp_path / "Zürich labör's"
    folder = standalone.program("toy_program", "one", cache)
    assert folder.parent.parent == cache and sorted(path.name for path in folder.iterdir()) == ["main", "static_arrays"]
    assert (folder / "main").read_text().splitlines()[1].isascii()
    assert " " not in (folder / "main").read_text().splitlines()[1].split("made in ")[1]
    with standalone.running(folder, {"a.x": 1.0}) as program:
        assert bytes(iter(lambda: program.out.read(1)[0], 10)) == b"a.x=1.0"
