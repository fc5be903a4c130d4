import numpy as np
import onnx
import pytest

from faimtrack.onnx import OnnxModel, available_threads, onnx_files, read_onnx_metadata
from faimtrack.provenance import file_sha256
from faimtrack.weights import add_weights, weights_sha256


def test_a_model_tells_what_it_takes_and_gives(shared_data):
    path = shared_data / "models" / "osnet_x0_25_msmt17.onnx"
    model = OnnxModel(path, threads=1)
    assert [(i.name, i.shape) for i in model.inputs] == [("images", (1, 3, 256, 128))]
    assert [(o.name, o.shape) for o in model.outputs] == [("output", (1, 512))]
    assert str(model.inputs[0]) == "images (1, 3, 256, 128) float32"
    assert model.threads == 1
    (answer,) = model.run(np.zeros((1, 3, 256, 128), np.float32))
    assert answer.shape == (1, 512)
    assert np.isfinite(answer).all()


def test_an_input_of_another_rank_size_or_type_names_both(shared_data):
    model = OnnxModel(shared_data / "models" / "yolox_nano.onnx")
    for array in (
        np.zeros((3, 416, 416), np.float32),
        np.zeros((1, 3, 640, 640), np.float32),
        np.zeros((1, 3, 416, 416)),
    ):
        with pytest.raises(ValueError, match=r"expected images \(1, 3, 416, 416\) float32, got"):
            model.run(array)
    with pytest.raises(ValueError, match="expected 1 inputs, got 2"):
        model.run(np.zeros(1), np.zeros(1))


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"none\.onnx: expected an ONNX model, got no such"
    ):
        OnnxModel(tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"not a model at all" * 50, bytes(range(256)) * 10])
def test_a_file_that_is_no_model_is_named_in_one_line(tmp_path, content, capfd):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.onnx: expected an ONNX model, got: ") as caught:
        OnnxModel(path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_half_a_model_is_named(shared_data, tmp_path):
    data = (shared_data / "models" / "yolox_nano.onnx").read_bytes()
    path = tmp_path / "half.onnx"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"half\.onnx: expected an ONNX model"):
        OnnxModel(path)


def test_a_provider_that_is_not_there_names_those_that_are(shared_data):
    path = shared_data / "models" / "yolox_nano.onnx"
    with pytest.raises(ValueError, match=r"CPUExecutionProvider.*got NoSuchProvider"):
        OnnxModel(path, providers=["NoSuchProvider"])
    assert OnnxModel(path, providers=["CPUExecutionProvider"]).providers == (
        "CPUExecutionProvider",
    )


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_a_gpu_that_onnxruntime_gives_up_in_silence_is_told(shared_data, monkeypatch):
    import onnxruntime

    wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: wanted)
    path = shared_data / "models" / "yolox_nano.onnx"
    if OnnxModel(path).providers[0] == wanted[0]:
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match=r"expected CUDAExecutionProvider, got CPU.*not here"):
        OnnxModel(path, providers=wanted)


def test_threads_below_one_are_refused(shared_data):
    with pytest.raises(ValueError, match="threads: expected 1 or more, got 0"):
        OnnxModel(shared_data / "models" / "yolox_nano.onnx", threads=0)


@pytest.mark.parametrize(("told", "threads"), [("3", 3), (" 2,1", 2), ("0", None), ("all", None)])
def test_threads_are_those_that_the_environment_tells_else_the_cores(monkeypatch, told, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = available_threads()
    assert cores >= 1
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert available_threads() == (threads or cores)


def test_what_a_file_says_of_itself_is_read_without_loading_it(tmp_path):
    path = tmp_path / "model.onnx"
    graph = onnx.helper.make_graph([], "nothing", [], [])
    model = onnx.helper.make_model(graph)
    onnx.helper.set_model_props(model, {"licence": "MIT", "who": "é" * 300, "empty": ""})
    onnx.save(model, path)
    assert read_onnx_metadata(path) == {"licence": "MIT", "who": "é" * 300, "empty": ""}


@pytest.mark.parametrize(
    "content", [b"", b"\x08\x08:\xff", b"<html>", b"\xff" * 50, b"r\xff\xff\xff"]
)
def test_what_is_no_onnx_model_says_nothing_of_itself(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert read_onnx_metadata(path) == {}


def test_weights_beside_a_model_belong_to_its_files_and_its_hash(shared_data, tmp_path):
    model = onnx.load(shared_data / "models" / "yolox_nano.onnx")
    path = tmp_path / "nano.onnx"
    onnx.save(model, path, save_as_external_data=True, location="nano.data", size_threshold=1024)
    assert onnx_files(path) == (path, tmp_path / "nano.data")
    before = weights_sha256(path)
    data = bytearray((tmp_path / "nano.data").read_bytes())
    data[-1] ^= 1
    (tmp_path / "nano.data").write_bytes(data)
    assert weights_sha256(path) != before
    with pytest.raises(ValueError, match="expected weights in one file"):
        add_weights(path, "nano")


def test_a_model_in_one_file_is_hashed_as_the_file_that_it_is(shared_data):
    path = shared_data / "models" / "yolox_nano.onnx"
    assert onnx_files(path) == (path,)
    assert weights_sha256(path) == file_sha256(path)


def test_weights_outside_of_a_models_folder_are_refused(shared_data, tmp_path):
    model = onnx.load(shared_data / "models" / "yolox_nano.onnx")
    path = tmp_path / "nano.onnx"
    onnx.save(model, path, save_as_external_data=True, location="nano.data", size_threshold=1024)
    path.write_bytes(path.read_bytes().replace(b"nano.data", b"../o.data"))
    with pytest.raises(ValueError, match=r"expected its weights beside it, got '\.\./o\.data'"):
        onnx_files(path)
