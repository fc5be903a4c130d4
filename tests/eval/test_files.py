"""Files in: what is found, and what is refused with which words."""

import gzip
import math
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faimtrack.eval import (
    EvaluationSettings,
    evaluate_files,
    evaluate_folders,
    evaluate_sequence,
    evaluate_sequences,
)
from faimtrack.eval.report import report_provenance, report_to_dict
from faimtrack.eval.rules import benchmark_rules
from faimtrack.provenance import Provenance, write_provenance

BOX = (0, 0, 10, 10)
TRUTH = [[frame, 1, *BOX, 1, 1, 1] for frame in range(1, 13)]
FOUND = [[frame, 1, *BOX, 0.9, -1, -1, -1] for frame in range(1, 13)]


def test_folders_and_files_give_the_same_scores(tmp_path, make_sequence):
    folder = make_sequence("MOT17-01", TRUTH, FOUND[:9])
    results = tmp_path / "results"
    reports = [
        evaluate_folders(tmp_path / "data", results),
        evaluate_folders(folder, results),
        evaluate_folders(folder, results / "MOT17-01.txt"),
        evaluate_files(folder / "gt" / "gt.txt", results / "MOT17-01.txt"),
        evaluate_files(folder / "gt" / "gt.txt", results),
    ]
    assert len({str(report.combined.summary) for report in reports}) == 1
    assert reports[0].combined.summary["CLR_FN"] == 3
    assert reports[3].sequences[0].name == "MOT17-01"


def test_two_bare_files_need_no_folders(tmp_path, write_mot):
    truth = write_mot(tmp_path / "a.txt", TRUTH)
    found = write_mot(tmp_path / "b.txt", FOUND)
    report = evaluate_files(truth, found)
    assert report.combined.summary["HOTA"] == 1.0
    assert report.sequences[0].frames == range(1, 13)


def test_bare_files_end_with_the_ground_truth_unless_the_length_is_given(tmp_path, write_mot):
    truth = write_mot(tmp_path / "a.txt", TRUTH[:10])
    found = write_mot(tmp_path / "b.txt", FOUND)
    with pytest.raises(ValueError, match=r"frames 1 to 10 .*got frame 11 \(.*--frame-count"):
        evaluate_files(truth, found)
    assert evaluate_files(truth, found, frame_count=12).combined.summary["CLR_FP"] == 2


def test_packed_files_are_read(tmp_path, make_sequence):
    folder = make_sequence("MOT17-01", TRUTH, FOUND)
    for path in (folder / "gt" / "gt.txt", tmp_path / "results" / "MOT17-01.txt"):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    report = evaluate_folders(tmp_path / "data", tmp_path / "results")
    assert report.combined.summary["HOTA"] == 1.0


def test_a_broken_archive_is_refused(tmp_path, write_mot):
    truth = write_mot(tmp_path / "a.txt", TRUTH)
    packed = tmp_path / "b.txt.gz"
    packed.write_bytes(gzip.compress(b"1,1,0,0,10,10,1\n" * 99)[:-20])
    with pytest.raises(ValueError, match=r"b\.txt\.gz: expected a whole gzip file"):
        evaluate_files(truth, packed)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([3, 1, *BOX, 1], "line 13: expected id 1 once in frame 3, got it in line 3"),
        ([13, 1, *BOX, 1], "got frame 13"),
        ([0, 2, *BOX, 1], "line 13: expected frame numbers from 1, got 0"),
        ([3, 2, "nan", 0, 10, 10, 1], "line 13: expected a finite left, got nan"),
        ([3, 2, 0, 0, "inf", 10, 1], "line 13: expected a finite width, got inf"),
        ([3, 2, "here", 0, 10, 10, 1], "line 13: expected a number for left, got 'here'"),
        ([3, 2, 0, 0], "line 13: expected 7 to 10 columns, got 4"),
        ([3.5, 2, *BOX, 1], "line 13: expected a whole frame number, got 3.5"),
        ([3, 2, 0, 0, -5, 10, 1], "line 13: expected a width of 0 or more, got -5"),
    ],
)
@pytest.mark.parametrize("which", ["ground truth", "results"])
def test_a_bad_row_is_refused_with_file_line_expected_and_came(
    tmp_path, make_sequence, which, row, words
):
    truth, found = list(TRUTH), list(FOUND)
    (truth if which == "ground truth" else found).append(row)
    folder = make_sequence("MOT17-01", truth, found)
    path = folder / "gt" / "gt.txt"
    results = tmp_path / "results" / "MOT17-01.txt"
    blamed = path if which == "ground truth" else results
    words = words if (which, row[0]) != ("ground truth", 13) else "expected frames up to 12"
    with pytest.raises(ValueError, match=re.escape(words)) as refused:
        evaluate_files(path, results)
    message = str(refused.value)
    assert message.startswith(str(blamed))
    assert "\n" not in message


