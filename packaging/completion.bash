# SPDX-License-Identifier: Apache-2.0
# bash completion for plimsoll

_plimsoll() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]}
	local formats='pprof folded flamegraph html speedscope json table'
	local keys='container container_id pod namespace image runtime comm thread pid tid state function file mapping'

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W 'record report diff blame stat top ps doctor --help --version' -- "$cur"))
		return
	fi
	case $prev in
	-c | --container)
		COMPREPLY=($(compgen -W "$(plimsoll ps --json 2>/dev/null |
			sed -n 's/^ *"name": "\([A-Za-z0-9_.-]*\)",\{0,1\}$/\1/p')" -- "$cur"))
		return
		;;
	-p | --pid)
		COMPREPLY=($(cd /proc && compgen -G '[0-9]*' | grep "^$cur"))
		return
		;;
	--format)
		COMPREPLY=($(compgen -W "$formats" -- "$cur"))
		return
		;;
	--by)
		COMPREPLY=($(compgen -W "$keys" -- "$cur"))
		return
		;;
	-o | --output)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	--sort)
		COMPREPLY=($(compgen -W 'cpu limit lost p99 throttled memory io net threads name' -- "$cur"))
		return
		;;
	--state)
		COMPREPLY=($(compgen -W 'all runnable throttled disk network lock pipe memory child other idle' -- "$cur"))
		return
		;;
	--threshold)
		COMPREPLY=($(compgen -W '10us 100us 1ms 10ms 100ms' -- "$cur"))
		return
		;;
	--stacks)
		COMPREPLY=($(compgen -W 'tables fp' -- "$cur"))
		return
		;;
	-d | -F | -I | -n | --duration | --frequency | --interval) return ;;
	esac
	case $verb in
	record)
		COMPREPLY=($(compgen -W 'cpu offcpu ledger -c -p -d -F -o --state --threshold --wakers --format --icicle --stacks --debuginfod --jvm-maps --quiet --verbose --help --' -- "$cur"))
		;;
	report)
		COMPREPLY=($(compgen -W '-o --by --format -c -p --sample-type --icicle -n --title --help' -- "$cur") $(compgen -f -- "$cur"))
		;;
	diff)
		COMPREPLY=($(compgen -W '-o --by --format -c --help' -- "$cur") $(compgen -f -- "$cur"))
		;;
	stat)
		COMPREPLY=($(compgen -W '-c -p -d -I -n -o --summary --json --csv --quiet --verbose --help --' -- "$cur"))
		;;
	top) COMPREPLY=($(compgen -W '-c -d -n --sort --batch --plain --help' -- "$cur")) ;;
	blame) COMPREPLY=($(compgen -W '-c -d --cpu --all --json --quiet --verbose --help' -- "$cur")) ;;
	ps) COMPREPLY=($(compgen -W '--all --json --help' -- "$cur")) ;;
	doctor) COMPREPLY=($(compgen -W '--json --help' -- "$cur")) ;;
	esac
}
complete -o filenames -F _plimsoll plimsoll
