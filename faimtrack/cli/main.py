"""The command `faimtrack`: verbs that are imported only when they are called."""

from __future__ import annotations

import difflib
import importlib
import io
import os
import sys
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

import faimtrack
from faimtrack.errors import describe_error, wants_tracebacks

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
_SPINS = "3000"  # some ten microseconds: most waits are shorter, and waking up takes as long


@dataclass(frozen=True)
class _Verb:
    """Where a verb lives, and its line in the list of verbs (known without importing it)."""

    module: str
    function: str
    summary: str


_VERBS = {
    "demo": _Verb(
        "faimtrack.cli.demo",
        "demo",
        "Make a crowd, track it, score it and show it: no data needed.",
    ),
    "track": _Verb(
        "faimtrack.cli.track", "track", "Track sequences, videos, images, cameras and streams."
    ),
    "detect": _Verb(
        "faimtrack.cli.detect", "detect", "Find objects, and write them to track from later."
    ),
    "link": _Verb(
        "faimtrack.cli.link", "link", "Link the detections of whole videos: Seq-NMS and REPP."
    ),
    "eval": _Verb("faimtrack.cli.eval", "evaluate", "Score tracks: HOTA, CLEAR and Identity."),
    "eval-reid": _Verb(
        "faimtrack.cli.eval_reid",
        "eval_reid",
        "Score how well an embedder tells people apart: mAP, rank 1 and 5.",
    ),
    "eval-vod": _Verb(
        "faimtrack.cli.eval_vod",
        "eval_vod",
        "Score detections in videos: the VID protocol's and COCO's average precision.",
    ),
    "compare-video": _Verb(
        "faimtrack.cli.compare_video",
        "compare_video",
        "Show two results beside each other: hits, misses, false alarms, switches.",
    ),
    "train": _Verb(
        "faimtrack.cli.train",
        "train",
        "Train a detector, with or without masks, or a re-identification network.",
    ),
    "reproduce": _Verb(
        "faimtrack.cli.reproduce",
        "reproduce",
        "Make the paper's tables and figures anew, ours beside the paper's.",
    ),
    "crowd": _Verb("faimtrack.cli.crowd", "crowd", "Make a synthetic crowd in MOT20 layout."),
    "masks": _Verb(
        "faimtrack.cli.masks",
        "masks",
        "Make masks of objects from their boxes, look at them, score them.",
    ),
    "data": _Verb("faimtrack.cli.data", "data", "Look through data before they are learnt from."),
    "trackers": _Verb(
        "faimtrack.cli.trackers", "trackers", "List trackers with every parameter and its meaning."
    ),
    "detectors": _Verb(
        "faimtrack.cli.detectors",
        "detectors",
        "List kinds of detectors with every parameter and its meaning.",
    ),
    "weights": _Verb(
        "faimtrack.cli.weights", "weights", "List, fetch, add and check weights of networks."
    ),
    "export": _Verb(
        "faimtrack.cli.export", "export", "Write a detector as ONNX, or its weights as ours."
    ),
}


class _LazyGroup(TyperGroup):
    """Lists verbs from a table; imports one when it is called."""

    def list_commands(self, context: Any) -> list[str]:
        return list(_VERBS)

    def get_command(self, context: Any, name: str) -> Any:
        """What the list of verbs shows of one."""
        if name not in _VERBS:
            return None
        return TyperCommand(name, help=_VERBS[name].summary)

    def resolve_command(self, context: Any, arguments: list[str]) -> Any:
        """The real verb, and the arguments that are left for it."""
        name = arguments[0]
        if name not in _VERBS:
            closest = difflib.get_close_matches(name, _VERBS, n=1)
            hint = f"; did you mean {closest[0]}?" if closest else ""
            context.fail(f"expected {', '.join(_VERBS)}, got {name!r}{hint}")
        return name, _load(name), arguments[1:]


