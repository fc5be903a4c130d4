"""`faimtrack compare-video`: two results beside each other, and what is wrong in each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from faimtrack.cli.eval import BENCHMARK, DISTRACTORS, NUMBERING, rules_of_options
from faimtrack.cli.progress import SequenceProgress
from faimtrack.cli.running import class_names
from faimtrack.eval.reading import EvaluationSettings, SequenceFiles, find_files
from faimtrack.eval.report import check_output_paths
from faimtrack.motfile import SplitName, find_sequences, read_sequence_info
from faimtrack.pipeline.comparison import Comparison, read_comparison
from faimtrack.pipeline.comparison_video import (
    ComparisonPictures,
    write_comparison_picture,
    write_comparison_video,
)

DEFAULT_OUTPUT = Path("compare.mp4")


def compare_video(
    first: Annotated[
        Path, typer.Argument(metavar="A", help="File of results, or a folder of <sequence>.txt.")
    ],
    second: Annotated[Path, typer.Argument(metavar="B", help="The other one.")],
    gt: Annotated[
        Path | None, typer.Option(help="Ground truth: a file, or a sequence's folder.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of MOTChallenge sequences, instead of --gt.")
    ] = None,
    sequence: Annotated[
        str | None, typer.Option(help="With --data: which sequence, if there are several.")
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE", help="A video or images, if they are not in the sequence's folder."
        ),
    ] = None,
    split: Annotated[SplitName, typer.Option(help="Which frames are compared.")] = "full",
    numbering: NUMBERING = "kept",
    benchmark: BENCHMARK = None,
    classes: Annotated[
        str | None, typer.Option(help="Own classes to compare, such as 1,2 (column 8).")
    ] = None,
    distractors: DISTRACTORS = None,
    frame_count: Annotated[
        int | None, typer.Option(min=1, help="With a --gt file: the full sequence's length.")
    ] = None,
    frames: Annotated[
        str | None,
        typer.Option(metavar="FIRST-LAST", help="Only these; numbers of the full sequence."),
    ] = None,
    names: Annotated[
        str | None, typer.Option(metavar="A,B", help="What the results are called.")
    ] = None,
    width: Annotated[
        int | None, typer.Option(help="Of each panel in pixels (the image's, at most 960).")
    ] = None,
    scale: Annotated[
        float | None, typer.Option(help="Instead of --width: of each panel, in image widths.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help=f"The video ({DEFAULT_OUTPUT} if not given).")
    ] = None,
    picture: Annotated[
        tuple[int, Path] | None,
        typer.Option(
            metavar="FRAME PNG", help="One frame as a picture; a video too only with --output."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Show two results beside each other: hits, misses, false alarms and identity switches.

    What is what is decided as `faimtrack eval` counts it (TrackEval's CLEAR), and the counts above
    each panel run from the split's first frame on.
    """
    settings = EvaluationSettings(
        split=split,
        numbering=numbering,
        rules=rules_of_options(benchmark, classes, distractors),
    )
    truth, folder = _ground_truth(gt, data, sequence)
    if frame_count is not None and folder is not None:
        raise ValueError("--frame-count: expected with a --gt file alone, got a sequence")
    if images is None and folder is None:
        raise ValueError(
            f"{truth}: expected it in a sequence's folder gt, or --images, got no images"
        )
    files = [
        _named(find_files(truth, results, settings, frame_count=frame_count))
        for results in (first, second)
    ]
    if output is None and picture is None:
        output = DEFAULT_OUTPUT
    outputs = [path for path in (output, picture and picture[1]) if path is not None]
    check_output_paths(outputs, [truth, *(each.results for each in files)])
    for path in outputs:
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path}: already there; --overwrite replaces it")
    comparison = read_comparison(files, _names(names, first, second), settings)
    chosen = _frames(frames, comparison)
    source = images if images is not None else str(folder)
    size = None if folder is None else _image_size(folder)
    with ComparisonPictures(comparison, source, width=width, scale=scale, size=size) as pictures:
        if picture is not None:
            write_comparison_picture(pictures, *picture)
            print(f"picture: {picture[1]}")
        if output is not None:
            with SequenceProgress([comparison.name]) as progress:
                write_comparison_video(
                    pictures,
                    chosen,
                    output,
                    lambda done, total: progress.report(comparison.name, done, total),
                )
            print(f"video: {output}")


def _ground_truth(
    gt: Path | None, data: Path | None, sequence: str | None
) -> tuple[Path, Path | None]:
    """The file of ground truth, and the sequence's folder if it is in one."""
    if (data is None) == (gt is None):
        raise ValueError("expected one of --gt and --data, got " + ("both" if gt else "none"))
    if data is not None:
        folder = _sequence_folder(data, sequence)
    elif sequence is not None:
        raise ValueError("--sequence: expected with --data, got --gt")
    elif gt is not None and gt.is_dir():
        folder = gt
    else:
        assert gt is not None
        parent = gt.absolute().parent
        is_in_sequence = parent.name == "gt" and (parent.parent / "seqinfo.ini").is_file()
        return gt, parent.parent if is_in_sequence else None
    plain = read_sequence_info(folder).ground_truth_path
    packed = plain.with_name(f"{plain.name}.gz")
    return (packed if packed.is_file() and not plain.is_file() else plain), folder


def _image_size(folder: Path) -> tuple[int, int] | None:
    """Height and width of a sequence's frames in pixels, if it says them."""
    info = read_sequence_info(folder)
    if info.height is None or info.width is None:
        return None
    return info.height, info.width


def _sequence_folder(data: Path, sequence: str | None) -> Path:
    if not data.is_dir():
        came = "a file" if data.exists() else "no such folder"
        raise NotADirectoryError(f"{data}: expected a folder of sequences, got {came}")
    folders = {read_sequence_info(folder).name: folder for folder in find_sequences(data)}
    if sequence is None and len(folders) == 1:
        return next(iter(folders.values()))
    if sequence not in folders:
        came = "none" if sequence is None else repr(sequence)
        raise ValueError(f"--sequence: expected one of {', '.join(folders)}, got {came}")
    return folders[sequence]


def _named(files: SequenceFiles) -> SequenceFiles:
    """The same files; refused here if there are no results, in words of this verb."""
    if not files.results.exists():
        raise FileNotFoundError(
            f"{files.results}: expected results of {files.name}, got no such file"
        )
    return files


def _names(text: str | None, first: Path, second: Path) -> tuple[str, ...]:
    """As asked for; else the innermost parts of the two paths that differ."""
    names = class_names(text, "--names")
    if names is not None:
        if len(names) != 2:
            raise typer.BadParameter(f"--names {text!r}: expected two names, got {len(names)}")
        return names
    paths = [Path(path).absolute() for path in (first, second)]
    for parts in zip(*(reversed(path.parts) for path in paths), strict=False):
        if len(set(parts)) > 1:
            return tuple(part.removesuffix(".gz").removesuffix(".txt") for part in parts)
    return "A", "B"


def _frames(text: str | None, comparison: Comparison) -> range:
    """The frames of the video."""
    whole = comparison.frames
    if text is None:
        return whole
    match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", text.strip())
    if match is None:
        raise ValueError(f"--frames: expected FIRST-LAST such as 10-60, got {text!r}")
    first, last = int(match[1]), int(match[2] or match[1])
    if not whole.start <= first <= last < whole.stop:
        raise ValueError(
            f"--frames: expected some of {whole.start}-{whole.stop - 1}, got {text.strip()}"
        )
    return range(first, last + 1)
