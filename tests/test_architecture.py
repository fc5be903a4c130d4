"""The walls of the house: which room may import which, and where torch may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import faimtrack

PACKAGE = Path(faimtrack.__file__).parent

# ARCHITECTURE.md's picture: a room may import rooms of lower floors, never one of its own floor.
FLOORS = [
    {"faimtrack", "atomic", "boxes", "config", "errors", "json_files", "processes"},
    {"structures"},
    {"interfaces", "nms", "run_lengths", "vectors"},
    {"motfile"},
    {"video", "drawing", "onnx", "provenance"},
    {"weights"},
    {
        "trackers", "camera_motion", "postprocess", "appearance", "detectors", "masks", "eval",
    },
    {"datasets", "testing"},
    {"recipes"},
    {"pipeline"},
    {"training", "demo"},
    {"reproduce"},
    {"cli"},
    {"__main__"},
]  # fmt: skip
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# DESIGN.md: detectors may use masks' store of run lengths.
ALLOWED_BESIDE = {("detectors", "masks")}
TORCH_ROOMS = ("detectors", "training", "masks", "appearance")
# Here torch may be imported inside functions: the base install lists and fetches weights.
LATE_TORCH_ROOMS = ("weights",)


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def room_of(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "faimtrack"


def imports_of(path, *, at_the_top=False):
    """Names of all modules that a file imports, anywhere in it or at its top, and the lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if at_the_top else ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield node.module, node.lineno
            if node.module == "faimtrack":
                for alias in node.names:
                    if alias.name != "__version__":
                        yield f"faimtrack.{alias.name}", node.lineno


MODULES = dict(modules())


def may_import(importer, imported):
    return (
        importer == imported
        or imported == "faimtrack"
        or FLOOR_OF[imported] < FLOOR_OF[importer]
        or (importer, imported) in ALLOWED_BESIDE
    )


def test_every_room_has_a_floor():
    rooms = {room_of(module) for module in MODULES}
    assert rooms <= FLOOR_OF.keys(), "give the new room its floor here and in ARCHITECTURE.md"


@pytest.mark.parametrize("module", [name for name in MODULES if name != "faimtrack"])
def test_imports_point_one_way(module):
    wrong = [
        f"{MODULES[module]}:{line}: {module} imports {imported}"
        for imported, line in imports_of(MODULES[module])
        if imported.partition(".")[0] == "faimtrack"
        and not may_import(room_of(module), room_of(imported))
    ]
    assert not wrong


def test_the_rule_itself_knows_up_from_down():
    assert may_import("pipeline", "trackers")
    assert may_import("detectors", "masks")
    assert not may_import("masks", "detectors")
    assert not may_import("trackers", "pipeline")
    assert not may_import("trackers", "detectors")


def names_torch(path, *, at_the_top):
    return any(
        imported.partition(".")[0] in {"torch", "torchvision", "lightning"}
        for imported, _ in imports_of(path, at_the_top=at_the_top)
    )


def test_torch_is_named_only_where_networks_live():
    rooms = {
        room_of(name) for name, path in MODULES.items() if names_torch(path, at_the_top=False)
    }
    assert rooms <= {*TORCH_ROOMS, *LATE_TORCH_ROOMS}


def test_weights_import_torch_only_when_they_need_it():
    late = {name: path for name, path in MODULES.items() if room_of(name) in LATE_TORCH_ROOMS}
    assert not [name for name, path in late.items() if names_torch(path, at_the_top=True)]


def trains(name, seen=frozenset()):
    """Whether a module of training reaches one at its top that names torch."""
    if name not in MODULES or name in seen or room_of(name) not in TORCH_ROOMS:
        return False
    imported = {each for each, _ in imports_of(MODULES[name], at_the_top=True)}
    return names_torch(MODULES[name], at_the_top=True) or any(
        trains(each, seen | {name}) for each in imported
    )


def test_the_base_install_imports_every_module_that_does_not_name_torch_without_torch():
    names = [
        name
        for name, path in MODULES.items()
        if name != "faimtrack.__main__"
        and (room_of(name) in LATE_TORCH_ROOMS or not names_torch(path, at_the_top=False))
        and not (room_of(name) == "training" and trains(name))
    ]
    assert {"faimtrack.training.config", "faimtrack.training.recipe"} <= set(names)
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *names], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"


def test_importing_faimtrack_imports_no_array_library():
    code = "import sys, faimtrack; print('numpy' in sys.modules, *faimtrack.__all__)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split()[0] == "False"


def test_every_public_name_of_faimtrack_is_there():
    for name in faimtrack.__all__:
        assert getattr(faimtrack, name) is not None
    assert set(dir(faimtrack)) == set(faimtrack.__all__)
    with pytest.raises(AttributeError, match="no attribute 'evaluate_all'"):
        _ = faimtrack.evaluate_all


@pytest.mark.parametrize("word", ["utils", "util", "common", "helpers", "misc"])
def test_no_module_is_named_after_nothing(word):
    assert not [name for name in MODULES if name.rpartition(".")[2] == word]


def test_only_the_command_line_prints():
    printing = {
        room_of(module)
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }
    assert printing <= {"cli"}


def test_nothing_is_pickled():
    for module, path in MODULES.items():
        for imported, line in imports_of(path):
            assert imported.partition(".")[0] not in {"pickle", "cPickle", "dill", "joblib"}, (
                f"{module}:{line}"
            )
