# SPDX-License-Identifier: GPL-2.0-only
# Completion of nvlink2-info for bash.

_nvlink2_info()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local sysfs=/sys i path devices=

	COMPREPLY=()
	case $prev in
	-f | --from)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	-s | --save | --sysfs | --dev)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '--all --dot --json --from --save --watch --sysfs --dev
			--help --version' -- "$cur")
		return
	fi

	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == --sysfs ]] && sysfs=${COMP_WORDS[i + 1]}
	done
	for path in "$sysfs"/bus/pci/devices/*/vfio-dev; do
		[[ -d $path ]] || continue
		path=${path%/vfio-dev}
		devices+=" ${path##*/}"
	done
	# A colon is a word break for bash: readline replaces only what follows the last one,
	# and so would double what is before it.
	if declare -F _get_comp_words_by_ref __ltrim_colon_completions >/dev/null; then
		_get_comp_words_by_ref -n : cur
		mapfile -t COMPREPLY < <(compgen -W "$devices" -- "$cur")
		__ltrim_colon_completions "$cur"
	else
		mapfile -t COMPREPLY < <(compgen -W "$devices" -- "$cur")
	fi
}

complete -F _nvlink2_info nvlink2-info
