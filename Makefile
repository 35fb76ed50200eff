# SPDX-License-Identifier: GPL-2.0-only
#
# Every entry point. A target installs what it needs first, after saying so; nothing is said
# when everything is there.

# Plain `python3` may be one without Debian's modules.
PYTHON ?= /usr/bin/python3
KDIR ?= /lib/modules/$(shell uname -r)/build
setup := sh setup.sh
lab := $(PYTHON) -m lab
# The process with the machines' tests mostly waits.
WORKERS ?= $(shell expr $$(nproc) + 1)

export PYTHONDONTWRITEBYTECODE := 1

# Runs a target that takes long, and keeps the result of a run of everything; the others record
# themselves. A variable that makes the run another one makes it a part.
part = $(strip $(SECONDS)$(SEED)$(MINUTES)$(KERNELS)$(BOOTS)$(ARGS))
define long
@status=0; $(1) || status=$$?; result=passed; [ $$status -eq 0 ] || result="failed ($$status)"; \
	$(if $(part),,$(lab) long-targets --record $@ "$$result" || :;) exit $$status
endef

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help generate check-generated demo check test test-guest test-clients test-debug test-mutants \
	fuzz attack soak lint abi-check abi-release abi-face abi-matrix bench bench-ratios \
	install uninstall deb docs \
	modules in-tree in-tree-5.10 patch-series \
	test-in-tree test-reference test-npu2 test-deb kernels-table long-targets fetch shell clean distclean

help: ## this list
	@sed -n 's/^\([a-z0-9.-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

demo: ## boot an emulated POWER9 with 2 GPUs and 4 bridges and show what a program sees
	@$(setup) demo
	@$(lab) demo

test: ## every test, those in the emulated machine included; ends with `N passed, N failed`
	@$(setup) test
	@$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile --max-worker-restart 0 $(ARGS)

check: ## only the tests that what changed can fail, quick ones: SINCE=REF, ARGS="--list" or files
	@$(setup) test
	@$(lab) check $(if $(SINCE),--since $(SINCE)) $(ARGS)

test-guest: ## only the tests in the emulated machine
	@$(setup) test
	@$(PYTHON) -m pytest tests/test_guest.py $(ARGS)

test-clients: ## only the programs of others: QEMU 7.2, a KVM guest, those who import the header
	@$(setup) test
	@$(PYTHON) -m pytest tests/test_guest.py tests/clients -k 'clients or kvm' $(ARGS)

attack: ## be a hostile owner of a GPU: SECONDS=600 SEED=1 make the run longer, and repeat one
	@$(setup) test
	$(call long,$(lab) attack $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)))

soak: ## look for rare things, long: races, the attack, failing allocations, fuzzing; MINUTES=60
	@$(setup) test
	$(call long,$(lab) soak $(if $(MINUTES),--minutes $(MINUTES)))

test-debug: ## only what runs in the debug kernel: KUnit, races, failing allocations, the attack
	@$(setup) test
	@$(PYTHON) -m pytest tests/test_guest.py -k debug $(ARGS)

test-mutants: ## take each fix out of the driver in turn; the test that names it must fail
	@$(setup) test
	@$(lab) mutants $(DEFECTS)

fuzz: ## look for inputs that break the decoder: SECONDS=600 looks longer
	@$(setup) test
	$(call long,NVLINK2_FUZZ_SECONDS=$(or $(SECONDS),60) $(PYTHON) -m pytest tests/decoder/test_libfuzzer.py $(ARGS))

generate: ## write everything below generated/ and uapi/ from the spec
	@$(setup) codegen
	@$(PYTHON) -m codegen generate

check-generated: ## fail, with the difference, when generated files do not fit the spec
	@$(setup) codegen
	@$(PYTHON) -m codegen check-generated

abi-check: ## say whether the interface breaks a program that exists: AGAINST=REF, ARGS=--format=json
	@$(setup) abi
	@abi-tests/gate $(if $(AGAINST),--against $(AGAINST)) $(ARGS)

abi-release: ## keep the present interface as released: VERSION=2
	@$(setup) abi
	@abi-tests/gate --release $(VERSION)

