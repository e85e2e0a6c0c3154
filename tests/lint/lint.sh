#!/bin/bash
# lint.sh - what `make lint` asks, in the container with clang: format, include style and cycles, and
# what shellcheck and cppcheck say. Prints "ok NAME" or "not ok NAME" for each; exit status 1 when one
# is not.
#
#   tests/lint/lint.sh SHELL_SCRIPT... -- C_FILE...
# shellcheck disable=SC2317 # ask calls the functions
set -u
cd "$(dirname "$0")/../.." || exit 1

scripts=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	scripts+=("$1")
	shift
done
[ $# -gt 1 ] || { echo "usage: tests/lint/lint.sh SHELL_SCRIPT... -- C_FILE..." >&2; exit 2; }
shift
sources=("$@")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# ask NAME COMMAND... - its output is shown when it fails.
ask()
{
	local name=$1
	shift
	if "$@" >"$work/said" 2>&1; then
		echo "ok $name"
	else
		head -n 60 "$work/said"
		echo "not ok $name"
		failed=1
	fi
}

formatted()
{
	clang-format --dry-run --Werror "${sources[@]}"
}

# "FILE INCLUDED" for each quoted include; a .inc is made while building.
includes()
{
	sed -n 's/^#include "\(.*\)"$/\1/p;T;F' "${sources[@]}" | paste -d ' ' - - |
		awk '{print $2, $1}' | sed 's/^\.\///' | grep -v '\.inc$'
}

written_from_the_root()
{
	local file included rc=0

	while read -r file included; do
		[ -e "$included" ] && [[ $included == */* ]] && continue
		echo "$file: #include \"$included\": write the path from the root of the repository"
		rc=1
	done <"$work/includes"
	return "$rc"
}

# tsort names the members of a cycle; a file that includes itself is none to it.
acyclic()
{
	tsort <"$1" >"$work/sorted" 2>"$work/cycle" && return 0
	cat "$work/cycle"
	return 1
}

between_files()
{
	acyclic "$work/includes"
}

# A test may use what stands above it.
between_folders()
{
	grep -vE '^[^ ]*/(test|fuzz)_' "$work/includes" | sed 's|/[^/ ]* | |; s|/[^/]*$||' | awk '$1 != $2' | sort -u >"$work/folders"
	acyclic "$work/folders"
}

# Programs use lib/; lib/ uses nobody.
lib_stands_alone()
{
	! grep -E '^lib/[^ ]* (boot_handler|vm_watcher|os_installer|vmlab|docker)/' "$work/includes"
}

# Cppcheck knows neither cleanup attributes nor jansson's loops, and takes an address for a use; for
# these there are the compiler's warnings and the sanitizers.
# Tests and fuzz targets may crash without memory, and cmocka's asserts name their argument twice.
blind="resourceLeak memleak memleakOnRealloc uninitvar ctuuninitvar legacyUninitvar unknownMacro
normalCheckLevelMaxBranches internalAstError:boot_handler/documents/cloudinit_vendor.c
nullPointerOutOfMemory:*test_*.c ctunullpointerOutOfMemory:*test_*.c nullPointerOutOfResources:*test_*.c
nullPointerArithmeticOutOfMemory:*test_*.c deallocuse:*test_*.c nullPointerOutOfMemory:*fuzz_*.c"

checked()
{
	local suppressed=() id

	set -f
	for id in $blind; do
		suppressed+=("--suppress=$id")
	done
	cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
		-j "$(nproc)" -I. "${suppressed[@]}" "${sources[@]}"
}

includes >"$work/includes"
ask "C is formatted (make format)" formatted
ask "includes are written from the root" written_from_the_root
ask "no cycle of includes between files" between_files
ask "no cycle of includes between folders" between_folders
ask "lib/ includes nothing of the programs" lib_stands_alone
ask "shellcheck" shellcheck "${scripts[@]}"
ask "cppcheck" checked
exit $failed