def test_empty_ground_truth_is_refused(tmp_path, make_sequence):
    folder = make_sequence("MOT17-01", [], FOUND)
    with pytest.raises(ValueError, match=r"gt\.txt: expected rows of ground truth, got an empty"):
        evaluate_files(folder / "gt" / "gt.txt", tmp_path / "results")


def test_ground_truth_without_rows_in_the_split_is_refused(tmp_path, make_sequence):
    folder = make_sequence("MOT17-01", TRUTH[:3], FOUND[:3])
    how = EvaluationSettings(split="val-half", numbering="from-1")
    with pytest.raises(ValueError, match=r"counts under the rules mot17 in frames 8 to 12, got"):
        evaluate_files(folder / "gt" / "gt.txt", tmp_path / "results", how)


def test_empty_results_mean_nothing_found(tmp_path, make_sequence):
    make_sequence("MOT17-01", TRUTH, [])
    report = evaluate_folders(tmp_path / "data", tmp_path / "results")
    assert not report.failures
    assert report.combined.summary["HOTA"] == report.combined.summary["MOTA"] == 0.0
    assert report.combined.summary["CLR_FN"] == 12
    assert not report.sequences[0].results_missing


def test_frames_outside_the_split_are_refused_and_not_dropped(tmp_path, make_sequence):
    make_sequence("MOT17-01", TRUTH, FOUND)
    how = EvaluationSettings(split="val-half")
    (failure,) = evaluate_folders(tmp_path / "data", tmp_path / "results", how).failures
    assert "expected frames 8 to 12 (numbering kept), got frame 1" in failure.message


def test_both_numberings_of_a_split_give_the_same_scores(tmp_path, make_sequence):
    make_sequence("MOT17-01", TRUTH, FOUND[7:11])
    kept = evaluate_folders(
        tmp_path / "data", tmp_path / "results", EvaluationSettings(split="val-half")
    )
    make_sequence("MOT17-01", TRUTH, [[row[0] - 7, *row[1:]] for row in FOUND[7:11]])
    from_1 = evaluate_folders(
        tmp_path / "data",
        tmp_path / "results",
        EvaluationSettings(split="val-half", numbering="from-1"),
    )
    assert kept.combined.summary == from_1.combined.summary
    assert kept.combined.summary["CLR_TP"] == 4


def test_results_that_say_they_are_of_another_split_are_refused(tmp_path, make_sequence):
    make_sequence("MOT17-01", TRUTH, FOUND[:5])
    path = tmp_path / "results" / "MOT17-01.txt"
    write_provenance(path, Provenance(kind="tracks", split="val-half", numbering="from-1"))
    (failure,) = evaluate_folders(tmp_path / "data", path.parent).failures
    assert "expected results made with split full, got val-half" in failure.message
    # Edited since: what the sidecar says is of another file.
    path.write_text(path.read_text() + "12,5,0,0,5,5,1\n")
    assert not evaluate_folders(tmp_path / "data", path.parent).failures


