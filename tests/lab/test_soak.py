# SPDX-License-Identifier: GPL-2.0-only
"""The soak does all its parts, goes on after a failure, and reports it. No emulator is started."""

from lab import cli
from lab.errors import LabError
from lab.suites import soak
from lab.suites.judge import Case

GOOD = soak.Part("good", lambda: ([Case("a", True, "")], 1.0))
BAD = soak.Part("bad", lambda: ([Case("a", True, ""), Case("b", False, "the detail")], 1.0))


def _broken():
    raise LabError("no machine")


def run(minutes, *parts):
    shown = []
    return soak.soak(minutes, parts, shown.append), shown


def test_soak_does_each_part_once_when_there_is_no_time():
    failed, shown = run(0, GOOD, GOOD)
    assert not failed
    assert [line.partition(":")[0] for line in shown] == ["ok good", "ok good", "2 parts, 0 failed"]


def test_soak_begins_anew_until_the_time_has_passed():
    _, shown = run(0.001, GOOD)
    assert len(shown) > 2


def test_soak_goes_on_after_a_failure():
    failed, shown = run(0, BAD, soak.Part("broken", _broken), GOOD)
    assert failed == 2
    text = "\n".join(shown)
    assert "FAILED bad: b\nthe detail" in text and "no machine" in text and "ok good" in text


def test_soak_exits_with_what_came_of_it(monkeypatch):
    for failed, status in ((0, 0), (3, 1)):
        monkeypatch.setattr(soak, "soak", lambda minutes, failed=failed, **_: failed)
        assert cli.main(["soak", "--minutes", "1"]) == status


def test_soak_has_every_part_that_is_short_in_a_usual_run():
    assert {part.title.split()[0] for part in soak.PARTS} == {"race", "attack", "failnth", "fuzz"}
