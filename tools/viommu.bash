# SPDX-License-Identifier: BSD-3-Clause
# bash completion for viommu(1)
_viommu()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} look options
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W 'replay explain dump map diff stats --help --version' -- "$word")
		return
	fi
	case $before in
	--only | -o)
		mapfile -t COMPREPLY < <(compgen -W 'registers contexts tables mappings interrupts its' -- "$word")
		return
		;;
	--access | -a)
		mapfile -t COMPREPLY < <(compgen -W 'r w rw x' -- "$word")
		return
		;;
	--device | -d | --pasid | -p | --iova | -i | --message | -m | --fault | -f | --last | -l) return ;;
	esac
	look='--device --pasid --last --registers --memory --json --help'
	case ${COMP_WORDS[1]} in
	replay) options='--verbose --record --record-its --json --help' ;;
	explain) options='--device --pasid --iova --access --translated --message --its --fault --caches --registers --memory --json --help' ;;
	dump) options="--only $look" ;;
	map) options="--svg $look" ;;
	diff) options='--state --device --pasid --last --json --help' ;;
	*) options='--json --help' ;;
	esac
	if [[ $word = -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	fi
}
complete -o filenames -F _viommu viommu
