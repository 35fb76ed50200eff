# SPDX-License-Identifier: GPL-2.0-only
"""python3 -m codegen"""

# Nothing here may need a new Python or a package: it is what says that they are missing.
# pylint: disable=consider-using-f-string, import-outside-toplevel
import sys


def main() -> int:
    """Runs the generator, or says what it lacks, and returns the exit status."""
    if sys.version_info < (3, 11):
        print("codegen: needs Python 3.11 or newer, this is %d.%d; on Debian 12 run it as "
              "/usr/bin/python3 -m codegen" % sys.version_info[:2], file=sys.stderr)
        return 2
    try:
        from . import cli
    except ModuleNotFoundError as err:
        if str(err.name or "codegen").startswith("codegen"):
            raise
        print("codegen: %s has no module %s; install python3-yaml, python3-jinja2 and "
              "python3-jsonschema, or run it with the Python that has them (on Debian "
              "/usr/bin/python3)" % (sys.executable, err.name), file=sys.stderr)
        return 2
    return cli.main()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        # `codegen rules | head` is no failure of ours, but nothing more can be said.
        sys.stderr.close()
        sys.exit(2)
