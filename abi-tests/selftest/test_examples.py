# SPDX-License-Identifier: GPL-2.0-only
"""The example workflows: their packages are the ones that are needed, and their steps work."""

import os
import re
import shutil
import subprocess

import pytest
import yaml

from abigate import sides
from lab import limits

FOLDER = sides.ROOT / "abi-tests/examples"
HEADER = "include/uapi/linux/foo.h"
OLD = """
#include <linux/types.h>
#define FOO_ONE 1
struct foo {
	__u32 first;
	__u32 second;
};
"""
NEW = OLD.replace("first", "zeroth")


def steps():
    """{name: (shell lines that install, shell lines that judge)}"""
    github = yaml.safe_load((FOLDER / "github.yml").read_text(encoding="utf-8"))
    install, _, judge = github["jobs"]["gate"]["steps"]
    gitlab = yaml.safe_load((FOLDER / "gitlab.yml").read_text(encoding="utf-8"))["abi"]
    return {"github": (install["run"], judge["run"]),
            "gitlab": ("\n".join(gitlab["before_script"]), "\n".join(gitlab["script"]))}


@pytest.mark.parametrize("name", ["github", "gitlab"])
def test_examples_install_what_is_needed(name):
    listed = subprocess.run(["sh", "setup.sh", "--list", "abi"], cwd=sides.ROOT, check=True,
                            capture_output=True, text=True, timeout=limits.seconds(60)).stdout.split()
    # What the spec needs, another project's header does not.
    needed = set(listed) - {"python3-jinja2", "python3-jsonschema"}
    line = steps()[name][0].replace("\\\n", " ").splitlines()[-1]
    named = set(re.findall(r"[a-z][a-z0-9.+-]+", line.partition("--no-install-recommends")[2]))
    assert named - {"ca-certificates"} == needed


@pytest.fixture(name="project")
def project_fixture(tmp_path):
    """Somebody else's project with a header and a copy of the ABI gate."""
    tree = tmp_path / "project"
    shutil.copytree(sides.ROOT / "abi-tests", tree / "abi-tests",
                    ignore=shutil.ignore_patterns("__pycache__", "selftest", "baselines"))
    (tree / HEADER).parent.mkdir(parents=True)
    (tree / HEADER).write_text(OLD, encoding="utf-8")
    for command in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "First."),
                    ("update-ref", "refs/remotes/origin/main", "HEAD")):
        subprocess.run(["git", "-c", "user.name=Test", "-c", "user.email=test@localhost", *command],
                       cwd=tree, check=True, capture_output=True, timeout=limits.seconds(60))
    return tree


def calls(name):
    """The calls of the ABI gate in an example, without the form of the output."""
    script = steps()[name][1].replace("\\\n", "")
    return [re.sub(r" --(exceptions|format) \S+|>.*", "", call).split() for call in
            re.findall(r"^abi-tests/gate.*", script, re.M)]


def test_examples_ask_the_same():
    """Of every architecture: so the test below has one example ask all of them, and one a few."""
    assert (len(calls("github")), len(calls("gitlab"))) == (1, 2)
    for call in calls("github") + calls("gitlab"):
        assert call == ["abi-tests/gate", "--header", HEADER, "--against", "old/linux/foo.h"]


@pytest.mark.parametrize("name", ["github", "gitlab"])
@pytest.mark.parametrize("text, status", [(OLD + "#define FOO_TWO 2\n", 0), (NEW, 1)])
def test_examples_judge(project, name, text, status):
    (project / HEADER).write_text(text, encoding="utf-8")
    script = steps()[name][1]
    if name == "gitlab":
        # It calls the ABI gate twice. Two alignments of __u64, two sizes of long, and both byte orders.
        script = script.replace("abi-tests/gate ", "abi-tests/gate --arch i386 --arch ppc64 ")
    done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=project,
                          capture_output=True, text=True, timeout=limits.seconds(300), check=False,
                          env={**os.environ, "HOME": str(project), "GITHUB_BASE_REF": "main",
                               "CI_MERGE_REQUEST_DIFF_BASE_SHA": "HEAD"})
    assert done.returncode == status, done.stdout + done.stderr
    assert ("FIELD_RENAMED" in done.stdout) == bool(status)
    if name == "gitlab":
        assert ("FIELD_RENAMED" in (project / "abi.sarif").read_text(encoding="utf-8")) == bool(status)
