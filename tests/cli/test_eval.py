"""`faimtrack eval` as it is typed."""

import csv
import json

import pytest

from faimtrack.cli.main import run
from faimtrack.provenance import Provenance, read_provenance, write_provenance

BOX = (0, 0, 10, 10)
TRUTH = "".join(f"{frame},1,0,0,10,10,1,1,1\n" for frame in range(1, 13))
FOUND = "".join(f"{frame},1,1,0,10,10,0.9,-1,-1,-1\n" for frame in range(1, 11))


@pytest.fixture
def folders(tmp_path):
    for name in ("MOT17-01", "MOT17-02"):
        folder = tmp_path / "data" / name
        (folder / "gt").mkdir(parents=True)
        (folder / "gt" / "gt.txt").write_text(TRUTH)
        (folder / "seqinfo.ini").write_text(f"[Sequence]\nname={name}\nseqLength=12\n")
    (tmp_path / "out").mkdir()
    for name in ("MOT17-01", "MOT17-02"):
        (tmp_path / "out" / f"{name}.txt").write_text(FOUND)
    return tmp_path


def faimtrack(capsys, *arguments):
    with pytest.raises(SystemExit) as finished:
        run(["eval", *map(str, arguments)])
    captured = capsys.readouterr()
    return finished.value.code, captured.out, captured.err


def row_of(output, label, table):
    """The cells of a label's line in the first or second table."""
    lines = [line.split() for line in output.splitlines() if line.startswith(label)]
    return lines[table][1:]


def test_the_tables_show_sequences_and_all_together(capsys, folders):
    status, out, err = faimtrack(capsys, "--data", folders / "data", "--results", folders / "out")
    assert (status, err) == (0, "")
    assert row_of(out, "MOT17-01", 0)[4:6] == ["83.333", "81.818"]
    assert row_of(out, "COMBINED", 0)[6] == "90.909"
    assert row_of(out, "COMBINED", 1) == ["20", "0", "4", "0", "0", "2", "0", "0"]
    assert "Rules: mot17 (from the names)" in out
    assert max(map(len, out.splitlines())) <= 100


def test_offline_results_are_named_and_not_mixed_with_online_ones(capsys, folders):
    where = ["--data", folders / "data", "--results", folders / "out"]
    _, plain, _ = faimtrack(capsys, *where)
    assert "ffline" not in plain
    for name in ("MOT17-01", "MOT17-02"):
        write_provenance(folders / f"out/{name}.txt", Provenance(kind="tracks", mode="offline"))
    path = folders / "scores.json"
    status, out, err = faimtrack(capsys, *where, "--json", path)
    assert (status, err) == (0, "")
    assert "Offline results, which know later frames: MOT17-01, MOT17-02" in out
    assert json.loads(path.read_text())["mode"] == "offline"
    assert read_provenance(path).mode == "offline"
    write_provenance(folders / "out/MOT17-01.txt", Provenance(kind="tracks", mode="online"))
    status, out, err = faimtrack(capsys, *where)
    assert (status, out) == (1, "")
    assert "got MOT17-01 online and MOT17-02 offline" in err
    assert len(err.splitlines()) == 1


def test_two_files_are_scored_without_folders(capsys, folders):
    arguments = ["--gt", folders / "data/MOT17-01/gt/gt.txt"]
    status, out, _ = faimtrack(capsys, *arguments, "--results", folders / "out/MOT17-01.txt")
    assert status == 0
    assert row_of(out, "COMBINED", 0) == row_of(out, "MOT17-01", 0)


def test_json_csv_and_plot_are_written_with_their_provenance(capsys, folders):
    files = {kind: folders / f"scores.{kind}" for kind in ("json", "csv", "png")}
    status, out, _ = faimtrack(
        capsys, "--data", folders / "data", "--results", folders / "out", "--cross-check",
        "--json", files["json"], "--csv", files["csv"], "--plot", files["png"],
    )  # fmt: skip
    assert status == 0
    tree = json.loads(files["json"].read_text())
    assert tree["coverage"] == "2 sequences"
    assert tree["combined"]["CLR_TP"] == 20
    assert tree["combined"]["MOTA"] == 10 / 12
    assert len(tree["sequences"]["MOT17-01"]["HOTA_alpha"]) == len(tree["alphas"]) == 19
    assert tree["combined"]["motmetrics"]["num_misses"] == 4
    rows = list(csv.DictReader(files["csv"].read_text().splitlines()))
    assert [row["sequence"] for row in rows] == ["MOT17-01", "MOT17-02", "COMBINED"]
    assert float(rows[2]["HOTA"]) == tree["combined"]["HOTA"]
    assert files["png"].read_bytes().startswith(b"\x89PNG")
    for path in files.values():
        sidecar = json.loads(path.with_name(path.name + ".json").read_text())
        assert sidecar["kind"] == "scores"
        assert sidecar["split"] == "full"
        assert len(sidecar["inputs"]) == 4
    assert "agree in every metric they share" in out


def test_a_cross_check_explains_a_difference(capsys, folders):
    # Tracked in exactly 80 % of its frames: what "mostly" means differs.
    for name in ("MOT17-01", "MOT17-02"):
        (folders / "data" / name / "gt" / "gt.txt").write_text(
            "".join(line + "\n" for line in TRUTH.splitlines()[:10])
        )
        (folders / "out" / f"{name}.txt").write_text(
            "".join(line + "\n" for line in FOUND.splitlines()[:8])
        )
    status, out, _ = faimtrack(
        capsys, "--data", folders / "data", "--results", folders / "out", "--cross-check"
    )
    assert status == 0
    assert ["COMBINED", "MT", "0", "2", "+2"] in [line.split() for line in out.splitlines()]
    assert "- definition: tracked for exactly 80 % is mostly tracked in py-motmetrics only." in out


