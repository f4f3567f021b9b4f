"""What can run code or a shell: nowhere in the package and its scripts, but where a reason stands here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: Modules that run what they read, or make a shell read it; nobody imports them, or parts of them.
MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "code",
    "pty",
    "commands",
    "telnetlib",
}
#: Functions of Python that run text.
BUILTINS = {"eval", "exec", "compile", "__import__", "execfile", "input", "breakpoint"}
#: Functions by their full name.
CALLS = {
    "os.system", "os.popen", "os.execl", "os.execlp", "os.execv", "os.execve", "os.execvp", "os.execvpe",
    "subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell", "builtins.eval", "builtins.exec",
    "builtins.__import__", "builtins.compile", "tempfile.mktemp", "pandas.eval", "pandas.read_pickle", "torch.load",
    "yaml.load", "yaml.unsafe_load", "yaml.full_load", "shutil.unpack_archive", "tarfile.open", "importlib.import_module",
    "ssl._create_unverified_context", "runpy.run_path", "runpy.run_module", "ctypes.CDLL",
    *(f"os.spawn{kind}" for kind in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")), "os.posix_spawn", "os.posix_spawnp",
}  # fmt: skip
#: Methods, whatever they belong to, and arguments that make a harmless call a harmful one.
METHODS = {"to_pickle", "read_pickle", "extractall", "unsafe_load"}
_SHELLS = {"sh", "bash", "zsh", "csh", "dash"}

#: What is allowed, by file and name, and why.
ALLOWED = {
    (
        "hpcsim/data/pickled_table.py",
        "import pickle",
    ): "reads published pickles: each name is looked up in a table, none is called",
    ("hpcsim/source/importer.py", "importlib.import_module"): "a study's own code, which a study may run: SECURITY.md",
    ("hpcsim/source/importer.py", "builtins.__import__"): "the same: imports between files of one folder",
    ("hpcsim/source/reference.py", "importlib.import_module"): "an installed package that a study names: SECURITY.md",
    ("hpcsim/registry.py", "importlib.import_module"): "entry points of installed packages, and hpcsim's own modules",
    ("hpcsim/__init__.py", "importlib.import_module"): "names from a table in the same file",
    ("hpcsim/testing/__init__.py", "importlib.import_module"): "names from a table in the same file",
    ("hpcsim/cli/fork_server.py", "importlib.import_module"): "names from a list in the same file",
    (
        "hpcsim/inference/regression/regression.py",
        "importlib.import_module",
    ): "parts of scikit-learn from a list in the same file",
    ("hpcsim/models/neuron/world.py", "ctypes.CDLL"): "the MPI library that the simulator has loaded",
    ("hpcsim/scheduler/task/worker.py", "ctypes.CDLL"): "the C library of this process, for a signal when its parent dies",
    ("hpcsim/cli/point.py", "ctypes.CDLL"): "the C library of this process, to flush what a model has printed",
    ("hpcsim/workflow/notebook.py", "importlib.import_module"): "IPython, where there is a kernel",
    ("benchmarks/__main__.py", "importlib.import_module"): "scripts of the same folder, from a list",
    ("benchmarks/harness/page.py", "importlib.import_module"): "the same",
    ("benchmarks/harness/measure.py", "os.posix_spawnp"): "the command that is measured, as a list of words",
    ("benchmarks/harness/measure.py", "ctypes.CDLL"): "prctl of the C library",
    ("benchmarks/peers/by_joblib.py", "import joblib"): "what hpcsim is measured beside",
    ("docs/figures/glm.py", "exec"): "the code blocks of a page of this repository",
    ("docs/figures/glm.py", "compile"): "the same",
    ("docs/reference_pages/python.py", "importlib.import_module"): "modules of this repository",
}


def _sources() -> Iterator[Path]:
    for folder in ("hpcsim", "scripts", "benchmarks", "docs", "jobs"):
        yield from sorted(path for path in (ROOT / folder).rglob("*.py") if "_build" not in path.parts)
    yield ROOT / "setup.py"


def found(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """What is dangerous in a module: its name here, and the line."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.partition(".")[0]] = alias.name if alias.asname else alias.name.partition(".")[0]
                if alias.name.partition(".")[0] in MODULES:
                    yield f"import {alias.name.partition('.')[0]}", node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module.partition(".")[0] in MODULES:
                yield f"import {node.module.partition('.')[0]}", node.lineno
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        # also where it is handed on: map(eval, texts)
        if isinstance(node, ast.Name) and node.id in BUILTINS and node.id not in known and isinstance(node.ctx, ast.Load):
            yield node.id, node.lineno
        if isinstance(node, (ast.Attribute, ast.Name)) and (name := _full(node, known)) in CALLS:
            yield name, node.lineno
        if isinstance(node, (ast.List, ast.Tuple, ast.Call)) and _shell(node):
            yield "a shell", node.lineno
        if isinstance(node, ast.Call):
            yield from ((name, node.lineno) for name in _call(node, known))


