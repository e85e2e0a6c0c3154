#!/bin/sh
# binfmt.sh ARCH - makes this machine's kernel run programs of ARCH through QEMU's user mode emulation.
# Does nothing when they run already. Needs root and qemu-user-static (or qemu-user-binfmt) otherwise.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/docker/arch.sh"
registry=/proc/sys/fs/binfmt_misc

die()
{
	echo "binfmt.sh: $*" >&2
	exit 1
}

[ $# -eq 1 ] || die "usage: docker/binfmt.sh ARCH"
arch_row "$1" || die "architecture '$1' is not supported: use one of $arch_names"
[ "$(uname -m)" != "$arch_machine" ] || exit 0

# The F flag opens the interpreter once, now, so that it also works inside containers and chroots.
if grep -qs '^enabled' "$registry/qemu-$arch_machine"; then
	grep -q '^flags:.*F' "$registry/qemu-$arch_machine" ||
		die "programs for $1 are registered without the F flag and will not run in containers:" \
			"as root, 'echo -1 >$registry/qemu-$arch_machine', then run this again"
	exit 0
fi

[ "$(id -u)" = 0 ] || die "programs for $1 do not run on this machine: run 'sudo $0 $1' once"
if [ ! -e "$registry/register" ]; then
	mount -t binfmt_misc binfmt_misc "$registry" 2>/dev/null || modprobe binfmt_misc 2>/dev/null ||
		true
	[ -e "$registry/register" ] || mount -t binfmt_misc binfmt_misc "$registry" 2>/dev/null ||
		die "the kernel offers no binfmt_misc, which running $1 programs needs: build on an $1" \
			"machine, or load the module binfmt_misc"
fi
rule=
for file in "/usr/lib/binfmt.d/qemu-$arch_machine.conf" "/etc/binfmt.d/qemu-$arch_machine.conf"; do
	[ ! -s "$file" ] || rule=$(grep -v '^#' "$file")
done
[ -n "$rule" ] ||
	die "QEMU's user mode emulation for $1 is not installed: apt-get install qemu-user-static"
interpreter=$(echo "$rule" | cut -d: -f7)
[ -x "$interpreter" ] || die "$interpreter, which runs $1 programs, is missing: apt-get install" \
	"qemu-user-static"
# Fields: name, type, offset, magic, mask, interpreter, flags.
flags=$(echo "$rule" | cut -d: -f8)
case $flags in
*F*) ;;
*) rule=${rule}F ;;
esac
printf '%s\n' "$rule" >"$registry/register" 2>/dev/null ||
	[ -e "$registry/qemu-$arch_machine" ] || die "the kernel refused to register $interpreter for $1 programs"
echo "binfmt.sh: programs for $1 now run through $interpreter" >&2
