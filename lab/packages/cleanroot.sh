#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs in a root with nothing but apt in it: installs the packages, looks at what they bring, and
# removes them. One line a check, `ok NAME` or `not ok NAME`; cleanroot.py reads them.

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
packages='libvfio-nvlink2-dev nvlink2-vfio-pci-dkms vfio-nvlink2-tools'

check() {
	name=$1
	shift
	if "$@" >/tmp/said 2>&1; then
		echo "ok $name"
	else
		echo "not ok $name"
		sed 's/^/# /' /tmp/said | tail -n 30
	fi
}

# Whatever is named after us, but for apt's and dpkg's own memory.
ours() {
	find / -xdev \( -path /proc -o -path /sys -o -path /tmp -o -path /debs -o -path /var/log \
		-o -path /var/cache/apt \) -prune -o -iname '*nvlink2*' -print |
		grep -v '^/usr/share/python3/runtime.d$' | sort
}

decodes() {
	python3 -c 'import vfio_nvlink2; print(vfio_nvlink2.decode)'
}

compiles() {
	printf '#include <vfio_nvlink2_decode.h>\nint main(void) { return 0; }\n' >/tmp/main.c
	# shellcheck disable=SC2046  # flags are words
	clang -Wall -Werror -fsyntax-only $(pkg-config --cflags vfio-nvlink2) /tmp/main.c
}

gate_compares() {
	printf 'struct it { int a; };\n' >/tmp/old.h
	printf 'struct it { long a; };\n' >/tmp/new.h
	vfio-nvlink2-gate --quiet --arch x86_64 --header /tmp/old.h --against /tmp/old.h || return 1
	vfio-nvlink2-gate --quiet --arch x86_64 --header /tmp/new.h --against /tmp/old.h
	[ $? -eq 1 ]
}

known_to_dkms() {
	dkms status | grep "^nvlink2-vfio-pci/$(cat /debs/VERSION).*added"
}

check 'nothing of ours is there before' test -z "$(ours)"
check 'the index is read' apt-get -q update
# What the ABI gate looks at on this machine's own architecture is recommended, and pkg-config is what
# a program's author has.
check 'the packages install' apt-get -q -y --no-install-recommends install \
	/debs/*.deb linux-libc-dev-amd64-cross pkgconf linux-libc-dev
check 'nvlink2-info runs' sh -c 'nvlink2-info --version | grep "$(cat /debs/VERSION)"'
check 'the Python module is found' decodes
check 'a program with the header compiles' compiles
check 'the ABI gate compares two headers' gate_compares
check 'DKMS has the module' known_to_dkms
for file in /usr/share/man/man1/nvlink2-info.1.gz /usr/share/man/man1/vfio-nvlink2-gate.1.gz \
	/usr/share/bash-completion/completions/nvlink2-info \
	/usr/share/doc/vfio-nvlink2-tools/README.driverctl; do
	# A minimal root may be set to leave manual pages out.
	grep -rqs "path-exclude=/usr/share/\(man\|doc\)" /etc/dpkg/dpkg.cfg.d ||
		check "$file is there" test -s "$file"
done
# shellcheck disable=SC2086
check 'the packages are purged' apt-get -q -y purge $packages
check 'nothing of ours is left' test -z "$(ours)"
ours | sed 's/^/# left: /'
check 'DKMS has nothing left' sh -c '! dkms status | grep nvlink2'
echo 'end of the checks'
