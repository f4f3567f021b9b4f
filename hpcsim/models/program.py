"""Programs that nobody may change as models: a file of parameters goes in, files of numbers come out."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from hpcsim.errors import SimulationError, nearest, shown
from hpcsim.models.model import Context
from hpcsim.models.program_files import STANDARD_OUTPUT, read_output, write_parameters
from hpcsim.space.points import Point

#: Seconds between two looks whether the program has ended or a stop is asked.
_LOOK = 0.2
#: Bytes of what a program printed that go to the log of the task.
_PRINTED = 2**20


def run_program(
    point: Point,
    context: Context,
    command: Sequence[str | Path],
    *,
    parameters: str = "parameters.json",
    template: Path | str | None = None,
    output: str | Sequence[str] = "output.csv",
    names: Mapping[str, str] | None = None,
) -> dict[str, np.ndarray]:
    """Run a program on one point, in a folder of its own that is removed afterwards, and read what it wrote.

    To be called in a function with ``@model``, which declares parameters and outputs. Give the program and what it reads as
    ``files`` of the model: a changed program is then another model, and they are stored with the study.

    Parameters
    ----------
    point : Point
    context : Context
    command : sequence of str or Path
        The program and its arguments. ``{parameters}``, ``{output}``, ``{seed}`` and ``{threads}`` stand for the two files (the
        first one of several), a seed, and how many threads it may use. A file that is not executable is started with the
        interpreter of its first line.
    parameters : str
        Name of the file with the parameters. ``.json`` and ``.toml`` hold all by name, in the units that the model declares,
        and a ``seed`` from 0 to 2**31 - 1 unless a parameter is called so.
    template : Path, optional
        Instead: a text in which ``$name`` and ``${name}`` are replaced by values (``$$`` is a dollar); written under the name
        above.
    output : str or sequence of str
        Names of the files that it writes: ``.npy`` (an array, called as the file), ``.npz``, ``.h5`` (datasets by their path),
        and else columns of text with a line of names above (without one they are called 0, 1, ...). ``-`` is what it prints.
    names : mapping of str to str, optional
        For outputs of the model, what they are called in the files; the same without it.

    Returns
    -------
    dict of str to ndarray
        What the files hold of the outputs that the study knows.

    Raises
    ------
    SimulationError
        If it cannot be started, fails, writes no file, or something else. What it printed is in the log, and its last lines are
        in the reason of the point.
    """
    outputs = [output] if isinstance(output, str) else list(output)
    with tempfile.TemporaryDirectory(prefix="hpcsim-program-") as scratch:
        folder = Path(scratch) / "work"
        folder.mkdir()
        seed = point.seed % 2**31
        write_parameters(folder / parameters, point.values, seed, template)
        stand_for = {
            "{parameters}": str(folder / parameters),
            "{output}": str(folder / outputs[0]),
            "{seed}": str(seed),
            "{threads}": str(context.threads),
        }
        name, words = _program(command), [_filled(str(word), stand_for) for word in command]
        printed, complaint = _run(name, words, folder, context)
        found: dict[str, np.ndarray] = {}
        try:
            for file in outputs:
                path = printed if file == STANDARD_OUTPUT else folder / file
                found |= read_output(path, _written(folder, parameters))
            return _known(found, names or {}, context, ", ".join(outputs))
        except SimulationError as error:
            # what it said may tell why
            raise SimulationError(f"{name}: {error}") from subprocess.CalledProcessError(0, words, stderr=complaint)


def _filled(word: str, stand_for: Mapping[str, str]) -> str:
    for name, value in stand_for.items():
        word = word.replace(name, value)
    return word


def _run(name: str, words: list[str], folder: Path, context: Context) -> tuple[Path, str]:
    """Run it to its end; returns the file with what it printed, and the end of what it complained."""
    said, complained = folder.parent / "stdout", folder.parent / "stderr"
    environment = {**os.environ, "OMP_NUM_THREADS": str(context.threads)}
    try:
        with said.open("wb") as out, complained.open("wb") as err:
            process = subprocess.Popen(
                _startable(words, folder.parent), cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment
            )
    except OSError as error:
        raise SimulationError(f"{name} cannot be started: {error.strerror}; is it there, and executable?") from error
    try:
        while True:
            try:
                code = process.wait(_LOOK)
                break
            except subprocess.TimeoutExpired:
                context.progress(0.0)
    finally:
        if process.poll() is None:
            _end_all(process)
        for path, stream in ((said, sys.stdout), (complained, sys.stderr)):
            print(_end(path), end="", file=stream, flush=True)
    text = _end(complained)
    if code:
        how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        cause = subprocess.CalledProcessError(code, words, output=_end(said), stderr=text)
        raise SimulationError(f"{name} {how}") from cause
    return said, text


def _end_all(process: subprocess.Popen[bytes]) -> None:
    """End a program with all that it has started: a script's simulator would go on alone."""
    import psutil

    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        below = []
    process.kill()
    process.wait()
    for child in below:
        with suppress(psutil.NoSuchProcess):
            child.kill()


def _startable(words: list[str], scratch: Path) -> list[str]:
    """The command; files that are stored with a study have lost that they are executable."""
    program = Path(words[0])
    if not program.is_absolute() or not program.is_file() or os.access(program, os.X_OK):
        return words
    with program.open("rb") as file:
        first = file.readline(256)
    if first.startswith(b"#!"):
        return [*first[2:].decode().split(), *words]
    copied = scratch / program.name
    shutil.copyfile(program, copied)
    copied.chmod(0o700)
    return [str(copied), *words[1:]]


def _known(found: Mapping[str, np.ndarray], names: Mapping[str, str], context: Context, where: str) -> dict[str, np.ndarray]:
    """What the study knows of what was found; one number is no list where the model declares a number."""
    for name, called in names.items():
        if called not in found:
            raise SimulationError(f'{where} holds no "{called}", which the output "{name}" is; {nearest(called, found)}')
    outputs = {**{name: values for name, values in found.items() if name not in names.values()}}
    outputs |= {name: found[called] for name, called in names.items()}
    declared = context.layout.outputs
    if not declared:
        return outputs
    known = {name: values for name, values in outputs.items() if name in declared}
    if not known:
        raise SimulationError(f"{where} holds {shown(', '.join(outputs)) or 'nothing'}; expected outputs: {', '.join(declared)}")
    single = {name for name, values in known.items() if not declared[name].dims and values.size == 1}
    return {name: values.reshape(()) if name in single else values for name, values in known.items()}


def _written(folder: Path, parameters: str) -> Iterator[str]:
    """Names of the files that the program left."""
    return (
        path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file() and path.name != parameters
    )


def _program(command: Sequence[str | Path]) -> str:
    """How a message calls a program: by the script, where an interpreter runs one."""
    script = next((word for word in command[1:2] if Path(word).is_file()), command[0])
    return Path(script).name


def _end(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _PRINTED))
        return file.read().decode(errors="replace")