def test_results_made_offline_are_told_from_others(tmp_path, make_sequence):
    results = tmp_path / "results"
    for name in ("MOT17-01", "MOT17-02", "MOT17-03"):
        make_sequence(name, TRUTH, FOUND)
    for name in ("MOT17-01", "MOT17-02"):
        write_provenance(results / f"{name}.txt", Provenance(kind="tracks", mode="offline"))
    report = evaluate_folders(tmp_path / "data", results)
    assert [sequence.mode for sequence in report.sequences] == ["offline", "offline", None]
    assert report.mode == "offline"
    tree = report_to_dict(report)
    assert tree["mode"] == tree["sequences"]["MOT17-02"]["mode"] == "offline"
    assert tree["sequences"]["MOT17-03"]["mode"] is None
    assert report_provenance(report, EvaluationSettings()).mode == "offline"


def test_online_and_offline_results_are_not_put_together(tmp_path, make_sequence):
    results = tmp_path / "results"
    modes = {"MOT17-01": None, "MOT17-02": "online", "MOT17-03": "online", "MOT17-04": "offline"}
    for name, mode in modes.items():
        make_sequence(name, TRUTH, FOUND)
        write_provenance(results / f"{name}.txt", Provenance(kind="tracks", mode=mode))
    message = "^results: expected all online or all offline, got MOT17-02 online and MOT17-04 off"
    with pytest.raises(ValueError, match=message) as caught:
        evaluate_folders(tmp_path / "data", results)
    assert "\n" not in str(caught.value)
    for name, mode in modes.items():
        assert evaluate_folders(tmp_path / "data", results, sequences=[name]).mode == mode
    # Edited since: nothing is known of it.
    path = results / "MOT17-04.txt"
    path.write_text(path.read_text() + "12,5,0,0,5,5,1\n")
    assert evaluate_folders(tmp_path / "data", results).mode is None


def test_missing_results_have_no_mode(tmp_path, make_sequence):
    make_sequence("MOT17-01", TRUTH, FOUND)
    make_sequence("MOT17-02", TRUTH)
    path = tmp_path / "results" / "MOT17-01.txt"
    write_provenance(path, Provenance(kind="tracks", mode="online"))
    how = EvaluationSettings(allow_missing=True)
    assert evaluate_folders(tmp_path / "data", path.parent, how).mode == "online"


def test_a_mode_that_nobody_knows_says_nothing(tmp_path, make_sequence):
    make_sequence("MOT17-01", TRUTH, FOUND)
    path = tmp_path / "results" / "MOT17-01.txt"
    write_provenance(path, Provenance(kind="tracks", mode=["offline"]))
    assert evaluate_folders(tmp_path / "data", path.parent).mode is None


def test_missing_results_are_an_error_or_an_honest_zero(tmp_path, make_sequence):
    make_sequence("MOT17-01", TRUTH, FOUND)
    make_sequence("MOT17-02", TRUTH)
    report = evaluate_folders(tmp_path / "data", tmp_path / "results")
    (failure,) = report.failures
    assert failure.name == "MOT17-02"
    assert "MOT17-02.txt: expected results of MOT17-02, got no such file" in failure.message
    assert report.combined.summary["MOTA"] == 1.0
    how = EvaluationSettings(allow_missing=True)
    report = evaluate_folders(tmp_path / "data", tmp_path / "results", how)
    assert not report.failures
    assert [sequence.results_missing for sequence in report.sequences] == [False, True]
    assert report.combined.summary["MOTA"] == 0.5


