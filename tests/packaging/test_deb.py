# SPDX-License-Identifier: GPL-2.0-only
"""The Debian packages: built from a commit, clean for lintian, with everything in its package."""

import os
import re
import subprocess

import deb
import pytest

from lab.paths import ROOT

from . import installed

PACKAGES = ("libvfio-nvlink2-dev", "nvlink2-vfio-pci-dkms", "vfio-nvlink2-tools")


@pytest.fixture(name="repository", scope="module", autouse=True)
def repository_fixture(tmp_path_factory):
    """A repository in which the tree as it is, also what is not committed, is the last commit."""
    folder = tmp_path_factory.mktemp("git")
    git = ("git", f"--git-dir={folder}/.git", "-c", "user.name=A Tester", "-c", "user.email=t@localhost")
    subprocess.run(["git", "init", "-q", folder], check=True, capture_output=True)
    for command in ((f"--work-tree={ROOT}", "add", "-A"), ("commit", "-qm", "now")):
        subprocess.run([*git, *command], check=True, capture_output=True, cwd=ROOT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deb, "GIT", git)
        yield folder


@pytest.fixture(name="built", scope="module")
def built_fixture(repository, tmp_path_factory):
    """The folder with the packages of that commit."""
    assert (repository / ".git/HEAD").exists()
    out = tmp_path_factory.mktemp("deb")
    try:
        deb.build("HEAD", out)
    except deb.DebError as error:
        pytest.fail(str(error), pytrace=False)
    return out


def package(built, name):
    """The file of one package."""
    path, = built.glob(f"{name}_*.deb")
    return path


def query(*words):
    """Returns the output of dpkg-deb."""
    return subprocess.run(["dpkg-deb", *map(str, words)], capture_output=True, text=True,
                          check=True).stdout


def contents(path):
    """Every file of a package, as a path from the root."""
    return {line.split()[5].removeprefix(".") for line in query("--contents", path).splitlines()
            if not line.startswith("d")}


def test_deb_is_clean_for_lintian(built):
    found = deb.complaints(built)
    assert not found, "\n".join(found)


def test_lintian_sees(built, tmp_path):
    """A package with a fault is complained of: none of the silence is lintian's own."""
    tree = tmp_path / "tree"
    query("--raw-extract", package(built, PACKAGES[0]), tree)
    (tree / "usr/share/doc" / PACKAGES[0] / "copyright").unlink()
    control = (tree / "DEBIAN/control").read_text()
    (tree / "DEBIAN/control").write_text(control.replace("Section: libdevel\n", ""))
    query("--build", "--root-owner-group", tree, tmp_path / "bad.deb")
    done = subprocess.run(["lintian", tmp_path / "bad.deb"], capture_output=True, text=True,
                          check=False, env=os.environ | {"LC_ALL": "C.UTF-8"})
    assert "E: libvfio-nvlink2-dev: no-copyright-file" in done.stdout


@pytest.mark.parametrize("name", PACKAGES)
def test_deb_has_the_version_of_the_tree(built, name):
    assert query("--field", package(built, name), "Version").strip() == deb.version()


def test_deb_has_what_make_install_has(built, tmp_path):
    """Nothing that is installed is in no package, or in two."""
    installed.install(tmp_path)
    wanted = {f"/{path.relative_to(tmp_path)}" for path in tmp_path.rglob("*") if path.is_file()}
    # Each package has a folder for its documents; the examples are for programs that are built.
    doc = "/usr/share/doc/"
    wanted = {re.sub(rf"^{doc}vfio-nvlink2/(examples/(?!.*\.rules))", rf"{doc}{PACKAGES[0]}/\1", name)
              for name in wanted}
    wanted = {name.replace(f"{doc}vfio-nvlink2/", f"{doc}{PACKAGES[2]}/") for name in wanted}
    shipped = [re.sub(r"\.gz$", "", name) for package_name in PACKAGES[::2]
               for name in contents(package(built, package_name))]
    assert len(shipped) == len(set(shipped))
    extra = set(shipped) - wanted
    assert not wanted - set(shipped)
    assert all(re.search(r"/(changelog(\.Debian)?|copyright)$", name) for name in extra), extra


def test_deb_of_the_module_is_known_to_dkms(built, tmp_path):
    path = package(built, "nvlink2-vfio-pci-dkms")
    names = contents(path)
    source = f"/usr/src/nvlink2-vfio-pci-{deb.version()}"
    assert {f"{source}/dkms.conf", f"{source}/kernel/main.c"} <= names
    query("--raw-extract", path, tmp_path / "tree")
    conf = (tmp_path / f"tree{source}/dkms.conf").read_text()
    assert f'PACKAGE_VERSION="{deb.version()}"' in conf
    for script in ("postinst", "prerm"):
        assert "nvlink2-vfio-pci" in (tmp_path / "tree/DEBIAN" / script).read_text()
    assert "dkms" in query("--field", path, "Depends")


def test_deb_collides_with_no_header_of_the_kernel(built):
    """linux-libc-dev must be installable beside it."""
    theirs = subprocess.run(["dpkg", "--listfiles", "linux-libc-dev"], capture_output=True,
                            text=True, check=True).stdout.splitlines()
    assert "/usr/include/linux/vfio.h" in theirs
    assert not contents(package(built, "libvfio-nvlink2-dev")) & set(theirs)


def test_deb_without_a_tool_names_its_package(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert deb.main(["--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "missing: debhelper dh-dkms dh-python dpkg-dev git lintian" in said
    assert "sh setup.sh deb" in said


def test_deb_of_a_commit_that_is_not_there(tmp_path, capsys):
    assert deb.main(["--commit", "no-such-commit", "--out", str(tmp_path / "out")]) == 2
    assert "git archive no-such-commit" in capsys.readouterr().err


def test_packaging_lists_what_the_gate_needs():
    """Its own packages, as setup.sh has them, are dependencies of the package."""
    listed = subprocess.run(["sh", ROOT / "setup.sh", "--list", "abi"], capture_output=True,
                            text=True, check=True).stdout.split()
    control = (ROOT / "packaging/debian/control").read_text()
    assert not [name for name in listed if not re.search(rf"\b{re.escape(name)}\b", control)]
