#!/bin/bash
# run-vm.sh - runs one virtual machine on the lab's bridge, with its serial console on standard
# input and output. Ends when the guest powers off (status 0); a reboot goes on. SIGTERM presses the
# power button and, should the guest not be gone after VM_STOP_TIMEOUT, pulls the plug; an amd64 machine
# in its firmware, in iPXE or in the installer hears no button and loses power after 5 seconds.
#
# The machine is what the variables of lib/machine/vm_setting.c say; VM_NAME and VM_MAC are required.
#
# Needs /dev/net/tun and the capabilities NET_ADMIN, SETUID, SETGID, SETPCAP and CHOWN, for as long as it
# makes the machine's network ports and takes over /disks; for KVM, /dev/kvm. Then all of it goes on as
# machine.sh, as a user of its own with no capability left. Only /run and /disks are written to. /disks
# keeps disk<N>.qcow2 and the firmware's variables; a folder mounted at /run/console, the console's log and
# a FIFO for typing (lib/machine/console.h). The network is always first in the boot order: what
# to boot is the stack's decision.
set -euo pipefail
trap 'exit 0' TERM INT # process 1 is not ended by a signal it takes no notice of
export LC_ALL=C

lib=/usr/lib/vmlab
disks=/disks
user=65534

say()
{
	echo "run-vm: $*" >&2
}

die()
{
	say "cannot start ${VM_NAME:-the machine}: $*"
	exit 1
}

# ---- settings -----------------------------------------------------------------------------------

settings=$("$lib/qemu-command" settings) || exit 1
while IFS= read -r setting; do
	export "${setting?}"
done <<<"$settings"

# ---- network ------------------------------------------------------------------------------------

[[ -c /dev/net/tun ]] || die "/dev/net/tun is missing: run the container with --device /dev/net/tun"
for ((waited = 0; ; waited++)); do
	[[ ! -d /sys/class/net/$VM_BRIDGE/bridge ]] || break
	((waited < 120)) ||
		die "there is no bridge $VM_BRIDGE after 60 s: start the stack first, and join its" \
			"network with --network container:<stack>"
	((waited)) || say "waiting for the bridge $VM_BRIDGE"
	sleep 0.5
done
# Firmware gives up on a server that does not answer. Port 80 is the last that the stack opens.
for ((waited = 0; waited < 60; waited++)); do
	! grep -qE '^ *[0-9]+: [0-9A-F]+:0050 [0-9A-F]+:0000 0A ' /proc/net/tcp || break
	((waited)) || say "waiting for the stack to serve"
	sleep 0.5
done

# ---- without root -------------------------------------------------------------------------------

find "$disks" -maxdepth 1 ! -user "$user" -exec chown -h "$user:$user" {} + 2>/run/err ||
	die "$disks cannot be handed to user $user, as which QEMU runs ($(head -n 1 /run/err)): run the" \
		"container with --cap-add CHOWN, or give that user the folder"
mkdir -p /run/vm
chown "$user:$user" /run/vm
if [[ -d /run/console ]] && (($(stat -c %a /run/console) % 10 < 7)); then
	chown "$user:$user" /run/console 2>/run/err ||
		say "warning: /run/console cannot be handed to user $user ($(head -n 1 /run/err)): this console" \
			"is in this container's log and terminal only"
fi
groups=--clear-groups
if [[ -c /dev/kvm ]]; then
	mode=$(stat -c %a /dev/kvm)
	if ((8#$mode & 060)); then
		groups=--groups=$(stat -c %g /dev/kvm)
	elif ! ((8#$mode & 006)) && ! grep -q ' /dev/kvm ' /proc/self/mountinfo; then
		chown "$user" /dev/kvm || true # this container's own node: the host's stays as it is
	fi
fi
drop=(setpriv --reuid "$user" --regid "$user" "$groups" --inh-caps=-all --ambient-caps=-all
	--bounding-set=-all --no-new-privs)
"${drop[@]}" true 2>/run/err ||
	die "root cannot be given up ($(head -n 1 /run/err)): run the container with --cap-add SETUID" \
		"--cap-add SETGID --cap-add SETPCAP"
# shellcheck disable=SC2086 # VM_TAPS and VM_PORTS are words
exec "$lib/with-tap" $VM_TAPS -- "$lib/port.sh" "$VM_BRIDGE" $VM_PORTS -- \
	"${drop[@]}" "$lib/machine.sh"
