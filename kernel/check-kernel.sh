#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Can the modules be built for this kernel? One sentence, not a page of errors.
#
#	sh check-kernel.sh KDIR [sim]
#
# Exit status: 0 yes; 1 no, and standard error says why and what to do. compat.h has the same
# limits for builds that do not pass here.

set -eu

kdir=$1
sim=${2:-}

no() {
	echo "nvlink2-vfio-pci: $*" >&2
	exit 1
}

config=$kdir/include/config/auto.conf
version=$kdir/include/generated/uapi/linux/version.h
for file in "$config" "$version"; do
	[ -f "$file" ] || no "KDIR=$kdir is not prepared for building modules ($file is missing):" \
		"install the kernel's headers package, or run \`make modules_prepare\` there"
done

number() {
	sed -n "s/^#define LINUX_VERSION_$1  *\([0-9]*\)$/\1/p" "$version"
}
major=$(number MAJOR)
minor=$(number PATCHLEVEL)
if [ -z "$major" ] || [ -z "$minor" ]; then
	no "$version names no version of a kernel"
fi

case $major.$minor in
6.12 | 7.2) ;;
6.1[3-9] | 6.[2-9][0-9] | 7.[01])
	no "Linux $major.$minor was never tried; build for 6.12 or 7.2 (docs/kernels.md)" ;;
[0-6].*)
	no "Linux $major.$minor is too old; it needs 6.12 or 7.2 (docs/kernels.md says why)" ;;
*)
	no "Linux $major.$minor is newer than what this driver knows; it needs 6.12 or 7.2" \
		"(docs/kernels.md), or a newer release of the driver" ;;
esac

missing=
want() {
	grep -Eq "^CONFIG_$1=[ym]\$" "$config" || missing="$missing CONFIG_$1"
}
want VFIO_PCI_CORE
want PPC_POWERNV
want SPAPR_TCE_IOMMU
[ -z "$sim" ] || want OF_DYNAMIC
[ -z "$missing" ] || no "this kernel is configured without$missing; the driver needs that" \
	"(kernel/Kconfig), so choose a kernel that has it${sim:+, or build with SIM=0}"
