"""`faimtrack eval-reid`: how well an embedder tells people apart, by ground truth."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faimtrack.atomic import atomic_file
from faimtrack.cli.progress import make_console, make_table
from faimtrack.motfile import SplitName
from faimtrack.provenance import Provenance, file_sha256, write_provenance

if TYPE_CHECKING:
    from faimtrack.config import PresetConfig
    from faimtrack.datasets.person_crops import PersonCrops
    from faimtrack.eval.reid import ReidScores

_COMBINED = "COMBINED"
_RANKS = (1, 5)


def eval_reid(
    data: Annotated[Path, typer.Option(help="Folder of MOTChallenge sequences, or one of them.")],
    embedder: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="A re-identification model (.onnx), our own network (.safetensors), or colours: "
            "a control without weights.",
        ),
    ],
    split: Annotated[SplitName, typer.Option(help="Which frames of each sequence.")] = "val-half",
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write every number here.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="One setting of embedder, crops or evaluation, such as embedder.device=cpu or "
            "crops.min_images=2; may be given again.",
        ),
    ] = None,
) -> None:
    """Score an embedder on the people of the ground truth: mAP and CMC, rank 1 and rank 5.

    Each person is looked for, by views query_interval (25) frames apart, among all other views in
    the same sequence; the person's own views less than minimum_gap (25) frames away do not count.
    """
    from faimtrack.appearance.embedding import embed_views
    from faimtrack.appearance.loading import embedder_file, open_embedder
    from faimtrack.datasets.person_crops import PersonCrops
    from faimtrack.eval.reid import combined_scores, evaluate_reid_by_sequence
    from faimtrack.eval.report import check_output_paths

    configs = _configs(overrides or ())
    weights = embedder_file(embedder)
    if json_path is not None:
        check_output_paths([json_path], [] if weights is None else [weights])
    model = open_embedder(embedder, configs["embedder"])
    if not model.dimension:
        raise ValueError(f"embedder: expected one that embeds, got {model.name}")
    crops = PersonCrops.open(data, split=split, config=configs["crops"])
    views = ((frame, crops.boxes[rows]) for frame, rows in crops.by_frame())
    vectors, seconds = embed_views(model, views)
    found = evaluate_reid_by_sequence(
        vectors, crops.identity_indices, crops.sequence_indices, crops.frames,
        configs["evaluation"],
    )  # fmt: skip
    scores = {crops.sequences[number]: each for number, each in found.items()}
    for name in crops.sequences:
        if name not in scores or not scores[name].queries:
            print(f"faimtrack: warning: {name}: nobody is seen twice far enough apart; not scored",
                  file=sys.stderr)  # fmt: skip
    scores[_COMBINED] = combined_scores(found.values())
    milliseconds = 1000 * seconds / len(crops)
    _show(scores, f"{model.name}: {len(crops):,} views, {milliseconds:.2f} ms each")
    if json_path is not None:
        tree = {
            "embedder": model.name,
            "dimension": model.dimension,
            "views": len(crops),
            "milliseconds_per_view": milliseconds,
            "scores": {name: _tree(each) for name, each in scores.items()},
        }
        with atomic_file(json_path) as temporary:
            temporary.write_text(json.dumps(tree, indent=1, allow_nan=False) + "\n", "utf-8")
        write_provenance(json_path, _provenance(crops, configs, model.name, weights))


def _configs(overrides: Sequence[str]) -> dict[str, Any]:
    """The configurations of embedder, crops and evaluation with what `--set` changes."""
    from faimtrack.appearance.config import EmbedderConfig
    from faimtrack.datasets.person_crops import PersonCropsConfig
    from faimtrack.eval.reid import ReidEvaluationConfig
    from faimtrack.recipes.values import build_config, field_types, nearest, parse_text

    kinds: dict[str, type[PresetConfig]] = {
        "embedder": EmbedderConfig,
        "crops": PersonCropsConfig,
        "evaluation": ReidEvaluationConfig,
    }
    types = {
        f"{block}.{name}": expected
        for block, kind in kinds.items()
        for name, expected in field_types(kind).items()
    }
    values: dict[str, dict[str, Any]] = {block: {} for block in kinds}
    for text in overrides:
        key, equals, typed = (part.strip() for part in text.partition("="))
        if not equals:
            raise typer.BadParameter(f"--set {text}: expected key=value")
        bare = [known for known in types if known.partition(".")[2] == key]
        key = bare[0] if len(bare) == 1 else key
        if key not in types:
            raise ValueError(f"{key}: unknown key; the nearest is {nearest(key, types)}")
        block, _, name = key.partition(".")
        values[block][name] = parse_text(key, typed, types[key])
    return {block: build_config(block, kind(), values[block]) for block, kind in kinds.items()}


def _show(scores: dict[str, ReidScores], title: str) -> None:
    """The table; a single sequence needs no line for all."""
    console = make_console()
    table = make_table("%", "mAP", *(f"rank-{rank}" for rank in _RANKS), "queries", "left out",
                       "gallery", "people")  # fmt: skip
    for column in table.columns[1:]:
        column.justify = "right"
    scored = {name: each for name, each in scores.items() if each.queries}
    for name, each in scored.items():
        if name == _COMBINED and len(scores) == 2:
            continue
        table.add_row(
            name,
            f"{100 * each.mean_average_precision:.2f}",
            *(f"{100 * each.rank(rank):.2f}" for rank in _RANKS),
            *(f"{count:,}" for count in (each.queries, each.queries_left_out, each.gallery,
                                         each.identities)),
        )  # fmt: skip
    console.print(table)
    console.print(title, markup=False)


def _tree(scores: ReidScores) -> dict[str, Any]:
    return {**dataclasses.asdict(scores), "cmc": scores.cmc.tolist()}


def _provenance(
    crops: PersonCrops, configs: dict[str, Any], name: str, weights: Path | None
) -> Provenance:
    return Provenance(
        kind="re-identification scores",
        configuration={"embedding_name": name, **configs},
        inputs={
            f"{sequence} ground truth": file_sha256(path)
            for sequence, path in crops.ground_truths.items()
        },
        weights={} if weights is None else {"embedder": _weights_sha256(weights)},
        split=crops.split,
    )


def _weights_sha256(path: Path) -> str:
    from faimtrack.weights import weights_sha256

    return weights_sha256(path)
