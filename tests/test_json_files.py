import pytest

from faimtrack.json_files import read_json


@pytest.fixture
def write(tmp_path):
    def make(content):
        path = tmp_path / "a.json"
        path.write_bytes(content)
        return path

    return make


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_any_value_is_read_with_or_without_a_mark(write, encoding):
    assert read_json(write('{"ä": [1, 2.5, null]}'.encode(encoding)), "x") == {"ä": [1, 2.5, None]}
    assert read_json(str(write(b"3")), "x") == 3


def test_numbers_with_a_point_become_what_the_caller_wants(write):
    path = write(b"[0.70, 2, 1e3]")
    assert read_json(path, "x", parse_float=lambda text: f"<{text}>") == ["<0.70>", 2, "<1e3>"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "a.json, line 1, column 1: expected whole JSON, got: Expecting value"),
        (b"[\n{", "a.json, line 2, column 2: expected whole JSON, got: "),
        (b"[1] 2", "a.json, line 1, column 5: expected whole JSON, got: Extra data"),
        (b"\xff\xfe\x00", "a.json: expected JSON, got a file that is not text"),
        (b"\x80", "a.json: expected JSON, got a file that is not text"),
        (b"[1, NaN]", "a.json: expected finite numbers, got NaN"),
        (b"-Infinity", "a.json: expected finite numbers, got -Infinity"),
        (b"[" * 100_000, "a.json: expected drawings, got lists in lists in lists"),
        (b"9" * 5000, "a.json: Exceeds the limit"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(write, content, expected):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the message is looked at below
        read_json(write(content), "drawings")
    message = str(raised.value)
    assert expected in message
    assert "\n" not in message


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.json", "drawings")
