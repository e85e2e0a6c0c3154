# Completion of vmlab for bash; vmlab itself knows what may stand where.
_vmlab()
{
	local IFS=$'\n' line
	local -a found
	COMPREPLY=()
	if found=($("$1" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)); then
		for line in "${found[@]}"; do
			COMPREPLY+=("${line%%$'\t'*}")
		done
	else
		compopt -o default
	fi
}
complete -F _vmlab vmlab