def _full(node: ast.AST, known: dict[str, str]) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    head = known.get(node.id, node.id if not parts else "") if isinstance(node, ast.Name) else ""
    return ".".join([head, *reversed(parts)]) if head else ""


def _call(node: ast.Call, known: dict[str, str]) -> Iterator[str]:
    name = _full(node.func, known)
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if method in METHODS:
        yield f".{method}()"
    for keyword in node.keywords:
        true = not (isinstance(keyword.value, ast.Constant) and keyword.value.value in (False, None))
        if keyword.arg in ("shell", "allow_pickle", "use_pickle", "pickle_protocol") and true:
            yield f"{keyword.arg}="
    if name == "numpy.load" and not any(keyword.arg == "allow_pickle" for keyword in node.keywords):
        yield "numpy.load without allow_pickle=False"
    starts = name.startswith(("subprocess.", "os.exec", "asyncio.create_subprocess"))
    if starts and node.args and isinstance(node.args[0], (ast.JoinedStr, ast.BinOp)) and not _is_sequence(node.args[0]):
        yield "a command made of text"
    if starts and node.args and isinstance(node.args[0], ast.Call) and getattr(node.args[0].func, "attr", "") == "format":
        yield "a command made of text"


def _is_sequence(node: ast.AST) -> bool:
    """Whether a sum is one of lists."""
    return isinstance(node, ast.BinOp) and any(isinstance(side, (ast.List, ast.Tuple)) for side in (node.left, node.right))


def _shell(node: ast.List | ast.Tuple | ast.Call) -> bool:
    """Whether words of a command call a shell with a text: in a list wherever it stands, or in a call."""
    elements = node.args if isinstance(node, ast.Call) else node.elts
    words = [word.value for word in elements if isinstance(word, ast.Constant) and isinstance(word.value, str)]
    shell = next((n for n, word in enumerate(words) if word.rpartition("/")[2] in _SHELLS), None)
    return shell is not None and any(re.fullmatch("-[a-z]*c", word) for word in words[shell + 1 :])


def test_nothing_runs_what_it_reads():
    seen = [
        (str(path.relative_to(ROOT)), name, line) for path in _sources() for name, line in found(ast.parse(path.read_bytes()))
    ]
    not_allowed = [f"{path}:{line}: {name}" for path, name, line in seen if (path, name) not in ALLOWED]
    assert not not_allowed, "\n".join(not_allowed)
    assert set(ALLOWED) == {(path, name) for path, name, _ in seen}, "allowed, and no longer there"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import pickle as p", "import pickle"),
        ("from pickle import loads", "import pickle"),
        ("def f():\n    import marshal", "import marshal"),
        ("eval('1')", "eval"),
        ("list(map(eval, texts))", "eval"),
        ("exec(text)", "exec"),
        ("import subprocess as s\ns.run(line, shell=True)", "shell="),
        ("import subprocess\nsubprocess.run(line, shell=flag)", "shell="),
        ("import subprocess\nsubprocess.run(f'rm {x}')", "a command made of text"),
        ("import subprocess\nsubprocess.run(['bash', '-lc', x])", "a shell"),
        ("import subprocess\nsubprocess.run(('sh', '-e', '-c', x))", "a shell"),
        ("import subprocess\nsubprocess.run(args=[*before, '/bin/sh', '-c', x])", "a shell"),
        ("import subprocess\nsubprocess.run(['/usr/bin/env', 'bash', '-c', x])", "a shell"),
        ("line = ['bash', '-c', x]\nrun(line)", "a shell"),
        ("import asyncio\nasyncio.create_subprocess_exec('sh', '-c', x)", "a shell"),
        ("import subprocess\nsubprocess.run('rm {}'.format(x))", "a command made of text"),
        ("import os\nos.spawnvp(0, 'sh', x)", "os.spawnvp"),
        ("import os\nos.posix_spawn('sh', x, {})", "os.posix_spawn"),
        ("import os\nos.system('ls')", "os.system"),
        ("from os import system as run\nrun('ls')", "os.system"),
        ("import os.path\nos.popen('ls')", "os.popen"),
        ("import yaml\nyaml.load(x)", "yaml.load"),
        ("import torch\ntorch.load(x)", "torch.load"),
        ("def f():\n    import torch as t\n    t.load(x)", "torch.load"),
        ("import numpy as np\nnp.load(x)", "numpy.load without allow_pickle=False"),
        ("import numpy as np\nnp.load(x, allow_pickle=True)", "allow_pickle="),
        ("frame.to_pickle(x)", ".to_pickle()"),
        ("archive.extractall()", ".extractall()"),
        ("from importlib import import_module\nimport_module(x)", "importlib.import_module"),
    ],
)
def test_it_is_found(text, name):
    assert name in [kind for kind, _ in found(ast.parse(text))]


def test_what_is_like_it_is_not():
    text = """
import re, subprocess, ast, numpy as np
pattern = re.compile("x"); network.eval(); parse_exec = 1
subprocess.run(["ls", name], shell=False); np.load(path, allow_pickle=False); ast.literal_eval(x)
class Model:
    def eval(self): ...
"""
    assert list(found(ast.parse(text))) == []
