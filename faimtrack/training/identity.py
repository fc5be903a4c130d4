"""What makes two trainings the same: a checkpoint of another one is not gone on with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from faimtrack.training.recipe import AnyTrainingRecipe

_MOST_DIFFERENCES = 6
_DIGITS = 12
_BLOCKS = ("network", "losses", "assignment", "data", "augmentation", "schedule", "mask_branch")
# They change no weight.
_FREE = {
    "schedule.log_every", "schedule.checkpoint_every", "schedule.checkpoints_kept",
    "data.memory_mib",
}  # fmt: skip
_NOTHING = object()


@dataclass(frozen=True)
class Identity:
    """All that weights depend on.

    Attributes:
        values: Plain values by dotted name; names of files' hashes have a space in them.
        defaults: Of those settings that have one: what a checkpoint of an earlier version, which
            does not know a setting yet, was made with.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def differences(self, others: Mapping[str, Any]) -> str:
        """What differs in a checkpoint's `values`, settings first; empty if nothing does."""
        names = sorted(self.values.keys() | others.keys(), key=lambda name: (" " in name, name))
        lines = []
        for name in names:
            here = self.values.get(name, _NOTHING)
            there = others.get(name, self.defaults.get(name, _NOTHING))
            if here != there:
                lines.append(f"{name} {_shown(name, there)} (now {_shown(name, here)})")
        more = len(lines) - _MOST_DIFFERENCES
        return ", ".join(lines[:_MOST_DIFFERENCES]) + (f" and {more} more" if more > 0 else "")


def identity_of(
    recipe: AnyTrainingRecipe, inputs: Mapping[str, str], weights: Mapping[str, str]
) -> Identity:
    """The identity of a training.

    How it is validated, logged and saved is no part of it.

    Args:
        recipe: What it does.
        inputs: SHA-256 of its data by their roles.
        weights: SHA-256 of its initial weights by their roles.
    """
    tree = recipe.tree()
    settings = {
        f"{block}.{name}": value
        for block in _BLOCKS
        for name, value in tree.get(block, {}).items()
        if f"{block}.{name}" not in _FREE
    }
    defaults = {
        f"{block}.{each.name}": list(each.default)
        if isinstance(each.default, tuple)
        else each.default
        for block in _BLOCKS
        if dataclasses.is_dataclass(config := getattr(recipe, block, None))
        for each in dataclasses.fields(config)
    }
    hashes = {f"input {name}": value for name, value in inputs.items()}
    hashes |= {f"weights {name}": value for name, value in weights.items()}
    return Identity(values={**settings, **hashes}, defaults=defaults)


def _shown(name: str, value: Any) -> str:
    if value is _NOTHING:
        return "none"
    return repr(value[:_DIGITS] if " " in name else value)
