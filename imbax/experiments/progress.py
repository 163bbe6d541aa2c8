"""Progress bar on stderr."""

import contextlib
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from imbax.errors import InputError

__all__ = ["Bar"]


class Bar:
    """Progress bar on stderr, shown inside a `with` statement.

    Parameters
    ----------
    total
        Total work in any unit.
    shown
        Whether to show the bar; None: if there is work and stderr is a terminal.

    Raises
    ------
    InputError
        `shown` has another value.
    """

    def __init__(self, total: float, shown: bool | None = None) -> None:
        if shown is not None and not isinstance(shown, bool):
            raise InputError(
                f"progress={shown!r}, expected True, False, or None (a bar if stderr is a terminal)"
            )
        if shown is None:
            shown = total > 0 and _is_terminal(sys.stderr)
        columns = (TextColumn("{task.description}", markup=False), BarColumn())
        self._bar = Progress(
            *columns,
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True, force_terminal=True if shown else None),
            disable=not shown,
            redirect_stdout=_is_terminal(sys.stdout),  # leave output to files unchanged
        )
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> "Bar":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    @property
    def done(self) -> float:
        """Amount of finished work."""
        return self._bar.tasks[0].completed

    def update(self, done: float, name: str | None = None) -> None:
        """Show the amount of finished work and, if given, the name of the current task."""
        self._bar.update(self._task, completed=done, description=name)

    @contextlib.contextmanager
    def cell(self, lab: Any, cell: Any) -> Iterator[None]:
        """Context in which a `Lab` computes a cell and updates the bar."""
        done, work = self.done, lab.work(cell)
        lab.on_progress = lambda share: self.update(done + share * work)
        self.update(done, cell.name)
        try:
            yield
        finally:
            self.update(done + work)


def _is_terminal(stream: Any) -> bool:
    return stream is not None and stream.isatty()
