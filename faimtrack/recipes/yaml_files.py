"""Recipe files: YAML that may extend one other recipe, from disk or shipped with the package."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from faimtrack.recipes.values import nearest

_SHIPPED = Path(__file__).parent
_SUFFIXES = (".yaml", ".yml")


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice instead of forgetting the first."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"expected a name for a key, got {key!r}", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"expected {key!r} once, got it twice", key_node.start_mark
                )
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


def recipe_names() -> tuple[str, ...]:
    """The names of the recipes that come with faimtrack, sorted."""
    return tuple(
        sorted(
            path.relative_to(_SHIPPED).with_suffix("").as_posix()
            for path in _SHIPPED.rglob("*.yaml")
        )
    )


def read_recipe_tree(recipe: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a recipe and those it extends into one tree; what is nearer wins.

    A recipe that names another tracker than the one it extends starts that block afresh.

    Args:
        recipe: A YAML file, or the name of a shipped recipe.

    Raises:
        ValueError: There is no such recipe, it is not a mapping of settings, or it extends itself.
        OSError: It cannot be read.
    """
    return _read(_find(recipe, beside=None), ())


def _find(recipe: str | os.PathLike[str], beside: Path | None) -> Path:
    """The file of a recipe: beside the one that extends it, as a path, or shipped."""
    text = os.fspath(recipe)
    if text in recipe_names():
        return _SHIPPED / f"{text}.yaml"
    path = Path(text) if beside is None else beside.parent / text
    if path.suffix in _SUFFIXES or path.is_file():
        return path
    raise ValueError(
        f"recipe {text!r}: expected a YAML file or one of {', '.join(recipe_names())}; "
        f"the nearest is {nearest(text, recipe_names())}"
    )


def _read(path: Path, extended_by: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in extended_by:
        raise ValueError(f"{path}: expected recipes that end somewhere, got one extending itself")
    try:
        tree = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Loader)  # safe: see above
    except UnicodeDecodeError:
        raise ValueError(f"{path}: expected YAML, got a file that is not text") from None
    except RecursionError:
        raise ValueError(f"{path}: expected settings, got them nested without end") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}{_where(error)}") from None
    if tree is None:
        raise ValueError(f"{path}: expected settings, got an empty file")
    if not isinstance(tree, dict):
        raise ValueError(f"{path}: expected a mapping of settings, got {type(tree).__name__}")
    base = tree.pop("extends", None)
    if base is None:
        return tree
    if not isinstance(base, str):
        raise ValueError(f"{path}: expected extends to name one recipe, got {base!r}")
    below = _read(_find(base, beside=path), (*extended_by, path.resolve()))
    return merged(below, tree)


def _where(error: yaml.YAMLError) -> str:
    """Line and complaint of a YAML error, in one line."""
    mark = getattr(error, "problem_mark", None)
    line = "" if mark is None else f", line {mark.line + 1}"
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{line}: {problem if problem.startswith('expected') else f'expected YAML, {problem}'}"


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the settings of `over`, block by block; neither is changed."""
    tree = dict(base)
    for key, value in over.items():
        below = tree.get(key)
        if isinstance(below, dict) and isinstance(value, dict) and not _renamed(below, value):
            tree[key] = merged(below, value)
        else:
            tree[key] = value
    return tree


def _renamed(below: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
    """Whether `over` is about another algorithm, so that the settings below mean nothing to it."""
    return "name" in over and over["name"] != below.get("name", over["name"])
