import json

import pytest


@pytest.fixture
def sequence(make_sequence):
    folder = make_sequence("MOT20-01", images=True)
    (folder / "gt").mkdir()
    rows = [f"{frame},1,10,5,8,20,1,1,1" for frame in range(1, 21)]
    (folder / "gt" / "gt.txt").write_text("\n".join(rows) + "\n")
    return folder


def test_good_data_pass(faimtrack, sequence):
    done = faimtrack("data", "check", sequence.parent, "--decode")
    assert done.status == 0
    assert "MOT20-01" in done.out
    assert done.out.splitlines()[-1] == "nothing is wrong, 0 remarks"


def test_an_error_is_named_and_fails(faimtrack, sequence):
    (sequence / "img1" / "000003.jpg").unlink()
    done = faimtrack("data", "check", sequence, "--split", "train-half")
    assert done.status == 1
    assert "missing images" in done.out
    assert "000003.jpg" in done.out.replace("\n", "").replace(" ", "")
    assert done.out.splitlines()[-1] == "1 error, 0 remarks"
    assert faimtrack("data", "check", sequence, "--split", "val-half").status == 0


def test_a_remark_does_not_fail(faimtrack, sequence):
    with (sequence / "gt" / "gt.txt").open("a") as file:
        file.write("1,2,10,5,0,20,1,1,1\n")
    done = faimtrack("data", "check", sequence)
    assert done.status == 0
    assert done.out.splitlines()[-1] == "nothing is wrong, 1 remark"


def test_programs_get_json(faimtrack, sequence):
    done = faimtrack("data", "check", sequence, "--masks", "sam", "--json")
    assert done.status == 1
    report = json.loads(done.out)
    assert report["errors"] == 1
    (part,) = report["parts"]
    assert (part["name"], part["images"], part["objects"]) == ("MOT20-01", 20, 20)
    (finding,) = part["findings"]
    assert finding["kind"] == "masks that cannot be used"
    assert finding["severity"] == "error"


def test_crowd_human_alone_can_be_looked_through(faimtrack, tmp_path):
    (tmp_path / "annotation_train.odgt").write_text('{"ID": "a", "gtboxes": []}\n')
    done = faimtrack("data", "check", "--crowd-human", tmp_path)
    assert done.status == 1
    assert "missing images" in done.out
    assert "nothing to learn" in done.out


def test_something_must_be_named(faimtrack, complaint):
    done = faimtrack("data", "check")
    assert done.status == 2
    assert "expected a folder of sequences or --crowd-human" in complaint(done.err)


def test_a_folder_without_sequences_is_named(faimtrack, tmp_path, complaint):
    done = faimtrack("data", "check", tmp_path)
    assert done.status == 1
    assert "expected sequence folders" in complaint(done.err)
