# shellcheck shell=sh disable=SC2034,SC2154 # for those who read this file
# arch.sh - what scripts ask of arches.table. Read by them, not run; $top is the root of the repository.

arch_names=$(grep -v '^#' "$top/docker/arches.table" | cut -d' ' -f1 | tr '\n' ' ')
arch_names=${arch_names% }

# arch_row NAME - fills arch_machine, arch_triplet and arch_ld; status 1 when there is no such row.
arch_row()
{
	while read -r arch_name arch_machine arch_triplet arch_ld; do
		[ "$arch_name" != "$1" ] || return 0
	done <"$top/docker/arches.table"
	return 1
}
