# SPDX-License-Identifier: GPL-2.0-only
# Completion of vfio-nvlink2-gate for bash.

_vfio_nvlink2_gate()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	case $prev in
	--against | --header | --spec | --consumer | --exceptions)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	--include | --system)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		;;
	--format)
		mapfile -t COMPREPLY < <(compgen -W 'text json sarif github' -- "$cur")
		;;
	--arch)
		mapfile -t COMPREPLY < <(compgen -W 'x86_64 i386 ppc64le ppc64 arm64 armhf s390x
			riscv64' -- "$cur")
		;;
	--explain)
		mapfile -t COMPREPLY < <(compgen -W "$(vfio-nvlink2-gate --list-rules 2>/dev/null |
			sed -n 's/^\([A-Z][A-Z0-9_]*\).*/\1/p')" -- "$cur")
		;;
	--jobs | --release) ;;
	*)
		mapfile -t COMPREPLY < <(compgen -W '--against --header --spec --include --consumer
			--system --exceptions --format --arch --jobs --quiet --list-rules --explain
			--release --debug --help' -- "$cur")
		;;
	esac
}

complete -F _vfio_nvlink2_gate vfio-nvlink2-gate
