#!/bin/bash
# machine.sh - QEMU, made from the settings that run-vm.sh has checked, until the machine powers off.
# Runs without root and capabilities; the machine's taps are descriptor 3 and, with two cards, 4.
# shellcheck disable=SC2054,SC2100,SC2153 # commas inside QEMU's options are no separators; names no
# sums; the settings are run-vm.sh's
set -euo pipefail

firmware_dir=/usr/share/vmlab/firmware
disks=/disks
run=/run/vm
monitor=$run/monitor.sock
qmp=$run/qmp.sock
# The tap's counters are the machine's: what it sent.
tap=tap$(tr -d : <<<"${VM_MAC,,}")

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

case $(uname -m) in
x86_64) host=amd64 ;;
aarch64) host=arm64 ;;
*) host=other ;;
esac

# ---- KVM or TCG ---------------------------------------------------------------------------------

# /dev/kvm alone proves nothing on x86: a nested one without vmx or svm hangs its guests.
why_not_kvm()
{
	if [[ $VM_ARCH != "$host" ]]; then
		echo "the machine is $VM_ARCH and this host is $host"
	elif [[ ! -e /dev/kvm ]]; then
		echo "there is no /dev/kvm in this container"
	elif [[ ! -r /dev/kvm || ! -w /dev/kvm ]]; then
		echo "/dev/kvm may not be opened"
	elif [[ $host == amd64 ]] && ! grep -qwE 'vmx|svm' /proc/cpuinfo; then
		echo "the CPU shows neither vmx nor svm"
	fi
}

obstacle=$(why_not_kvm)
case $VM_ACCEL in
auto) if [[ -z $obstacle ]]; then accel=kvm; else accel=tcg; fi ;;
kvm)
	[[ -e /dev/kvm && $VM_ARCH == "$host" ]] || die "VM_ACCEL=kvm, but $obstacle: use tcg or auto"
	accel=kvm
	;;
tcg) accel=tcg obstacle="VM_ACCEL=tcg" ;;
esac

# ---- the machine --------------------------------------------------------------------------------

q=(-name "$VM_NAME,process=vm-$VM_NAME" -nodefaults -no-user-config -display none
	-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
	-smp "$VM_CPUS" -m "$VM_MEMORY_MIB")

case $VM_ARCH-$accel in
amd64-kvm) machine=q35 cpu=host acceleration=kvm ;;
# Without svm the guest does not load kvm, which costs seconds of its boot.
amd64-tcg) machine=q35 cpu=max,-svm acceleration=tcg,thread=multi,tb-size=512 ;;
arm64-kvm) machine=virt,gic-version=max cpu=host acceleration=kvm ;;
# The firmware boots from the network only where the CPU has a random number instruction; pointer
# authentication in its full form is slow to emulate.
arm64-tcg) machine=virt,gic-version=max cpu=max,pauth-impdef=on acceleration=tcg,thread=multi,tb-size=512 ;;
esac
case $VM_ARCH in
amd64) qemu=qemu-system-x86_64 machine+=,vmport=off,smm=off ;;
arm64) qemu=qemu-system-aarch64 ;;
esac
[[ $VM_FIRMWARE == uefi ]] || machine+=,graphics=off # the BIOS then writes to the serial console
q+=(-machine "$machine" -cpu "$cpu" -accel "$acceleration")
[[ $VM_ARCH == arm64 ]] || q+=(-global ICH9-LPC.disable_s3=1)

if [[ $VM_FIRMWARE == uefi ]]; then
	code=$firmware_dir/$VM_ARCH-code.fd
	vars=$disks/$VM_ARCH-vars.fd
	[[ -s $vars ]] || { cp "$firmware_dir/$VM_ARCH-vars.fd" "$vars.new" && mv "$vars.new" "$vars"; } ||
		die "$disks cannot be written: mount a volume there"
	if [[ $VM_ARCH == arm64 ]]; then
		cp "$code" "$run/code.fd"
		code=$run/code.fd
		truncate -s 64M "$code" "$vars"
	fi
	q+=(-drive "if=pflash,format=raw,unit=0,readonly=on,file=$code"
		-drive "if=pflash,format=raw,unit=1,file=$vars"
		-fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=n)
fi
q+=(-boot "menu=off,splash-time=0")