def test_a_bad_sequence_is_reported_and_the_others_are_scored(tmp_path, make_sequence):
    make_sequence("MOT17-01", TRUTH, FOUND)
    make_sequence("MOT17-02", TRUTH, [*FOUND, FOUND[0]])
    make_sequence("MOT17-03", TRUTH, FOUND[:6])
    broken = make_sequence("MOT17-04", TRUTH, FOUND)
    (broken / "seqinfo.ini").write_text("no section")
    report = evaluate_folders(tmp_path / "data", tmp_path / "results")
    assert [sequence.name for sequence in report.sequences] == ["MOT17-01", "MOT17-03"]
    assert sorted(failure.name for failure in report.failures) == ["MOT17-02", "MOT17-04"]
    assert report.coverage == "2 of 4 sequences"
    assert report.combined.summary["CLR_TP"] == 18


def test_results_of_no_known_sequence_are_told(tmp_path, make_sequence, write_mot):
    make_sequence("MOT17-01", TRUTH, FOUND)
    write_mot(tmp_path / "results" / "MOT17-11.txt", FOUND)
    (tmp_path / "results" / "MOT17-01.txt.json").write_text("{}")
    report = evaluate_folders(tmp_path / "data", tmp_path / "results")
    assert not report.failures
    (note,) = report.notes
    assert "MOT17-11.txt: expected the name of a sequence, got MOT17-11; not scored" in note


def test_sequences_are_chosen_by_name_and_pattern(tmp_path, make_sequence):
    for name in ("MOT17-01-DPM", "MOT17-01-SDP", "MOT17-02-DPM"):
        make_sequence(name, TRUTH, FOUND)

    def chosen(**choice):
        report = evaluate_folders(tmp_path / "data", tmp_path / "results", **choice)
        assert not report.notes
        return [sequence.name for sequence in report.sequences]

    assert chosen(sequences=["*-DPM"]) == ["MOT17-01-DPM", "MOT17-02-DPM"]
    assert chosen(exclude=["MOT17-01-*"]) == ["MOT17-02-DPM"]
    assert chosen(sequences=["*-DPM"], exclude=["*-02-*"]) == ["MOT17-01-DPM"]
    with pytest.raises(ValueError, match=r"expected a name or pattern among .*, got 'MOT16'"):
        chosen(sequences=["MOT16"])
    with pytest.raises(ValueError, match="got all of them excluded"):
        chosen(exclude=["*"])


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("")])
def test_what_is_no_folder_of_sequences_is_refused(tmp_path, make_sequence, make):
    make_sequence("MOT17-01", TRUTH, FOUND)
    make(tmp_path / "nothing")
    with pytest.raises(OSError, match="nothing: expected a folder of sequences, got"):
        evaluate_folders(tmp_path / "nothing", tmp_path / "results")


def test_a_folder_without_sequences_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected sequence folders with a seqinfo\.ini"):
        evaluate_folders(tmp_path, tmp_path)


def test_results_that_are_no_folder_are_refused(tmp_path, make_sequence):
    make_sequence("MOT17-01", TRUTH, FOUND)
    with pytest.raises(OSError, match="gone: expected results, got no such folder"):
        evaluate_folders(tmp_path / "data", tmp_path / "gone")
    make_sequence("MOT17-02", TRUTH, FOUND)
    with pytest.raises(OSError, match="expected a folder of results, got a file"):
        evaluate_folders(tmp_path / "data", tmp_path / "results" / "MOT17-01.txt")


def test_missing_ground_truth_is_refused(tmp_path, make_sequence):
    folder = make_sequence("MOT17-01", TRUTH, FOUND)
    (folder / "gt" / "gt.txt").unlink()
    (failure,) = evaluate_folders(tmp_path / "data", tmp_path / "results").failures
    assert failure.message.endswith("gt.txt: expected ground truth, got no such file")


def test_a_split_of_bare_files_needs_the_length(tmp_path, write_mot):
    truth = write_mot(tmp_path / "a.txt", TRUTH)
    found = write_mot(tmp_path / "b.txt", FOUND[7:])
    how = EvaluationSettings(split="val-half")
    with pytest.raises(ValueError, match="expected the sequence's length for the split val-half"):
        evaluate_files(truth, found, how)
    report = evaluate_files(truth, found, how, frame_count=12)
    assert report.sequences[0].frames == range(8, 13)
    assert report.combined.summary["HOTA"] == 1.0


