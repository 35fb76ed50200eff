#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Installs the Debian packages one part of the project needs, after saying which.
# Silent when everything is there. Needs no make: it is what brings make.

set -eu

usage() {
	cat <<-EOF
	usage: sh setup.sh [--list] PART...

	Installs what PART needs and is not there yet:
	  codegen       make generate, make check-generated
	  native-build  make modules, with this machine's own compiler
	  demo          make demo
	  test          make test
	  lint          make lint
	  abi           make abi-check, abi-tests/gate
	  deb           make deb
	  cleanroot     make test-deb
	  docs          make docs
	  all           everything

	--list prints the packages, one a line, and installs nothing.
	EOF
}

native_build='make gcc libelf-dev'
# The kernel's build tools want the compiler the kernel was built with, and libelf (which has
# one name everywhere only as this package).
build='make libelf-dev gcc-12-powerpc64le-linux-gnu gcc-powerpc64le-linux-gnu libc6-dev-ppc64el-cross'
lab='python3 python3-pyelftools python3-libfdt debian-archive-keyring ca-certificates xz-utils dpkg apt tar'
codegen='python3-jinja2 python3-yaml python3-jsonschema'
compilers='gcc libc6-dev g++ g++-powerpc64le-linux-gnu clang'
demo="$build $lab"
manual='mandoc man-db groff-base bash graphviz'
# What a kernel's own source wants beside: the debug kernel, and the tree clang compiles against.
kernel='bc bison flex patch perl ccache'
# spatch runs semantic patches that have parts in Python only with libpython3.11.so.
lint="$demo $codegen $kernel python3-pytest gcc libc6-dev clang sparse coccinelle libpython3-dev"
lint="$lint pylint mypy shellcheck"
# The ABI gate looks at every architecture with that architecture's own kernel headers.
abi="clang abigail-tools dwarves python3-pyelftools python3 git $codegen"
for arch in amd64 arm64 armhf i386 ppc64 ppc64el riscv64 s390x; do
	abi="$abi linux-libc-dev-$arch-cross"
done
# The packages, and what their tests install with.
deb='build-essential dpkg-dev debhelper dh-dkms dh-python lintian git python3 gcc libc6-dev make'
packages="$deb dkms kmod cmake pkgconf"
cleanroot="$deb mmdebstrap"
# The manual: kernel-doc, a script of the kernel's, is fetched by the lab and is perl.
docs='python3 python3-sphinx python3-myst-parser graphviz perl'
docs="$docs debian-archive-keyring ca-certificates xz-utils dpkg apt tar"
# Drawing what was measured.
plots='python3-matplotlib'
test="$plots python3-pytest-xdist $lint $abi $packages $compilers dpkg-dev libcmocka-dev libclang-rt-dev $manual $docs"

wanted=
list_only=
for part; do
	case $part in
	codegen) wanted="$wanted python3 $codegen" ;;
	native-build) wanted="$wanted $native_build" ;;
	demo) wanted="$wanted $demo" ;;
	test) wanted="$wanted $test" ;;
	lint) wanted="$wanted $lint" ;;
	abi) wanted="$wanted $abi" ;;
	deb) wanted="$wanted $deb" ;;
	cleanroot) wanted="$wanted $cleanroot" ;;
	docs) wanted="$wanted $docs" ;;
	all) wanted="$wanted $test $lint" ;;
	--list) list_only=1 ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
done
[ -n "$wanted" ] || { usage >&2; exit 2; }

# One name a line, each once.
# shellcheck disable=SC2086  # splitting is the point
wanted=$(printf '%s\n' $wanted | sort -u)
if [ -n "$list_only" ]; then
	printf '%s\n' "$wanted"
	exit 0
fi

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
	cat >&2 <<-EOF
	setup: this machine has no apt, so it is neither Debian nor Ubuntu.
	The lab boots Debian's kernels with Debian's emulator and cross compilers; run it on
	Debian 12 or newer (a container or virtual machine will do), with these packages:
	$(echo "$wanted" | tr '\n' ' ')
	To build only the module: make -C kernel KDIR=... with your own compiler.
	EOF
	exit 2
fi

# A package that another one provides (g++ by a versioned name, say) is not looked for: the
# names above are real packages in Debian and Ubuntu.
# shellcheck disable=SC2086
have=$(dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' $wanted 2>/dev/null |
	sed -n 's/^ii *//p' | sort -u) || :
missing=
for package in $wanted; do
	case "
$have
" in
	*"
$package
"*) ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "setup: run as root: apt-get install$missing" >&2
		echo "setup: (this user is not root, and there is no sudo)" >&2
		exit 2
	fi
	as_root=sudo
fi

echo "setup: these Debian packages are needed and will be installed${as_root:+ with sudo}:"
echo "setup:  $missing"

# The index may be absent (a fresh container) or older than the packages it names.
# shellcheck disable=SC2086
install() {
	$as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y --no-install-recommends install $missing </dev/null
}

# shellcheck disable=SC2086
if ! apt-get -s -qq --no-install-recommends install $missing >/dev/null 2>&1 || ! install; then
	echo "setup: updating the package index first"
	if ! $as_root apt-get -q update </dev/null; then
		echo "setup: apt-get update failed: check the network and /etc/apt/sources.list*" >&2
		exit 2
	fi
	if ! install; then
		echo "setup: apt-get could not install:$missing" >&2
		echo "setup: its own message is above; Debian 12 or newer is needed" >&2
		exit 2
	fi
fi
