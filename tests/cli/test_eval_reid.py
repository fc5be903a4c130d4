import json

import pytest

from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd
from faimtrack.eval.reid import ReidEvaluationConfig
from faimtrack.provenance import file_sha256, read_provenance

NEAR = ("--set", "minimum_gap=4", "--set", "evaluation.query_interval=4")
FEW = ("--set", "crops.min_images=2", "--set", "minimum_height=8", "--set", "minimum_width=4")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crowds")
    for number, name in enumerate(("one", "two")):
        config = CrowdConfig(
            name=name, seed=91 + number, frames=20, width=256, height=160, density="sparse",
            people=8,
        )  # fmt: skip
        write_crowd(simulate_crowd(config), folder / name, masks=False, workers=1)
    return folder


def test_people_are_found_and_a_table_is_shown(faimtrack, data, tmp_path):
    done = faimtrack(
        "eval-reid", "--data", data, "--embedder", "colours", *NEAR, *FEW, "--json", "out.json"
    )
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].split()[:4] == ["%", "mAP", "rank-1", "rank-5"]
    assert [line.split()[0] for line in lines[1:4]] == ["one", "two", "COMBINED"]
    assert lines[4].startswith("colours-6: ")
    assert lines[4].endswith(" ms each")
    tree = json.loads((tmp_path / "out.json").read_text())
    scores = tree["scores"]["COMBINED"]
    assert f"{100 * scores['mean_average_precision']:.2f}" == lines[3].split()[1]
    assert 0.5 < scores["mean_average_precision"] <= 1
    assert scores["queries"] == sum(tree["scores"][name]["queries"] for name in ("one", "two"))
    assert len(scores["cmc"]) == 50
    assert tree["milliseconds_per_view"] > 0


def test_what_was_done_stands_beside_the_numbers(faimtrack, data, tmp_path):
    sequence = data / "one"
    done = faimtrack(
        "eval-reid", "--data", sequence, "--embedder", "colours", "--split", "full", *NEAR, *FEW,
        "--json", "out.json",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert "COMBINED" not in done.out
    record = read_provenance(tmp_path / "out.json")
    assert record.kind == "re-identification scores"
    assert record.split == "full"
    assert record.inputs == {"one ground truth": file_sha256(sequence / "gt" / "gt.txt")}
    assert record.weights == {}
    configuration = record.configuration
    assert configuration["embedding_name"] == "colours-6"
    assert configuration["evaluation"] == {"minimum_gap": 4, "query_interval": 4}
    assert configuration["crops"]["min_images"] == 2


def test_a_model_in_onnx_is_scored(faimtrack, data, shared_data, tmp_path):
    model = shared_data / "models" / "osnet_x0_25_msmt17.onnx"
    done = faimtrack(
        "eval-reid", "--data", data / "one", "--embedder", model, *NEAR, *FEW,
        "--set", "crops.max_images=3", "--json", "out.json",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert read_provenance(tmp_path / "out.json").weights == {"embedder": file_sha256(model)}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--embedder", "osnett"), "embedder: expected none, colours, a file"),
        (("--embedder", "none.onnx"), "none.onnx: expected an embedder, got no such file"),
        (("--embedder", "none"), "embedder: expected one that embeds, got none"),
        (("--embedder", "colours"), "expected a person seen twice, 25 (minimum_gap) frames"),
        (("--set", "embeder.device=cpu"), "unknown key; the nearest is embedder.device"),
        (("--set", "min_imags=3"), "min_imags: unknown key; the nearest is crops.min_images"),
        (("--set", "min_images=few"), "crops.min_images: expected"),
        (("--set", "max_images=0"), "crops.max_images: expected 1 or more, got 0"),
        (("--set", "min_images"), "--set min_images: expected key=value"),
        (("--data", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(faimtrack, data, complaint, arguments, expected):
    given = {"--data": data, "--embedder": "colours"}
    option, value = arguments
    given = {**given, option: value}
    done = faimtrack("eval-reid", *[str(each) for pair in given.items() for each in pair], *FEW)
    assert done.status in (1, 2)
    assert expected in complaint(done.err)
    assert not done.out


def test_an_output_does_not_replace_the_model(faimtrack, data, complaint, tmp_path, shared_data):
    model = tmp_path / "model.onnx"
    model.write_bytes((shared_data / "models" / "osnet_x0_25_msmt17.onnx").read_bytes())
    done = faimtrack("eval-reid", "--data", data, "--embedder", model, "--json", model)
    assert "expected a file of its own" in complaint(done.err)


def test_a_sequence_in_which_nobody_can_be_found_is_said(faimtrack, data, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / name).symlink_to(data / name)
    short = folder / "short"
    (short / "gt").mkdir(parents=True)
    (short / "img1").symlink_to(data / "one" / "img1")
    (short / "seqinfo.ini").write_text(
        "[Sequence]\nname=MOT20-99\nseqLength=6\nimWidth=256\nimHeight=160\nimExt=.jpg\n"
    )
    rows = "".join(f"{frame},1,10,10,30,60,1,1,1\n" for frame in (5, 6))
    (short / "gt" / "gt.txt").write_text(rows)
    done = faimtrack("eval-reid", "--data", folder, "--embedder", "colours", *NEAR, *FEW,
                     "--json", "out.json")  # fmt: skip
    assert done.status == 0, done.err
    assert "faimtrack: warning: MOT20-99: nobody is seen twice" in done.err
    assert "MOT20-99" not in done.out
    scores = json.loads((tmp_path / "out.json").read_text())["scores"]
    combined = scores.pop("COMBINED")
    assert (scores["MOT20-99"]["queries"], scores["MOT20-99"]["queries_left_out"]) == (0, 1)
    for name in ("queries", "queries_left_out", "gallery", "identities"):
        assert combined[name] == sum(each[name] for each in scores.values())


def test_help_counts_in_frames(faimtrack):
    done = faimtrack("eval-reid", "--help")
    assert done.status == 0, done.err
    default = ReidEvaluationConfig()
    words = " ".join(done.out.split())
    assert f"query_interval ({default.query_interval}) frames" in words
    assert f"minimum_gap ({default.minimum_gap}) frames" in words


def test_help_imports_no_network(start):
    code = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
        "from faimtrack.cli.main import run; run(['eval-reid', '--help'])"
    )
    with start(code=code) as process:
        out, err = process.communicate(timeout=60)
    assert "--embedder" in out
    loaded = {name.partition(".")[0] for name in err.split()}
    assert not loaded & {"av", "cv2", "onnxruntime", "scipy", "torch", "trackeval"}