smbios=type=1,manufacturer=vmlab,product=vm
[[ -z $VM_UUID ]] || { q+=(-uuid "$VM_UUID") && smbios+=,uuid=$VM_UUID; }
[[ -z $VM_SERIAL ]] || smbios+=,serial=${VM_SERIAL//,/,,} # a lone comma ends QEMU's value
q+=(-smbios "$smbios")

# The second card comes first, so that who takes the first card he finds takes the wrong one.
if ((VM_NICS == 2)); then
	q+=(-netdev tap,id=second,fd=4
		-device "virtio-net-pci,netdev=second,mac=56${VM_MAC:2},romfile=")
fi
mtu=$(<"/sys/class/net/$VM_BRIDGE/mtu")
nic=virtio-net-pci,netdev=lab,mac=$VM_MAC,bootindex=1,host_mtu=$mtu
[[ $VM_NIC_ROM == ipxe || $VM_FIRMWARE == bios ]] || nic+=,romfile=
q+=(-netdev tap,id=lab,fd=3 -device "$nic")
[[ -z $VM_CLOCK ]] || q+=(-rtc "base=$VM_CLOCK")
q+=(-object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng)

case $VM_DISK_BUS in
scsi) q+=(-device virtio-scsi-pci,id=scsi) ;;
sata) [[ $VM_ARCH == amd64 ]] || q+=(-device ich9-ahci,id=ide) ;;
esac
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
	id="VMLAB-$n"
	report=
	if ((n == 0)) && [[ -n $VM_DISK_FILTER ]]; then
		report=,rerror=report,werror=report
		q+=(-blockdev "driver=qcow2,node-name=plain,discard=unmap,file.driver=file,file.filename=$file")
		if [[ $VM_DISK_FILTER == log ]]; then
			: >"$disks/disk0.log"
			q+=(-blockdev "driver=blklogwrites,node-name=disk0,file=plain,log.driver=file,log.filename=$disks/disk0.log")
		else
			q+=(-blockdev "driver=blkdebug,node-name=disk0,image=plain,config=$VM_DISK_FILTER")
		fi
	else
		q+=(-drive "if=none,id=disk$n,file=$file,format=qcow2,cache=writeback,discard=unmap")
	fi
	case $VM_DISK_BUS in
	virtio) device=virtio-blk-pci,drive=disk$n,serial=$id ;;
	scsi) device=scsi-hd,bus=scsi.0,drive=disk$n,serial=$id,lun=$n ;;
	sata) device=ide-hd,bus=ide.$n,drive=disk$n,serial=$id ;;
	nvme) device=nvme,drive=disk$n,serial=$id ;;
	esac
	q+=(-device "$device$report,bootindex=$((n + 2))")
	n=$((n + 1))
done

q+=(-chardev stdio,id=console,signal=off -serial chardev:console
	-chardev "socket,id=monitor,path=$monitor,server=on,wait=off" -mon chardev=monitor
	-qmp "unix:$qmp,server=on,wait=off")

# ---- run ----------------------------------------------------------------------------------------

rm -f "$monitor" "$qmp"
say "starting $VM_NAME: $VM_ARCH $VM_FIRMWARE, $VM_CPUS CPUs, $VM_MEMORY_MIB MiB, $n disks," \
	"accel $accel${obstacle:+ ($obstacle)}"

hmp()
{
	echo "$1" | socat -t 0.3 - "UNIX-CONNECT:$monitor" 2>/dev/null || true
}

# The ACPI PM1 enable register of an amd64 machine, as the guest set it. 0 while no system runs:
# firmware, iPXE and loaders enable nothing; Linux does within its first seconds. Fails when it
# cannot be read.
pm1_enable()
{
	local value
	value=$(hmp 'i /hx 0x602' | sed -n 's/.*portw.* = \(0x[0-9a-f]*\).*/\1/p')
	[[ -n $value ]] && echo $((value))
}

# True when the guest has asked to be told of the power button (PWRBTN_EN). The button of an arm64
# machine is a GPIO line that cannot be looked at from here: taken for heard.
# shellcheck disable=SC2317 # called by the trap
button_heard()
{
	local value
	[[ $VM_ARCH == amd64 ]] || return 0
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
pid=
stopping=0
trap stop TERM INT
"$qemu" "${q[@]}" <&0 &
pid=$!
if [[ $VM_ARCH == amd64 ]] && ((VM_STUCK_TIMEOUT)); then
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
((status)) || say "$VM_NAME powered off"
exit "$status"
