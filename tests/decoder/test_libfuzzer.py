# SPDX-License-Identifier: GPL-2.0-only
"""
The decoder under libFuzzer: the corpus is replayed, a number of new inputs is looked at, and a
decoder with a mistake is found out.

With NVLINK2_FUZZ_SECONDS the search lasts so long instead (`make fuzz SECONDS=600`, `make soak`). An
input that shows something is kept below build/tests-decoder/fuzz.
"""

import math
import os
import re
import shutil
import subprocess

import pytest

from lab import limits

from .test_decoder import BUILD, DECODER, HERE, MUTANTS, ROOT

CORPUS = HERE / "fuzz/corpus"
GOLDEN = ROOT / "generated/user/golden"
SECONDS = int(os.environ.get("NVLINK2_FUZZ_SECONDS", "0"))
# Each mistake below is found within 2000 inputs (four searches of each: 8 to 1932).
INPUTS = 50_000
BOUND = f"-max_total_time={SECONDS}" if SECONDS else f"-runs={INPUTS}"
FLAGS = ["-std=gnu11", "-O1", "-g", "-fsanitize=fuzzer,address,undefined",
         "-fno-sanitize-recover=all", "-I", str(ROOT / "uapi")]


def build(folder, text):
    """The fuzzer of a decoder with this text."""
    assert shutil.which("clang"), "clang is missing: apt-get install clang libclang-rt-dev"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DECODER.name).write_text(text, "utf-8")
    done = subprocess.run(["clang", *FLAGS, "-I", str(folder), "-o", str(folder / "fuzzer"),
                           str(HERE / "fuzz/target.c"), str(HERE / "model.c"), "-lcmocka"],
                          capture_output=True, text=True, timeout=limits.seconds(120), check=False)
    assert done.returncode == 0, done.stderr
    return folder / "fuzzer"


def fuzz(program, *arguments, one=5):
    """One run of the fuzzer; its status and what it printed. No input may take more than `one` second."""
    done = subprocess.run([str(program), f"-artifact_prefix={program.parent}/", "-print_final_stats=1",
                           f"-timeout={math.ceil(one)}", "-rss_limit_mb=1024", *map(str, arguments)],
                          capture_output=True, text=True, check=False,
                          timeout=limits.seconds(60) + SECONDS, errors="replace",
                          env={**os.environ, "CMOCKA_TEST_ABORT": "1"})
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(name="fuzzer", scope="module")
def fuzzer_fixture():
    return build(BUILD / "fuzz", DECODER.read_text("utf-8"))


def test_fuzz_corpus_is_small():
    files = list(CORPUS.iterdir())
    assert 10 <= len(files) <= 100
    assert all(path.stat().st_size <= 512 for path in files)


def test_fuzz_corpus_is_replayed(fuzzer):
    inputs = [*sorted(CORPUS.iterdir()), *sorted(GOLDEN.glob("*.bin"))]
    status, output = fuzz(fuzzer, *inputs, one=limits.seconds(5))
    assert status == 0, output[-4000:]
    assert output.count("Executed ") == len(inputs)


def test_fuzz_finds_nothing(fuzzer, tmp_path):
    status, output = fuzz(fuzzer, BOUND, tmp_path, CORPUS, GOLDEN, one=limits.seconds(5))
    assert status == 0, (f"{output[-4000:]}\nreplay it: "
                         f"CMOCKA_TEST_ABORT=1 {fuzzer} {fuzzer.parent}/crash-...")
    runs = int(re.search(r"stat::number_of_executed_units: (\d+)", output)[1])
    assert runs >= (1000 * SECONDS or INPUTS), f"only {runs} inputs"


@pytest.mark.parametrize("name", ["header_unchecked", "cycle_to_itself", "record_room_of_8"])
def test_fuzz_finds_a_mistake(name):
    old, new = MUTANTS[name]
    program = build(BUILD / "fuzz" / name, DECODER.read_text("utf-8").replace(old, new))
    status, output = fuzz(program, BOUND, CORPUS, GOLDEN)
    assert status and re.search(r"SUMMARY: |deadly signal", output), (
        f"{name} is not found (status {status}):\n{output[-2000:]}")
