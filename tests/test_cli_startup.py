import statistics
import subprocess
import sys
import time

import pytest

HEAVY = {"av", "cv2", "lap", "numpy", "onnxruntime", "pandas", "scipy", "torch", "yaml"}
RUN = "import sys; from faimtrack.cli.main import run; run(sys.argv[1:])"


def faimtrack(*arguments, code=RUN):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], [], ["trak"]])
def test_the_front_door_imports_nothing_heavy(arguments):
    code = f"import atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); {RUN}"
    done = faimtrack(*arguments, code=f"import sys; {code}")
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert "faimtrack" in loaded
    assert not loaded & HEAVY


def test_help_comes_within_half_a_second(capsys):
    seconds = []
    for _ in range(7):
        started = time.perf_counter()
        done = faimtrack("--help")
        seconds.append(time.perf_counter() - started)
        assert done.returncode == 0, done.stderr
    median = statistics.median(seconds)
    with capsys.disabled():
        print(f"\nfaimtrack --help: {median:.3f} s (median of {len(seconds)})")  # noqa: T201 - shown on every run
    assert median < 0.5


def test_help_lists_the_verbs_in_the_order_of_a_first_day():
    text = faimtrack("--help").stdout
    places = [
        text.index(f"\n  {verb} ") for verb in ("demo", "track", "eval", "crowd", "trackers")
    ]
    assert places == sorted(places)
