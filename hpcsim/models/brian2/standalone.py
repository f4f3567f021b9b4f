"""The compiled program of a Brian2 model: made once a machine, run for every batch in a process of its own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from io import FileIO
from pathlib import Path
from typing import cast

import numpy as np

from hpcsim.errors import SimulationError
from hpcsim.files import publish
from hpcsim.models.compiler import cpp_compiler
from hpcsim.models.plain_path import plain_folder

_WHO = "Brian2's models"
#: Finite arithmetic without errno lets gcc call glibc's vectorised functions; more alias checks than usual let it
#: vectorise loops over many arrays. Instructions that do not wait for each other are put side by side, which gcc leaves to
#: the processor otherwise: a step of a cell is longer than a processor looks ahead. An executable may be linked with any of
#: these; a library for Python may not.
FAST = (
    *("-w", "-std=c++11", "-O3", "-ffast-math", "-march=native"),
    *("-fschedule-insns", "-fsched-pressure", "--param=vect-max-version-for-alias-checks=2000"),
)
#: What a program is made of, beside its C++ project.
SOURCE = "source.txt"
#: For other compilers.
PLAIN = ("-w", "-std=c++11", "-O2")


def flags() -> tuple[str, ...]:
    """Compiler flags that this machine understands, the fastest first; says so when they are not the fastest.

    Raises
    ------
    SimulationError
        If there is no compiler.
    """
    return _flags(cpp_compiler(_WHO))


@lru_cache
def _flags(compiler: str) -> tuple[str, ...]:
    for candidate in (FAST, PLAIN):
        macros = _macros(compiler, candidate)
        if "__AVX2__" in macros and candidate is FAST:
            # the width that gcc chooses by itself is 128 or 256 bits on some processors that have more
            return (*candidate, f"-mprefer-vector-width={512 if '__AVX512F__' in macros else 256}")
        if macros:
            break
    else:
        raise SimulationError(f"the compiler {compiler} compiles nothing with {' '.join(PLAIN)}; install g++, or set CXX")
    if candidate is PLAIN:
        warnings.warn(f"{compiler} does not know {' '.join(FAST)}: Brian2 models will run several times slower", stacklevel=3)
    return candidate


@lru_cache
def _macros(compiler: str, options: Sequence[str]) -> str:
    """What the compiler predefines with these flags (its version, the processor's abilities); empty if it refuses them."""
    command = [compiler, *options, "-x", "c++", "-dM", "-E", os.devnull]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def program(module: str, source: str, cache: Path) -> Path:
    """The compiled program of a model, made unless it is there already.

    Parameters
    ----------
    module : str
        To be started as ``python -m module FOLDER FLAGS...``; it leaves ``main`` and ``static_arrays`` in the folder.
    source : str
        All text that the program is made of; the module finds it in the folder's file `SOURCE`.
    cache : Path
        Where programs are kept, by what they were made of.

    Returns
    -------
    Path
        The folder of the program.

    Raises
    ------
    SimulationError
        If it does not compile; the compiler's words are in the message.
    """
    from filelock import FileLock

    options = flags()
    parts = [
        module,
        source,
        *options,
        _macros(cpp_compiler(_WHO), options),
        *(version(name) for name in ("brian2", "sympy")),
    ]
    folder = cache / "brian2" / hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            _build(module, source, options, folder)
    return folder


def _build(module: str, source: str, options: Sequence[str], folder: Path) -> None:
    """Compile in a temporary folder and move the program into its place in one step."""
    with plain_folder(folder.parent) as project, tempfile.TemporaryDirectory(dir=folder.parent) as product:
        (project / SOURCE).write_text(source, encoding="utf-8")
        environment = {**os.environ, "CXX": cpp_compiler(_WHO)}
        done = subprocess.run(
            [sys.executable, "-m", module, str(project), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            check=False,
        )
        if done.returncode != 0 or not (project / "main").exists():
            said = "\n".join(done.stdout.strip().splitlines()[-20:])
            raise SimulationError(f"the program of {module} could not be compiled (exit code {done.returncode}):\n{said}")
        Path(product, "program").mkdir()
        for name in ("main", "static_arrays"):
            shutil.move(project / name, Path(product, "program", name))
        publish(Path(product, "program"), folder)


@dataclass(frozen=True)
class Talk:
    """What goes into a program that runs, and what comes out of it."""

    into: FileIO
    out: FileIO

    def send(self, data: bytes) -> None:
        """Write to the program; what became of one that has ended is said where it is waited for."""
        rest = memoryview(data)
        with suppress(BrokenPipeError):
            while rest:
                rest = rest[self.into.write(rest) :]

    def receive(self, memory: memoryview) -> bool:
        """Fill memory with what the program writes; False where it has ended instead."""
        while memory:
            count = self.out.readinto(memory)
            if not count:
                return False
            memory = memory[count:]
        return True


@contextmanager
def running(folder: Path, arguments: Mapping[str, np.ndarray | float]) -> Iterator[Talk]:
    """A program at work; it is killed where the body raises.

    Parameters
    ----------
    folder : Path
        Of the program. All processes share it, and nothing is written there.
    arguments : mapping of str to ndarray or number
        Values of the model's variables in SI units, by ``group.variable``.

    Yields
    ------
    Talk
        Its standard input and output.

    Raises
    ------
    SimulationError
        If the program fails.
    """
    with plain_folder() as inputs, (inputs / "stderr").open("w+b") as stderr:
        command = [str(folder / "main"), *_written(arguments, inputs)]
        with subprocess.Popen(
            command, cwd=folder, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
        ) as process:
            try:
                into = cast(FileIO, process.stdin)
                yield Talk(into, cast(FileIO, process.stdout))
                # it works until nothing more comes
                into.close()
            except BaseException:
                process.kill()
                raise
            code = process.wait()
        stderr.seek(0)
        said = stderr.read().decode(errors="replace").strip()
    # the program goes on after an argument that it cannot read, and only says so
    if code != 0 or said:
        raise SimulationError(f"the program {command[0]} failed (exit code {code}): {said or 'it said nothing'}")


def _written(arguments: Mapping[str, np.ndarray | float], folder: Path) -> Iterator[str]:
    """Arguments of the command line; arrays go into files."""
    for name, value in arguments.items():
        if isinstance(value, np.ndarray):
            value.tofile(folder / name)
            yield f"{name}={folder / name}"
        else:
            yield f"{name}={value!r}"
