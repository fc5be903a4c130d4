"""Print the public API, one line a name; with --write, keep it for tests/test_public_api.py."""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_origin

import faimtrack

SNAPSHOT = Path(__file__).resolve().parents[1] / "tests" / "public_api.txt"
NOT_FOR_PROGRAMS = ("faimtrack.cli",)


def main() -> None:
    """Print or write the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"update {SNAPSHOT.name}")
    is_writing = parser.parse_args().write
    text = "".join(f"{line}\n" for line in public_api())
    if is_writing:
        SNAPSHOT.write_text(text, encoding="utf-8", newline="\n")
    else:
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
        sys.stdout.write(text)


def public_api() -> Iterator[str]:
    """Every public name with its signature, sorted by module and name."""
    for module in public_modules(faimtrack):
        for name in public_names(module):
            yield from described(f"{module.__name__}.{name}", getattr(module, name))


def public_modules(package: ModuleType) -> Iterator[ModuleType]:
    """Modules that programs import from: a package that lists its names hides its modules."""
    if hasattr(package, "__all__"):
        yield package
    if package is not faimtrack and hasattr(package, "__all__"):
        return
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda found: found.name):
        name = f"{package.__name__}.{found.name}"
        if found.name.startswith("_") or name in NOT_FOR_PROGRAMS:
            continue
        module = importlib.import_module(name)
        if found.ispkg:
            yield from public_modules(module)
        else:
            yield module


def public_names(module: ModuleType) -> list[str]:
    """What `__all__` lists, or else what the module itself defines without an underscore."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and get_origin(value) is None
        and (
            name in assigned_names(module)
            if not (inspect.isclass(value) or inspect.isroutine(value))
            else value.__module__ == module.__name__
        )
    )


def assigned_names(module: ModuleType) -> set[str]:
    """Constants that the module's own source gives a value; those that it imports have a home."""
    targets = []
    for node in ast.parse(inspect.getsource(module)).body:
        targets += node.targets if isinstance(node, ast.Assign) else []
        targets += [node.target] if isinstance(node, ast.AnnAssign) else []
    return {each.id for each in targets if isinstance(each, ast.Name) and each.id.isupper()}


def described(name: str, value: Any) -> Iterator[str]:
    """The lines of one name; a class has one more for each public attribute of its own."""
    if get_origin(value) is not None:
        yield f"{name}: alias"
    elif inspect.isclass(value):
        is_protocol = getattr(value, "_is_protocol", False)
        yield f"class {name}{'' if is_protocol else signature(value)}"
        for attribute in sorted(vars(value)):
            if not attribute.startswith("_"):
                yield from member(f"{name}.{attribute}", inspect.getattr_static(value, attribute))
    elif inspect.isroutine(value):
        yield f"def {name}{signature(value)}"
    else:
        yield f"{name}: {type(value).__name__}"


def member(name: str, value: Any) -> Iterator[str]:
    """A method with its signature, a property as a name."""
    if isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    if inspect.isfunction(value):
        yield f"  def {name}{signature(value)}"
    elif isinstance(value, property):
        yield f"  {name}: property"


def signature(value: Any) -> str:
    """Arguments as they are written; addresses and the version, which change, are left out."""
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        return "(...)"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text).replace(faimtrack.__version__, "VERSION")


if __name__ == "__main__":
    main()
