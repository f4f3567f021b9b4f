"""The entry point of the command: errors are a few lines, and each has its exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from copy import copy
from functools import cache
from typing import Any, NoReturn

import typer
from typer.main import get_command, get_command_name

# importing them makes them commands of the app
from hpcsim.cli import commands as _commands
from hpcsim.cli import inspection as _inspection
from hpcsim.cli.options import app
from hpcsim.errors import HpcsimError, Interrupted
from hpcsim.scheduler.signals import StopRequests

_COMMANDS = (_commands, _inspection)
#: Options before a command that leave all to it; with others, such as ``--help``, it is about all commands.
_BEFORE = ("-q", "--quiet", "--debug")


def named(arguments: Sequence[str]) -> str:
    """The command that arguments ask for; empty where they name none, or are about all of them."""
    place = next((place for place, word in enumerate(arguments) if word not in _BEFORE), 0)
    word = arguments[place] if arguments else ""
    shell = any(name.startswith("_") and name.endswith("_COMPLETE") for name in os.environ)
    return word if not shell and any(word == _name(info) for info in app.registered_commands) else ""


@cache
def command(name: str = "") -> Any:
    """What reads the arguments, and calls the command of that name; without a name, all commands, for which it takes longer."""
    made = copy(app)
    if name:
        made.registered_groups = []
        made.registered_commands = [info for info in app.registered_commands if _name(info) == name]
    return get_command(made)


def _name(info: Any) -> str:
    return str(info.name or get_command_name(info.callback.__name__))


def main() -> NoReturn:
    """Entry point of the command; errors are a few lines, and a traceback with ``--debug``."""
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        # the first Ctrl-C interrupts, and no further one breaks the end that it makes
        requests = StopRequests()
        signal.signal(signal.SIGINT, lambda number, frame: requests.hear(number))
    try:
        code = command(named(sys.argv[1:]))(standalone_mode=False)
        if code == Interrupted.exit_code:
            # Typer takes a Ctrl-C for itself, without a word
            code = _complain(Interrupted("stopped"))
    except HpcsimError as error:
        code = _complain(error)
    except KeyboardInterrupt:
        code = _complain(Interrupted("stopped"))
    except BrokenPipeError:
        # the reader went away (`hpcsim plan | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except typer.Abort:
        code = _complain(Interrupted("stopped"))
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            code = _complain_usage(error)
        else:
            raise
    raise SystemExit(code)


def _complain(error: HpcsimError) -> int:
    if isinstance(error, Interrupted):
        # in its very last moments Python would forget the handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.environ.get("HPCSIM_DEBUG"):
        import traceback

        traceback.print_exception(error)
    else:
        print(f"hpcsim: {error}" if isinstance(error, Interrupted) else f"error: {error}", file=sys.stderr)
    return error.exit_code


def _complain_usage(error: Any) -> int:
    """Typer's own mistakes: an option that does not exist, a missing argument."""
    context = getattr(error, "ctx", None)
    print(f"error: {error.format_message()}", file=sys.stderr)
    if context is not None:
        print(f"try: {context.command_path} --help", file=sys.stderr)
    return int(error.exit_code)
