"""The bar that commands show while they go through files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(text: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal while the block runs; what is yielded moves it. Nothing when there is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(text, total=None)
        yield lambda num_done, num_all: bar.update(task, completed=num_done, total=num_all)


@contextmanager
def progress_text() -> Iterator[Callable[[str, int, int], None]]:
    """The same for work of several parts: what is yielded takes what is being done, too."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda text, num_done, num_all: bar.update(task, description=text, completed=num_done, total=num_all)
