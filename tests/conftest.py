# SPDX-License-Identifier: GPL-2.0-only
"""
The verdict of a run: its last line is `N passed, N failed`, alone.

What did not pass has failed: errors, skips and expected failures count, and so does a run
that collected nothing. A missing tool is a failure that says what to install, never a skip.
"""

_NOT_PASSED = ("failed", "error", "skipped", "xfailed", "xpassed")


def counts(stats):
    """(passed, failed) of a terminal reporter's statistics."""
    return (len(stats.get("passed", ())), sum(len(stats.get(key, ())) for key in _NOT_PASSED))


def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and exitstatus == 0 and counts(reporter.stats)[1]:
        session.exitstatus = 1


def pytest_unconfigure(config):
    # After pytest's own summary, which comes when the session finishes.
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and not config.option.collectonly and not config.option.help:
        passed, failed = counts(reporter.stats)
        reporter.ensure_newline()
        reporter.write_line(f"{passed} passed, {failed} failed")
