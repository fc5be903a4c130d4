import subprocess
import sys

HEAVY = {"onnxruntime", "supervision", "torch", "cv2", "matplotlib"}


def test_importing_video_loads_no_model_runtime_and_no_drawing():
    code = "import sys, faimtrack.video, faimtrack.detectors.recorded; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "faimtrack.video.sources" in loaded
    assert not HEAVY & loaded
