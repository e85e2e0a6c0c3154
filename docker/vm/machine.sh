#!/bin/bash
# machine.sh - makes a machine's files and starts QEMU, as qemu-command says, and watches it until the
# machine powers off. Runs without root and capabilities, with the settings that run-vm.sh has exported; the
# machine's taps are descriptor 3 and, with two cards, 4.
# shellcheck disable=SC2153 # the settings are run-vm.sh's
set -euo pipefail

firmware_dir=/usr/share/vmlab/firmware
disks=/disks
run=/run/vm
monitor=$run/monitor.sock
qmp=$run/qmp.sock
# The tap's counters are the machine's: what it sent.
tap=${VM_TAPS%% *}

# Process 1 of a container is not ended by a signal it takes no notice of.
trap 'exit 0' TERM INT

say()
{
	echo "run-vm: $*" >&2
}

die()
{
	say "cannot start ${VM_NAME:-the machine}: $*"
	exit 1
}

# ---- its console, where others have it too: lib/machine/console.h -----------------------------------

log=/run/console/log keys=/run/console/keys
share_console()
{
	rm -f "$keys.in" "$keys.out" && mkfifo "$keys.in" && chmod 0666 "$keys.in" && ln -s /dev/null "$keys.out"
}

if [[ -d /run/console ]]; then
	share_console 2>"$run/err" ||
		say "warning: this console is in this container's log and terminal only: /run/console cannot be" \
			"written to ($(head -n 1 "$run/err"))"
fi

# What is started, for the log; program and arguments.
/usr/lib/vmlab/qemu-command start >"$run/command" || exit 1
mapfile -d '' -t command <"$run/command"

# ---- its files ----------------------------------------------------------------------------------

if [[ $VM_FIRMWARE == uefi ]]; then
	vars=$disks/$VM_FLASH-vars.fd
	[[ -s $vars ]] || { cp "$firmware_dir/$VM_FLASH-vars.fd" "$vars.new" && mv "$vars.new" "$vars"; } ||
		die "$disks cannot be written: mount a volume there"
	if ((VM_FLASH_BYTES)); then
		cp "$firmware_dir/$VM_FLASH-code.fd" "$run/code.fd"
		truncate -s "$VM_FLASH_BYTES" "$run/code.fd" "$vars"
	fi
fi

# grow N FILE BYTES - a disk that is to be larger becomes so; one that is to be smaller stays.
grow()
{
	local have
	have=$(qemu-img info -f qcow2 "$2" 2>"$run/err" |
		sed -n 's/^virtual size: .*(\([0-9]*\) bytes)$/\1/p') ||
		have=
	[[ -n $have ]] || die "disk $1 cannot be read ($(<"$run/err"))"
	if ((have < $3)); then
		qemu-img resize -q -f qcow2 "$2" "$3" 2>"$run/err" ||
			die "disk $1 cannot be made larger ($(<"$run/err")): mount a volume with room there"
		say "disk $1 has grown from $have to $3 bytes"
	elif ((have > $3)); then
		say "disk $1 stays at $have bytes: it cannot be made smaller under what is on it"
	fi
}

n=0
for size in $VM_DISKS_BYTES; do
	file=$disks/disk$n.qcow2
	if [[ ! -e $file ]]; then
		qemu-img create -q -f qcow2 -o lazy_refcounts=off "$file.new" "$size" 2>"$run/err" ||
			die "disk $n cannot be made in $disks ($(<"$run/err")): mount a volume with room there"
		mv "$file.new" "$file"
	else
		grow "$n" "$file" "$size"
	fi
	n=$((n + 1))
done
[[ $VM_DISK_FILTER != log ]] || ((n == 0)) || : >"$disks/disk0.log"

# ---- run ----------------------------------------------------------------------------------------

rm -f "$monitor" "$qmp"
say "starting ${command[0]}"

hmp()
{
	echo "$1" | socat -t 0.3 - "UNIX-CONNECT:$monitor" 2>/dev/null || true
}

