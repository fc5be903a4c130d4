"""Every key that a recipe may have: blocks, their configurations, and types of single values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faimtrack.config import PresetConfig
from faimtrack.recipes.values import build_config, field_types, nearest, parse_value

BLOCKS = ("tracker", "detector", "camera_motion", "embedder", "regressor", "postprocess")
"""What a recipe has besides settings of the run."""
NETWORK_BLOCKS = ("detector", "embedder", "regressor")
"""Those that name weights."""
_FIRST = ("tracker", "detector", "")


class RecipeSchema:
    """Every key that a certain recipe may have, dotted, and its type.

    A bare key is one of the tracker, the detector or the run if any of these has it; only else is
    it one of the other blocks. So what worked before there were other blocks goes on working.

    Attributes:
        types: The type of each key's value.
    """

    def __init__(
        self, configs: Mapping[str, type[PresetConfig]], settings_class: type[Any]
    ) -> None:
        """Know the keys of a recipe.

        Args:
            configs: The configuration of each of `BLOCKS`.
            settings_class: The dataclass of the keys without a block.
        """
        self._configs = {block: configs[block] for block in BLOCKS}
        self._settings_class = settings_class
        self.types: dict[str, Any] = {"tracker.name": str}
        self.types |= {f"{block}.preset": str for block in BLOCKS}
        self.types |= {f"{block}.weights": str | None for block in NETWORK_BLOCKS}
        for block, config_class in self._configs.items():
            for name, expected in field_types(config_class).items():
                self.types[f"{block}.{name}"] = expected
        self.types |= field_types(settings_class)

    def find(self, key: str) -> str:
        """The full key for one that may be bare.

        Raises:
            ValueError: It is unknown, or the bare name of several.
        """
        if key in self.types:
            return key
        if key in {"preset", "weights"}:  # who names no block means that which everybody has
            return "tracker.preset" if key == "preset" else "detector.weights"
        named = [known for known in self.types if known.rpartition(".")[2] == key]
        found = [known for known in named if known.rpartition(".")[0] in _FIRST] or named
        if len(found) > 1:
            raise ValueError(f"{key}: expected one of {', '.join(found)}, got a name of several")
        if not found:
            bare = [known.rpartition(".")[2] for known in self.types]
            closest = nearest(key, [*self.types, *bare])
            raise ValueError(f"{key}: unknown key; the nearest is {closest}")
        return found[0]

    def from_tree(self, where: str, tree: Mapping[str, Any]) -> dict[str, Any]:
        """Validated values of a recipe's tree, by dotted key.

        Raises:
            ValueError: A key is unknown, or a value does not fit.
        """
        values = {}
        for block, content in tree.items():
            inside = (
                {f"{block}.{key}": value for key, value in content.items()}
                if (isinstance(content, dict))
                else {block: content}
            )
            for key, value in inside.items():
                if key not in self.types:
                    raise ValueError(
                        f"{where}{key}: unknown key; the nearest is {nearest(key, self.types)}"
                    )
                values[key] = parse_value(f"{where}{key}", value, self.types[key])
        return values

    def build(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str | None]]:
        """The configurations of validated values.

        Returns:
            The configuration of each block and, under an empty name, the settings of the run; and
            the weights of each block that names some.

        Raises:
            ValueError: A configuration refuses a value, or knows no such preset.
        """
        blocks: dict[str, dict[str, Any]] = {block: {} for block in (*BLOCKS, "")}
        for key, value in values.items():
            block, _, bare = key.rpartition(".")
            blocks[block][bare] = value
        blocks["tracker"].pop("name", None)
        weights = {block: blocks[block].pop("weights", None) for block in NETWORK_BLOCKS}
        built = {block: self._block(block, blocks[block]) for block in BLOCKS}
        built[""] = build_config("", self._settings_class(), blocks[""])
        return built, weights

    def _block(self, block: str, values: dict[str, Any]) -> Any:
        """The configuration of a block: its preset, and single values over it."""
        preset = values.pop("preset", "default")
        try:
            base = self._configs[block].preset(preset)
        except ValueError as error:
            raise ValueError(f"{block}.{error}") from None
        return build_config(block, base, values)