def test_a_bad_sequence_is_named_the_rest_is_scored_and_the_status_is_1(capsys, folders):
    (folders / "out" / "MOT17-02.txt").write_text(FOUND + "3,1,0,0,5,5,1,-1,-1,-1\n")
    status, out, err = faimtrack(capsys, "--data", folders / "data", "--results", folders / "out")
    assert status == 1
    assert "MOT17-02.txt, line 11: expected id 1 once in frame 3, got it in line 3" in err
    assert err.splitlines()[-1] == "eval: not scored: MOT17-02"
    assert "COMBINED (1 of 2)" in out
    assert len(err.splitlines()) == 2


def test_a_faulty_file_is_one_line_and_status_1(capsys, folders):
    results = folders / "out" / "MOT17-01.txt"
    results.write_text("1,1,zero,0,10,10,1\n")
    truth = folders / "data/MOT17-01/gt/gt.txt"
    status, out, err = faimtrack(capsys, "--gt", truth, "--results", results)
    assert (status, out) == (1, "")
    assert err.count("\n") == 1
    assert "MOT17-01.txt, line 1: expected a number for left, got 'zero'" in err


def test_nothing_found_shows_zeros_and_no_localisation(capsys, folders):
    (folders / "out" / "MOT17-01.txt").unlink()
    (folders / "out" / "MOT17-02.txt").unlink()
    arguments = ["--data", folders / "data", "--results", folders / "out"]
    status, out, err = faimtrack(capsys, *arguments)
    assert (status, out) == (1, "")
    assert err.count("expected results of") == 2
    status, out, _ = faimtrack(capsys, *arguments, "--allow-missing")
    assert status == 0
    zero = "0.000"
    assert row_of(out, "COMBINED", 0) == [zero, zero, zero, "-", zero, zero, zero, zero, zero]
    assert "Without results, counted as nothing found: MOT17-01, MOT17-02" in out


def test_own_classes_have_a_row_each(capsys, folders):
    for name in ("MOT17-01", "MOT17-02"):
        path = folders / "data" / name / "gt" / "gt.txt"
        path.write_text(TRUTH + "1,2,50,50,10,10,1,3,1\n")
        path = folders / "out" / f"{name}.txt"
        path.write_text(FOUND.replace("-1,-1,-1", "1,-1,-1") + "1,2,50,50,10,10,1,3,-1,-1\n")
    status, out, _ = faimtrack(
        capsys, "--data", folders / "data", "--results", folders / "out", "--classes", "1,3"
    )
    assert status == 0
    assert row_of(out, "COMBINED class 3", 0)[2] == "100.000"
    assert row_of(out, "COMBINED ", 5) == ["22", "0", "4", "0", "0", "4", "0", "0"]
    assert "A row without a class is the mean over classes" in out
    assert "Rules: classes 1,3 (as asked for)" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--benchmark", "mot99"], "benchmark: expected mot15,"),
        (["--classes", "a"], "--classes: expected whole numbers with commas between, got 'a'"),
        (["--classes", "1", "--benchmark", "mot17"], "got both"),
        (["--distractors", "1"], "--distractors: expected with --classes"),
        (["--frame-count", "12"], "--frame-count: expected with --gt"),
        (["--sequences", "MOT16-01"], "got 'MOT16-01'"),
        (["--plot", "scores.doc"], "scores.doc: expected a plot as .png, .pdf, .svg"),
        (["--json", "out/MOT17-01.txt"], "out/MOT17-01.txt: expected a file of its own"),
        (["--json", "out/MOT17-01.txt.json"], "MOT17-01.txt.json: expected a file of its own"),
        (["--csv", "data/MOT17-01/gt/gt.txt"], "gt.txt: expected a file of its own"),
        (["--csv", "a", "--json", "a.json"], "a: expected a file of its own"),
        (["--csv", "out"], "out: expected a file to write, got a folder"),
        (["--json", "out/MOT17-01.txt/a"], "MOT17-01.txt: expected a folder for a, got a file"),
    ],
)
def test_options_without_sense_are_refused_in_one_line(
    capsys, folders, monkeypatch, arguments, words
):
    monkeypatch.chdir(folders)
    status, out, err = faimtrack(
        capsys, "--data", folders / "data", "--results", folders / "out", *arguments
    )
    assert status != 0
    assert out == ""
    assert words in err
    assert err.count("\n") == 1
    assert (folders / "out/MOT17-01.txt").read_text() == FOUND
    assert (folders / "data/MOT17-01/gt/gt.txt").read_text() == TRUTH


def test_data_and_gt_exclude_each_other(capsys, folders):
    truth = folders / "data/MOT17-01/gt/gt.txt"
    for arguments in ([], ["--data", folders / "data", "--gt", truth]):
        status, _, err = faimtrack(capsys, *arguments, "--results", folders / "out")
        assert status != 0
        assert "expected one of --data and --gt" in err


def test_what_motmetrics_has_no_value_for_is_null_in_json(capsys, folders):
    for name in ("MOT17-01", "MOT17-02"):
        (folders / "out" / f"{name}.txt").write_text("")
    path = folders / "scores.json"
    status, _, _ = faimtrack(
        capsys, "--data", folders / "data", "--results", folders / "out", "--cross-check",
        "--json", path,
    )  # fmt: skip
    assert status == 0
    tree = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert tree["combined"]["motmetrics"]["motp"] is None
    assert {item["metric"] for item in tree["cross_check"]} == {"CLR_Pr", "IDP", "MOTP"}