def _load(name: str) -> Any:
    verb = _VERBS[name]
    function = getattr(importlib.import_module(verb.module), verb.function)
    if isinstance(function, typer.Typer):  # it has verbs of its own
        return typer.main.get_command(function)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(
        name,
        cls=getattr(function, "command_class", None) or TyperCommand,
        context_settings={"help_option_names": ["-h", "--help"]},
    )(function)
    return typer.main.get_command(app)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"faimtrack {faimtrack.__version__}")
        raise typer.Exit


_app = typer.Typer(
    cls=_LazyGroup,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@_app.callback(invoke_without_command=True)
def _faimtrack(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Multi-object tracking: exact, fast, permissive, complete."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def run(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; errors become one line on stderr and an exit status.

    Status 0: all well. 1: something failed. 2: the command itself makes no sense. 130: Ctrl-C.
    FAIMTRACK_DEBUG=1 in the environment shows tracebacks.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    _prepare_streams()
    limit_spinning()
    try:
        # Not its `main`: versions of typer differ in what they make of Ctrl-C there.
        command = typer.main.get_command(_app)
        with command.make_context("faimtrack", list(arguments)) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as end:
        sys.exit(end.exit_code)
    except BaseException as error:
        if wants_tracebacks() and not isinstance(error, SystemExit):
            raise
        sys.exit(_status_of(error))
    sys.exit(0)


def limit_spinning() -> None:
    """Let torch's threads give up a core soon where they wait for each other.

    GNU's OpenMP lets them spin for milliseconds: with a single other process on the machine, a
    small network then takes a hundred times as long. What the environment says already stands.
    To be called before torch is imported, which reads it.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)


def _prepare_streams() -> None:
    """Make stdout and stderr such that whatever is printed to them is no error."""
    if sys.stdout is None or sys.stderr is None:
        # A service may have closed them. Else the next file that is opened would take their
        # number, and what a library prints would go into it.
        while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(handle)
        sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115
        sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        # An encoding without a minus sign or a name's letters shows a "?" for them.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


# The classes that typer builds its errors on; where they live differs between its versions.
_CommandLineError: type[Exception] = next(
    each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException"
)
_UsageError: type[Exception] = next(
    each for each in typer.BadParameter.__mro__ if each.__name__ == "UsageError"
)


def _status_of(error: BaseException) -> int:
    """Say what went wrong in one line; the exit status that belongs to it."""
    if isinstance(error, SystemExit):
        raise error
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        _complain("; ".join(["interrupted", *map(str, error.args)]))
        return EXIT_INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # Whoever read our output has seen enough; closing stdout must not complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    if isinstance(error, _CommandLineError):
        message: str = error.format_message()  # type: ignore[attr-defined]
        is_usage = isinstance(error, _UsageError)
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if is_usage and context is not None else ""
        _complain(f"{' '.join(message.split())}{hint}")
        return EXIT_USAGE if is_usage else EXIT_FAILED
    _complain(_describe(error))
    return EXIT_FAILED


# What the base install leaves out, and the extra that brings it.
_EXTRAS = {
    "lightning": "torch",
    "mobile_sam": "mobile-sam",
    "onnx": "export",
    "onnxscript": "export",
    "ray": "ray",
    "sam2": "sam2",
    "safetensors": "torch",
    "segment_anything": "torch",
    "sklearn": "figures",
    "tensorboard": "torch",
    "torch": "torch",
    "torchvision": "torch",
}


def _complain(message: str) -> None:
    print(f"faimtrack: error: {message}", file=sys.stderr)


def _describe(error: BaseException) -> str:
    if isinstance(error, ImportError) and not isinstance(error, ModuleNotFoundError):
        # Such as cv2 in a container without libGL.
        return f"{error.name or 'a library'} cannot be loaded: {' '.join(str(error).split())}"
    if isinstance(error, ModuleNotFoundError):
        name = (error.name or "a library").partition(".")[0]
        if name in _EXTRAS:
            return f"{name} is not installed: pip install 'faimtrack[{_EXTRAS[name]}]' brings it"
        return f"{name} is not installed: pip install faimtrack brings all it needs"
    text = describe_error(error)
    if isinstance(error, (ValueError, OSError, MemoryError)):
        return text
    return f"{text} (this is a fault of faimtrack; FAIMTRACK_DEBUG=1 shows where)"
