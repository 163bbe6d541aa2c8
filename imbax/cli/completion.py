"""Shell completion, of what the parser knows."""

import argparse
from pathlib import Path
from typing import Any

__all__ = ["PrintCompletion"]


class PrintCompletion(argparse.Action):
    """Prints the script by which a shell completes commands, options, files and folders."""

    def __init__(self, **about: Any) -> None:
        super().__init__(
            choices=("bash", "zsh", "tcsh"),
            help='print a completion script, for example for `eval "$(imbax --print-completion '
            'bash)"` in ~/.bashrc',
            **about,
        )

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        import shtab

        for each in _actions(parser):
            if each.type is Path or each.metavar == "FILE":
                each.complete = shtab.DIRECTORY if each.metavar == "DIR" else shtab.FILE
        print(shtab.complete(parser, values))
        parser.exit()


def _actions(parser):
    """Options and arguments of a parser and of its commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
        else:
            yield action
