"""``flashtalk COMMAND``, as ``python -m flashtalk``; :data:`COMMANDS` has them all.

Options are parsed before PyTorch is imported: help and refusals come at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import tyro

from flashtalk.cli.given_paths import refuse_empty, require_folder, with_home
from flashtalk.cli.options import (
    BenchOptions,
    EvaluateOptions,
    GenerateOptions,
    ModelOptions,
    PlanOptions,
    VerifyOptions,
)
from flashtalk.cli.serve_options import ServeOptions, StatusOptions
from flashtalk.errors import command, raise_at_ctrl_c
from flashtalk.memory import keep_one_heap
from flashtalk.openmp import let_waiting_threads_sleep

COMMANDS: dict[str, type[ModelOptions | PlanOptions | StatusOptions | VerifyOptions]] = {
    "serve": ServeOptions,
    "status": StatusOptions,
    "generate": GenerateOptions,
    "evaluate": EvaluateOptions,
    "verify": VerifyOptions,
    "bench": BenchOptions,
    "plan": PlanOptions,
}
Options = TypeVar("Options", bound=ModelOptions | PlanOptions | StatusOptions | VerifyOptions)


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if name not in COMMANDS:
        asked = name in ("-h", "--help")
        (sys.stdout if asked else sys.stderr).write(usage())
        return 0 if asked else 2
    options = parse(COMMANDS[name], rest, prog=f"flashtalk {name}")
    let_waiting_threads_sleep()  # before the command's module imports PyTorch
    keep_one_heap()
    work = _imported(options, rest)
    raise_at_ctrl_c()
    return work()


def _imported(options: Options, arguments: Sequence[str]) -> Callable[[], int]:
    """The command that takes ``options``; its modules are imported here."""
    match options:
        case ServeOptions():
            from flashtalk.cli.serve import serve

            return partial(serve, options)
        case StatusOptions():
            from flashtalk.cli.status import status

            return partial(status, options)
        case GenerateOptions():
            from flashtalk.cli.generate import generate

            return partial(generate, options)
        case EvaluateOptions():
            from flashtalk.cli.evaluate import evaluate

            return partial(evaluate, options)
        case VerifyOptions():
            from flashtalk.cli.verify import verify

            return partial(verify, options)
        case BenchOptions():
            from flashtalk.cli.bench import bench

            return partial(bench, options, arguments)
        case PlanOptions():
            from flashtalk.cli.plan import plan

            return partial(plan, options)
        case _:
            raise AssertionError(f"no command takes {type(options).__name__}")


def usage() -> str:
    """Help: the commands, a line each."""
    lines = [f"  {name:<9} {_first_line(kind)}" for name, kind in COMMANDS.items()]
    names = ",".join(COMMANDS)
    return "\n".join(
        [f"usage: flashtalk {{{names}}} [options]", "", *lines, "", "Each has --help.", ""]
    )


def parse(kind: type[Options], arguments: Sequence[str] | None = None, *, prog: str) -> Options:
    """``arguments``, or the process's own, as checked options of ``kind``.

    Ends the process with code 2 where they do not fit; raises FlashTalkError for a value that
    cannot be used.
    """
    config = (tyro.conf.FlagCreatePairsOff,)
    refuse_empty(kind, sys.argv[1:] if arguments is None else arguments)
    options = with_home(tyro.cli(kind, prog=prog, args=arguments, config=config))
    require_folder()
    options.check()
    return options


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").partition("\n")[0]
