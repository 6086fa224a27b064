"""The table of commands and what is common to all: exit codes, errors without traceback, `--debug`.

Commands are named by import path and imported when they are called, so that `unpaired --help` stays instant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError, UnknownOptionError

from unpaired.errors import UserError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

COMMANDS = {
    "demo": ("demo:demo", "First run: train a small model on bundled pictures and show what it does."),
    "train": ("train:train", "Train a translator between two folders of pictures."),
    "translate": ("translate:translate", "Translate pictures with a trained model."),
    "evaluate": ("evaluate:evaluate", "Measure how good models are on held-out pictures, and compare them."),
    "bundle": ("bundle:bundle", "Write the trained networks of a run as one small folder to use or to share."),
    "import": ("import_:import_checkpoint", "Turn a checkpoint of a reference code into a bundle."),
    "data": ("data:app", "Look at folders of pictures, split them, make edge maps."),
    "weights": ("weights:app", "List the pretrained networks that losses and metrics use, and get them."),
    "config": ("config:show", "List the settings and presets, or explain one."),
    "doctor": ("doctor:doctor", "Show what this machine and installation can do."),
}


def build_app() -> App:
    """The command-line application with every command of `COMMANDS`."""
    app = App(
        name="unpaired",
        help="Learn to translate images between two folders without pairs.",
        version=lambda: version("unpaired"),
        help_epilogue="Add --debug to any command for the traceback of an error.",
    )
    for name, (target, help_line) in COMMANDS.items():
        app.command(f"unpaired.cli.{target}", name=name, help=help_line)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 wrong usage, 130/143 interrupted."""
    _let_waiting_threads_sleep()
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in tokens
    tokens = [token for token in tokens if token != "--debug"]
    app = build_app()
    try:
        result = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        if debug:
            raise
        help_command = " ".join(["unpaired", *(word for word in tokens[:1] if word in COMMANDS), "--help"])
        for message in [str(error), *_further_unknown_options(app, tokens, error)]:
            _report(message, f"See `{help_command}`.", EXIT_USAGE)
        return EXIT_USAGE
    except UserError as error:
        if debug:
            raise
        return _report_problems(error)
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except KeyboardInterrupt:
        return _report("Interrupted.", "", EXIT_INTERRUPTED)
    return result if isinstance(result, int) else 0


def _let_waiting_threads_sleep() -> None:
    """Keep torch's CPU threads (GNU OpenMP's, on Linux) from spinning for long while they wait for each other.

    On a machine that does anything else besides, they take the cores from the threads that they wait for: a step of the
    preset munit-small on two busy cores took 30 to 40 s by default, 0.55 s when they slept at once. Sleeping at once
    doubles the time on an idle machine; this short spin costs it a tenth. Has to be set before torch is imported.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _further_unknown_options(app: App, tokens: list[str], error: CycloptsError) -> list[str]:
    """What is wrong with the call beyond the unknown option of `error`, for as long as options are unknown."""
    messages: list[str] = []
    while isinstance(error, UnknownOptionError) and error.token.value in tokens:
        start = tokens.index(error.token.value)
        has_value = start + 1 < len(tokens) and not tokens[start + 1].startswith("-")
        tokens = [*tokens[:start], *tokens[start + 1 + has_value :]]
        try:
            app.parse_args(tokens, exit_on_error=False, print_error=False)
        except CycloptsError as next_error:
            error = next_error
            messages.append(str(error))
        else:
            break
    return messages


def _report_problems(error: UserError) -> int:
    for problem in error.problems:
        _report(problem.message, problem.hint, error.exit_code)
    return error.exit_code


def _report(message: str, hint: str, exit_code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    if hint:
        print(f"  {hint}", file=sys.stderr)
    return exit_code
