# Completion of vmlab for bash; vmlab itself knows what may stand where.
_vmlab()
{
	local IFS=$'\n' line i
	local -a found words=("${COMP_WORDS[@]:1:COMP_CWORD}")
	COMPREPLY=()
	# As they would arrive, without the quotes that a folder's name may need.
	for ((i = 0; i < ${#words[@]} - 1; i++)); do
		words[i]=${words[i]//[\\\"\']/}
	done
	if found=($("$1" __complete "${words[@]}" 2>/dev/null)); then
		for line in "${found[@]}"; do
			COMPREPLY+=("${line%%$'\t'*}")
		done
	else
		compopt -o default
	fi
}
complete -F _vmlab vmlab
