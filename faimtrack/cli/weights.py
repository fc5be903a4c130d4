"""`faimtrack weights`: what is published, and the cache on this machine."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from faimtrack.cli.progress import make_console, make_table
from faimtrack.weights import (
    CachedWeights,
    WeightsEntry,
    WeightsMetadata,
    add_weights,
    cache_folder,
    cached_weights,
    find_weights,
    pull_weights,
    read_metadata,
    verify_weights,
    weights_entries,
)
from faimtrack.weights.cache import weights_path

weights = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@weights.callback(invoke_without_command=True)
def _weights(context: typer.Context) -> None:
    """List, fetch, add and check weights of networks.

    They lie in a cache: FAIMTRACK_HOME, else faimtrack in XDG_CACHE_HOME or ~/.cache.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


@weights.command("list")
def list_weights(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON with every field for programs.")
    ] = False,
) -> None:
    """List published weights and your own.

    What they are, their licence and data, who knows their hash, and whether they are here.
    """
    rows = _rows()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = make_table("name", "what", "licence", "data", "size", "SHA-256", "here")
    for column in table.columns:
        column.no_wrap = True
    for row in rows:
        size = row["size_bytes"]
        table.add_row(
            row["name"],
            row["title"],
            row["licence"],
            row["data"],
            "" if size is None else f"{size / 1e6:,.0f} MB",
            row["hash_state"],
            "yes" if row["is_cached"] else "",
        )
    console = make_console()
    console.print(table)
    console.print(f"cache: {cache_folder()}", soft_wrap=True, markup=False)


def _rows() -> list[dict[str, Any]]:
    """Every field of every file that has a name: published ones first, then the user's own."""
    cached = {each.name: each for each in cached_weights()}
    rows = [_row(entry, cached.pop(entry.name, None)) for entry in weights_entries()]
    return rows + [dict.fromkeys(rows[0], None) | _own_row(own) for own in cached.values()]


def _own_row(own: CachedWeights) -> dict[str, Any]:
    """What is known of a file of the user: faimtrack's own say what they are."""
    try:
        metadata = read_metadata(own.path)
    except ValueError:  # `verify` is there to tell
        metadata = None
    said = metadata or WeightsMetadata(architecture="")
    return {
        "name": own.name,
        "title": " ".join(["your own", said.architecture]).strip(),
        "licence": said.licence,
        "data": said.data,
        "architecture": said.architecture or None,
        "input_size": said.settings.get("input_size"),
        "input_convention": said.settings.get("input_convention"),
    } | _state(own, None)


def _row(entry: WeightsEntry, cached: CachedWeights | None) -> dict[str, Any]:
    row = dataclasses.asdict(entry) | _state(cached, entry)
    if entry.is_bundled and (path := weights_path(entry)).is_file():
        row |= {"is_cached": True, "path": str(path)}
    return row


def _state(cached: CachedWeights | None, entry: WeightsEntry | None) -> dict[str, Any]:
    """What is known of the hash, and where the file is."""
    if entry is not None and entry.sha256 is not None:
        known = "known" if entry.is_hash_whole else f"{len(entry.sha256)} digits"
    else:
        known = "pinned" if cached is not None else "to be pinned"
    state: dict[str, Any] = {
        "hash_state": known,
        "is_cached": cached is not None,
        "path": None if cached is None else str(cached.path),
    }
    if cached is not None:
        state |= {"sha256": cached.sha256, "size_bytes": cached.size_bytes}
    return state


@weights.command()
def pull(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Which, by their names.")],
) -> None:
    """Fetch published weights.

    What was interrupted goes on where it stopped. Nothing is fetched that is here and right.
    """
    for name in names:
        print(pull_with_bar(name))


def pull_with_bar(name: str) -> Path:
    """Have published weights in the cache, with a bar in a terminal while they come.

    If their hash is pinned by this, a line says so.
    """
    before = {each.name for each in cached_weights()}
    try:
        path = _pull(name)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on from there") from None
    now = {each.name: each for each in cached_weights()}
    if name not in before and name in now and now[name].is_pinned:
        print(
            f"faimtrack: {name}: its publisher gives no SHA-256; pinned at this first "
            f"download: {now[name].sha256}",
            file=sys.stderr,
        )
    return path


def _pull(name: str) -> Path:
    console = make_console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with bars:
        task = bars.add_task(name, total=None)
        return pull_weights(
            name, lambda done, total: bars.update(task, completed=done, total=total)
        )


@weights.command()
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file of weights.")],
    name: Annotated[
        str | None,
        typer.Option(help="Of the list, or one of your own; without it the file must be known."),
    ] = None,
) -> None:
    """Copy a file into the cache.

    One of the list is known by its hash or file name; one of your own needs a name.
    """
    path = add_weights(file, name)
    print(f"{path.parent.name}: {path}")


@weights.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]", help="Which; none named: all.")
    ] = None,
) -> None:
    """Check the hashes of cached and bundled files.

    The status is 1 if any is wrong.
    """
    checks = verify_weights(names)
    wrong = [check for check in checks if check.problem is not None]
    for check in checks:
        print(f"{check.name}: {'right' if check.problem is None else 'WRONG'}")
    for check in wrong:
        print(f"faimtrack: error: {check.problem}", file=sys.stderr)
    if wrong:
        raise typer.Exit(1)


@weights.command()
def path(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the list, or your own.")],
) -> None:
    """Print where a cached file is."""
    print(find_weights(name))
