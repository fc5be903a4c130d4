"""Tables in the documentation come from stored results, and a difference is noticed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "scripts" / "render_tables.py"
PAGE = "# Page\n\n<!-- table: results/a.json -->\n<!-- end of table -->\n\nText after it.\n"


def render(*words):
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def site(tmp_path):
    (tmp_path / "docs" / "results").mkdir(parents=True)
    (tmp_path / "docs" / "page.md").write_text(PAGE)
    result = {"kind": "table", "columns": ["tracker", "rows"], "rows": [["byte", 7], ["sort", 5]]}
    (tmp_path / "docs" / "results" / "a.json").write_text(json.dumps(result))
    return tmp_path


def test_tables_of_this_repository_agree_with_their_sources():
    done = render("--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_table_is_written_between_its_comments_and_nothing_else_changes(site):
    assert render("--root", site).returncode == 0
    table = "| tracker | rows |\n| --- | ---: |\n| byte | 7 |\n| sort | 5 |\n"
    expected = PAGE.replace("<!-- end", table + "<!-- end")
    assert (site / "docs" / "page.md").read_text() == expected
    assert render("--root", site, "--check").returncode == 0


def test_one_of_several_tables_is_chosen_by_a_name_with_spaces(site):
    tables = {"all runs: scores": {"columns": ["masks"], "rows": [["none"]]}, "other": {}}
    (site / "docs" / "results" / "a.json").write_text(
        json.dumps({"kind": "table", "tables": tables})
    )
    page = PAGE.replace("a.json", 'a.json "name=all runs: scores"')
    (site / "docs" / "page.md").write_text(page)
    assert render("--root", site).returncode == 0
    table = "| masks |\n| --- |\n| none |\n"
    assert (site / "docs" / "page.md").read_text() == page.replace("<!-- end", table + "<!-- end")


def test_check_fails_and_writes_nothing_where_a_table_differs_from_its_source(site):
    render("--root", site)
    source = site / "docs" / "results" / "a.json"
    source.write_text(source.read_text().replace("7", "8"))
    before = (site / "docs" / "page.md").read_text()
    done = render("--root", site, "--check")
    assert done.returncode == 1
    assert "docs/page.md: differs" in done.stdout
    assert (site / "docs" / "page.md").read_text() == before


def test_result_of_an_unknown_kind_is_refused(site):
    (site / "docs" / "results" / "a.json").write_text('{"kind": "recipe"}')
    done = render("--root", site, "--check")
    assert done.returncode != 0
    kinds = "table, tracker-speed, tracker-memory, detector-speed"
    assert f"expected kind {kinds}, got 'recipe'" in done.stderr