# The machine's ACPI PM1 enable register, as the guest set it. 0 while no system runs: firmware, iPXE and
# loaders enable nothing; Linux does within its first seconds. All ones come from a port where nothing is yet:
# the firmware puts the register there. Fails when it cannot be read.
pm1_enable()
{
	local value
	value=$(hmp "i /hx $VM_PM1_PORT" | sed -n 's/.*portw.* = \(0x[0-9a-f]*\).*/\1/p')
	[[ -n $value ]] && echo $((value == 0xffff ? 0 : value))
}

# True when the guest has asked to be told of the power button (PWRBTN_EN). The button of an arm64
# machine is a GPIO line that cannot be looked at from here: taken for heard.
# shellcheck disable=SC2317 # called by the trap
button_heard()
{
	local value
	[[ -n $VM_PM1_PORT ]] || return 0
	value=$(pm1_enable) && ((value & 0x100))
}

# Resets a machine that is stuck before any system. iPXE, waiting for its orders, asks every few
# seconds and so is never silent.
rescue()
{
	local sent last=-1 since=$SECONDS enabled
	while sleep 5; do
		sent=$(<"/sys/class/net/$tap/statistics/rx_packets") || return 0
		enabled=$(pm1_enable) || enabled=1
		if ((sent != last || enabled)); then
			last=$sent since=$SECONDS
		elif ((SECONDS - since >= VM_STUCK_TIMEOUT)); then
			say "$VM_NAME runs no system and has been silent for $VM_STUCK_TIMEOUT s: resetting it"
			hmp system_reset >/dev/null
			since=$SECONDS
		fi
	done
}

# Presses the button and waits for the guest to end. A guest that does not listen gets DEAF_TIMEOUT
# seconds, as it may be about to; one that does, VM_STOP_TIMEOUT. Then the plug is pulled.
DEAF_TIMEOUT=5
# shellcheck disable=SC2317 # called by the trap
stop()
{
	trap '' TERM INT
	[[ -n $pid ]] || exit 0
	stopping=1
	local since=$SECONDS heard=0 pressed=-10
	while kill -0 "$pid" 2>/dev/null; do
		if ((SECONDS - since >= VM_STOP_TIMEOUT)); then
			say "$VM_NAME is still running after $VM_STOP_TIMEOUT s: pulling the plug"
			break
		elif ((SECONDS - pressed < 10)); then
			sleep 0.1
		elif button_heard; then
			((heard)) || say "$VM_NAME: pressing the power button"
			hmp system_powerdown >/dev/null
			heard=1 pressed=$SECONDS
		elif ((!heard && SECONDS - since >= DEAF_TIMEOUT)); then
			say "$VM_NAME runs no system that hears the power button: pulling the plug"
			break
		fi
	done
	hmp quit >/dev/null
	for ((since = SECONDS; SECONDS - since < 5; )); do
		kill -0 "$pid" 2>/dev/null || return 0
		sleep 0.05
	done
	kill "$pid" 2>/dev/null || true
}
# Keeps the console's log from filling the disk: of what was printed before the last MiB the blocks are
# given back, and places in it stay what they were. Where the file system cannot, it begins anew.
KEPT=$((1 << 20)) LOG_MAX=$((1 << 40))
bound_log()
{
	local size freed=0
	while sleep 5; do
		size=$(stat -c %s "$log" 2>/dev/null) || size=0
		((size >= freed)) || freed=0
		if ((size > LOG_MAX)); then
			: >"$log"
		elif ((size - freed > 2 * KEPT)); then
			freed=$(((size - KEPT) & -65536))
			fallocate -p -o 0 -l "$freed" "$log" 2>/dev/null || : >"$log"
		fi
	done
}

pid=
stopping=0
trap stop TERM INT
"${command[@]:1}" <&0 &
pid=$!
if [[ -p $keys.in ]]; then
	bound_log </dev/null &
	bounder=$!
fi
if [[ -n $VM_PM1_PORT ]] && ((VM_STUCK_TIMEOUT)); then
	rescue </dev/null &
	rescuer=$!
fi

status=0
wait "$pid" || status=$?
# The signal ends the first wait; the second one has QEMU's own status.
if ((stopping)); then
	status=0
	wait "$pid" || status=$?
fi
[[ -z ${rescuer-} ]] || kill "$rescuer" 2>/dev/null || true
[[ -z ${bounder-} ]] || kill "$bounder" 2>/dev/null || true
((status)) || say "$VM_NAME powered off"
exit "$status"
