"""Shell completion generated from the parser."""

import argparse
from pathlib import Path
from typing import Any

__all__ = ["PrintCompletion"]


class PrintCompletion(argparse.Action):
    """Prints a script for shell completion of commands, options, files and folders."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            choices=("bash", "zsh", "tcsh"),
            help='print a completion script, for example for `eval "$(imbax --print-completion '
            'bash)"` in ~/.bashrc',
            **options,
        )

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        import shtab

        for action in _actions(parser):
            if action.type is Path or action.metavar == "FILE":
                action.complete = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE
        print(shtab.complete(parser, values))
        parser.exit()


def _actions(parser):
    """Yields the options and arguments of a parser and of its commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
        else:
            yield action