def test_an_absurd_frame_number_is_refused_before_it_fills_the_memory(tmp_path, write_mot):
    truth = write_mot(tmp_path / "a.txt", [*TRUTH, [10**15, 1, *BOX, 1, 1, 1]])
    found = write_mot(tmp_path / "b.txt", FOUND)
    with pytest.raises(ValueError, match="expected frames up to 10000000 unless"):
        evaluate_files(truth, found)


def test_more_jobs_change_nothing(tmp_path, make_sequence):
    for number in range(3):
        make_sequence(f"MOT17-0{number}", TRUTH, FOUND[number : 12 - number])
    make_sequence("MOT17-09", TRUTH, [*FOUND, FOUND[0]])
    one, two = (
        evaluate_folders(tmp_path / "data", tmp_path / "results", EvaluationSettings(jobs=jobs))
        for jobs in (1, 2)
    )
    assert [s.summary for s in one.sequences] == [s.summary for s in two.sequences]
    assert one.combined.summary == two.combined.summary
    assert one.failures == two.failures
    assert len(one.failures) == 1


def test_tables_in_memory_are_checked_like_files(make_table):
    truth, rules = make_table(TRUTH_ROWS), benchmark_rules("mot15")

    def refused(found, words):
        with pytest.raises(ValueError, match=words):
            evaluate_sequence(truth, make_table(found), range(1, 4), rules)

    refused([(1, 1, *BOX), (1, 1, *BOX)], "frame 1: expected id 1 once, got it 2 times")
    refused([(4, 1, *BOX)], "expected frames 1 to 3, got frame 4")
    refused([(1, 1, float("nan"), 0, 1, 1)], "expected finite boxes")


TRUTH_ROWS = [(frame, 1, *BOX) for frame in (1, 2, 3)]


def test_the_same_sequence_twice_is_refused(make_table):
    truth = make_table(TRUTH_ROWS)
    scores = evaluate_sequence(truth, truth, range(1, 4), benchmark_rules("mot15"))
    with pytest.raises(ValueError, match="expected each once, got memory twice"):
        evaluate_sequences([scores, scores])


ODD_CELLS = st.sampled_from(
    ["1", "2", "12", "13", "-1", "0", "1e300", "1e15", "-1e18", "nan", "inf", "", " ", "x", "0.5",
     "1_0", "\x00", "٣", "1e-320", "99999999999999999999"]
)  # fmt: skip
ODD_ROWS = st.tuples(
    st.sampled_from([3, 9, 20]), st.dictionaries(st.integers(0, 8), ODD_CELLS, max_size=2)
)


def odd_text(rows):
    """Good rows, some with other cells in them."""
    lines = [row.split(",") for row in "\n".join(",".join(map(str, r)) for r in FOUND).split()]
    for number, (line, cells) in enumerate(rows):
        for column, cell in cells.items():
            lines[(line + number) % len(lines)][column] = cell
    return "\n".join(map(",".join, lines)).encode()


ODD_TEXTS = st.one_of(st.binary(max_size=60), st.lists(ODD_ROWS, max_size=2).map(odd_text))


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=ODD_TEXTS, which=st.sampled_from(["ground truth", "results"]))
def test_whatever_a_file_holds_it_is_scored_or_refused_in_one_line(
    tmp_path, write_mot, text, which
):
    truth = write_mot(tmp_path / "a.txt", TRUTH)
    found = write_mot(tmp_path / "b.txt", FOUND)
    (truth if which == "ground truth" else found).write_bytes(text)
    refusal = None
    try:
        report = evaluate_files(truth, found)
    except ValueError as error:
        refusal = str(error)
    if refusal is None:
        assert all(math.isfinite(value) for value in report.combined.summary.values())
    else:
        assert refusal.startswith(str(tmp_path))
        assert "expected" in refusal
        assert len(refusal.splitlines()) == 1