abi-face: ## write what the built modules show of themselves into abi-tests/module-face.txt
	@$(setup) test
	@abi-tests/face --update

abi-matrix: ## write what each detector of the ABI gate sees into abi-tests/MATRIX.md
	@$(setup) abi
	@abi-tests/matrix

lint: ## static checks: gcc and clang at W=1, sparse, checkpatch, coccinelle, pylint, shellcheck
	@$(setup) lint
	@$(lab) lint $(CHECKS)

bench: ## count the driver's instructions, against the targets: KERNELS="6.12-4k" BOOTS=5 WRITE=1
	@$(setup) test
	$(call long,$(lab) bench $(KERNELS) $(if $(BOOTS),--boots $(BOOTS)) $(if $(WRITE),--write))

bench-ratios: ## write the ratios that `make test` compares with, lab/bench/ratios.json
	@$(setup) test
	@$(lab) bench --ratios

install: ## install header, decoder and tools: PREFIX=/usr/local DESTDIR=DIR; `uninstall` undoes it
	@$(MAKE) -s -C packaging install

uninstall: ## remove what `make install` installed, with the same PREFIX and DESTDIR
	@$(MAKE) -s -C packaging uninstall

deb: ## build the Debian packages from the last commit into build/deb, and ask lintian
	@$(setup) deb
	@$(PYTHON) packaging/deb.py

docs: ## build the manual with Sphinx into build/docs/html; a warning is a failure
	@$(setup) docs
	@$(PYTHON) -m docs.builder

modules: ## build the kernel modules against the headers in KDIR
	@$(setup) native-build
	+@$(MAKE) -C kernel KDIR=$(KDIR)

in-tree: ## put the driver into the kernel source tree KTREE=DIR (6.12, 7.2); UNDO=1 takes it out
	@$(if $(KTREE),,$(error say which tree: make in-tree KTREE=DIR))
	@$(PYTHON) -m tools.intree $(if $(UNDO),remove,add) "$(KTREE)"

in-tree-5.10: ## put the driver in the place of the one of 2018 in Linux 5.10: KTREE=DIR; UNDO=1 puts that back
	@$(if $(KTREE),,$(error say which tree: make in-tree-5.10 KTREE=DIR))
	@$(PYTHON) -m tools.intree $(if $(UNDO),restore,replace) "$(KTREE)"

patch-series: ## write the driver as patches for `git am`: KTREE=DIR, OUT=DIR (default build/series)
	@$(if $(KTREE),,$(error say which tree: make patch-series KTREE=DIR))
	@$(PYTHON) -m tools.intree series "$(KTREE)" "$(or $(OUT),build/series)"

test-deb: ## install the Debian packages in a root with nothing but apt in it, and purge them
	@$(setup) cleanroot
	$(call long,$(PYTHON) -m lab.packages.cleanroot)

test-in-tree: ## put the driver into Linux 6.12 and 7.2 and build those: module, built-in, COMPILE_TEST
	@$(setup) test
	@$(lab) in-tree

test-reference: ## beside the driver of 2018, on Linux 5.10; WRITE=1 writes docs/versus-2018.md
	@$(setup) test
	@$(lab) reference $(if $(WRITE),--write)

test-npu2: ## Linux 6.12 and 7.2 with kernel/powernv, on machines whose firmware has made an NPU2
	@$(setup) test
	@$(lab) npu2

kernels-table: ## write docs/kernels.md's table from what the last `make test` ran
	@$(lab) kernels --write

long-targets: ## when each target that `make test` does not run was run last, and what came of it
	@$(lab) long-targets

fetch: ## fetch kernels, headers and emulator into the cache, and nothing else
	@$(setup) demo
	@$(lab) fetch

shell: ## boot the emulated machine and give a shell in it
	@$(setup) demo
	@$(lab) boot

clean: ## remove what was built; what was fetched stays
	@$(lab) clean
	@$(MAKE) -s -C kernel clean

distclean: ## remove what was built, and the cache that all clones share
	@$(lab) clean --cache
	@$(MAKE) -s -C kernel clean
