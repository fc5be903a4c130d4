"""Jobs are done once, in order, as long as there is time, and never taken for others."""

import dataclasses
import json

import pytest

from faimtrack.reproduce.budget import Budget, OutOfTime
from faimtrack.reproduce.engine import NO_TIME, Engine
from faimtrack.reproduce.jobs import Job, in_order
from faimtrack.reproduce.results import read_result, result_path, write_result


def job_of(title, kind="training", needs=(), **settings):
    return Job(kind=kind, title=title, settings={"of": title, **settings}, needs=needs)


@pytest.fixture
def base():
    return job_of("base")


@pytest.fixture
def scores(base):
    video = job_of("video", needs=(base,))
    return job_of("scores", "scores", needs=(video,))


@pytest.fixture
def run(tmp_path, pretender):
    def go(*jobs, budget=None):
        lines = []
        engine = Engine(tmp_path / "results", pretender, budget or Budget(), lines.append)
        return engine.run(jobs)

    return go


def test_what_is_needed_comes_first_and_each_job_once(run, scores, base, pretender):
    outcomes = run(scores, base, scores)
    assert pretender.done == ["base", "video", "scores"]
    assert outcomes.missing == {}


def test_what_is_done_is_not_done_again(run, scores, pretender):
    first = run(scores)
    second = run(scores)
    assert pretender.done == ["base", "video", "scores"]
    assert second.results == first.results
    assert second.done_now == []


def test_files_that_are_gone_are_made_anew_only_for_who_needs_them(run, scores, pretender):
    run(scores)
    pretender.lost = {"base", "video"}
    run(scores)
    assert len(pretender.done) == 3, "the score is known: nobody needs weights"
    other = job_of("other scores", "scores", needs=scores.needs)
    run(other)
    assert pretender.done[3:] == ["base", "video", "other scores"]


def test_other_settings_are_another_job(run, scores, pretender):
    run(scores)
    changed = job_of("scores", "scores", needs=scores.needs, threshold=0.5)
    assert changed.key != scores.key
    run(changed)
    assert pretender.done[3:] == ["scores"]


def test_titles_and_what_is_handed_over_do_not_tell_jobs_apart(base):
    assert dataclasses.replace(base, title="otherwise", task=object()).key == base.key


def test_a_failure_has_its_reason_and_the_others_go_on(run, scores, base, pretender):
    pretender.fails = {"video": ValueError("no such clip")}
    other = job_of("time", "time", needs=(base,))
    outcomes = run(scores, other)
    assert outcomes.missing[scores.name] == "video: no such clip"
    assert other.name in outcomes.results
    pretender.fails = {}
    assert run(scores).missing == {}, "the next time it is tried again"


def test_a_programming_error_is_not_hidden(run, scores, pretender):
    pretender.fails = {"video": RuntimeError("a fault")}
    with pytest.raises(RuntimeError, match="a fault"):
        run(scores)


def test_without_time_nothing_begins_and_what_is_there_is_read(run, scores, base, clock):
    run(base)
    budget = Budget(1, now=lambda: clock.now)
    clock.now = 60
    outcomes = run(scores, base, budget=budget)
    assert outcomes.results.keys() == {base.name}
    assert outcomes.missing[scores.name] == NO_TIME


def test_what_is_broken_off_says_how_far_it_was_and_goes_on(run, scores, pretender):
    pretender.breaks_off = {"video"}
    outcomes = run(scores)
    assert outcomes.missing[scores.name] == (
        "video: broken off after 3 of 7 steps: no time was left"
    )
    pretender.breaks_off = set()
    assert run(scores).missing == {}
    assert pretender.done == ["base", "video", "scores"]


def test_ctrl_c_keeps_what_was_finished(run, scores, pretender):
    pretender.fails = {"scores": KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        run(scores)
    pretender.fails = {}
    run(scores)
    assert pretender.done == ["base", "video", "scores"]


def test_a_job_of_another_command_is_left_to_it(run, base, tmp_path, start_claim):
    start_claim(tmp_path / "results" / f".{base.name}.claim")
    assert run(base).missing[base.name] == "another command is at it"


@pytest.fixture
def start_claim():
    """Hold a file in another process."""
    import subprocess
    import sys

    code = (
        "import sys\nfrom faimtrack.atomic import claimed\n"
        "with claimed(sys.argv[1], across_forks=False):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    held = []

    def hold(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout.readline().strip() == b"held"
        held.append(process)

    yield hold
    for process in held:
        process.communicate(timeout=30)


def test_a_result_of_other_settings_is_refused(tmp_path, base):
    path = write_result(tmp_path, base, {"vid": 0.5})
    assert read_result(tmp_path, base) == {"vid": 0.5}
    tree = json.loads(path.read_text())
    tree["settings"]["of"] = "another"
    path.write_text(json.dumps(tree))
    with pytest.raises(ValueError, match="expected the result of base with its settings, got"):
        read_result(tmp_path, base)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "got no JSON"),
        ("[]", "got other JSON"),
        ('{"kind": "reproduction-job", "format_version": 99}', "expected format 1, got 99"),
    ],
)
def test_damaged_results_are_refused_by_name(tmp_path, base, content, message):
    path = result_path(tmp_path, base)
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as refused:
        read_result(tmp_path, base)
    assert str(path) in str(refused.value)


def test_numbers_that_are_none_are_not_kept(tmp_path, base):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_result(tmp_path, base, {"vid": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_order_of_jobs_that_share_what_they_need(base, scores):
    other = job_of("time", "time", needs=(base,))
    assert [job.title for job in in_order([other, scores])] == ["base", "time", "video", "scores"]


def test_a_budget_is_over_when_its_minutes_are(clock):
    budget = Budget(2, now=lambda: clock.now)
    clock.now = 119
    budget.check("soon")
    clock.now = 120
    with pytest.raises(OutOfTime, match="at last"):
        budget.check("at last")
    assert not Budget(None, now=lambda: 1e12).is_over
