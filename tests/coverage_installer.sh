#!/bin/sh
# coverage_installer.sh PROGRAM SOURCE - the installer's tests on loop devices with PROGRAM, compiled in
# SOURCE with VARIANT=coverage: what they reach counts beside what the unit tests reach. Where they
# cannot run, says so and why, and succeeds.
set -eu

top=$(dirname "$(dirname "$(realpath "$0")")")
log=$top/build/coverage-installer.log

export OS_INSTALLER="$top/$1" GCOV_PREFIX="$top"
GCOV_PREFIX_STRIP=$(echo "$2" | tr -cd / | wc -c)
export GCOV_PREFIX_STRIP

"$top/tests/main.py" installer >"$log" 2>&1 || true
case $(tail -n 1 "$log") in
"0 passed, 0 failed, "*)
	echo "unit tests alone are counted: the installer's cannot run here: $(sed -n '/^skipped:/{n;s/^ *[^:]*: [^:]*: //p;}' "$log")"
	;;
*" passed, 0 failed, "*) ;;
*)
	cat "$log"
	exit 1
	;;
esac
