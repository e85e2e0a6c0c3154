#!/bin/bash
# run-vm.sh - runs one virtual machine on the lab's bridge, with its serial console on standard
# input and output. Ends when the guest powers off (status 0); a reboot goes on. SIGTERM presses the
# power button and, should the guest not be gone after VM_STOP_TIMEOUT, pulls the plug; an amd64 machine
# in its firmware, in iPXE or in the installer hears no button and loses power after 5 seconds.
#
#   VM_NAME           required; names the tap interface and the QEMU process
#   VM_MAC            required; 52:54:00:aa:bb:cc
#   VM_ARCH           amd64 (default) | arm64
#   VM_CPUS           1
#   VM_MEMORY_MIB     2048
#   VM_DISKS_BYTES    sizes of the disks, separated by spaces; made once in /disks
#   VM_DISK_BUS       virtio (default) | scsi | sata | nvme
#   VM_FIRMWARE       uefi (default) | bios (amd64 only)
#   VM_UUID VM_SERIAL SMBIOS identity
#   VM_ACCEL          auto (default) | kvm | tcg
#   VM_BRIDGE         lab0
#   VM_NICS           1 (default) | 2: a second card on the same bridge, which boots nothing
#   VM_CLOCK          what its clock starts at, such as 1970-01-01T00:00:00; now
#   VM_DISK_FILTER    for tests, on the first disk: log (its writes and flushes go to /disks/disk0.log
#                     as well, in the format of dm-log-writes) | a file with rules for QEMU's blkdebug
#   VM_NIC_ROM        firmware (default: the firmware's own PXE) | ipxe (QEMU's option ROM, which a
#                     BIOS gets in any case, as it has no PXE of its own)
#   VM_STOP_TIMEOUT   60 seconds
#   VM_STUCK_TIMEOUT  120 seconds; an amd64 machine that runs no system and has sent nothing for so
#                     long (firmware that gave up on the network ends in a shell) is reset; 0: never
#
# Needs NET_ADMIN, /dev/net/tun and, for KVM, /dev/kvm. /disks keeps disk<N>.qcow2 and the firmware's
# variables. The network is always first in the boot order: what to boot is the stack's decision.
# shellcheck disable=SC2054,SC2100 # commas inside QEMU's options are no separators; names no sums
set -euo pipefail
export LC_ALL=C

firmware_dir=/usr/share/vmlab/firmware
disks=/disks
monitor=/run/qemu-monitor.sock
qmp=/run/qemu-qmp.sock

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

# setting NAME DEFAULT PATTERN EXAMPLE - the variable, or its default; dies unless it matches.
setting()
{
	local value=${!1:-$2}
	[[ $value =~ ^($3)$ ]] || die "$1='$value' is not valid: give $4"
	printf -v "$1" %s "$value"
}

setting VM_NAME '' '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?' "a name such as web1"
setting VM_MAC '' '([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}' "an address such as 52:54:00:00:00:01"
setting VM_ARCH amd64 'amd64|arm64' "amd64 or arm64"
setting VM_CPUS 1 '[1-9][0-9]{0,2}' "a number of CPUs"
setting VM_MEMORY_MIB 2048 '[1-9][0-9]{1,6}' "a number of MiB"
setting VM_DISKS_BYTES '' '([1-9][0-9]{5,18}( +[1-9][0-9]{5,18})*)?' "sizes in bytes"
setting VM_DISK_BUS virtio 'virtio|scsi|sata|nvme' "virtio, scsi, sata or nvme"
setting VM_FIRMWARE uefi 'uefi|bios' "uefi or bios"
setting VM_UUID '' '([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})?' "a UUID"
setting VM_SERIAL '' '([[:graph:]]([[:print:]]{0,62}[[:graph:]])?)?' \
	"at most 64 printable ASCII characters with no blank at either end"
setting VM_ACCEL auto 'auto|kvm|tcg' "auto, kvm or tcg"
setting VM_BRIDGE lab0 '[A-Za-z0-9][A-Za-z0-9_.-]{0,14}' "an interface name"
setting VM_NICS 1 '[12]' "1 or 2"
setting VM_CLOCK '' '([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})?' "a date and time"
setting VM_DISK_FILTER '' 'log|/[A-Za-z0-9/._-]+|' "log or a file's path"
setting VM_NIC_ROM firmware 'firmware|ipxe' "firmware or ipxe"
setting VM_STOP_TIMEOUT 60 '[0-9]{1,4}' "a number of seconds"
setting VM_STUCK_TIMEOUT 120 '[0-9]{1,5}' "a number of seconds"
[[ $VM_ARCH$VM_FIRMWARE != arm64bios ]] || die "arm64 machines have no BIOS: set VM_FIRMWARE=uefi"

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
tap=tap$(tr -d : <<<"${VM_MAC,,}") # 15 characters: as many as there may be
# Firmware gives up on a server that does not answer. Port 80 is the last that the stack opens.
for ((waited = 0; waited < 60; waited++)); do
	! grep -qE '^ *[0-9]+: [0-9A-F]+:0050 [0-9A-F]+:0000 0A ' /proc/net/tcp || break
	((waited)) || say "waiting for the stack to serve"
	sleep 0.5
done
mtu=$(<"/sys/class/net/$VM_BRIDGE/mtu")
ip link del "$tap" 2>/dev/null || true
ip tuntap add dev "$tap" mode tap 2>/run/err ||
	die "no tap interface can be made ($(</run/err)): run the container with --cap-add NET_ADMIN"
ip link set "$tap" mtu "$mtu" master "$VM_BRIDGE" up

# ---- the machine --------------------------------------------------------------------------------

q=(-name "$VM_NAME,process=vm-$VM_NAME" -nodefaults -no-user-config -display none
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
		cp "$code" /run/code.fd
		code=/run/code.fd
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
	second=tap2${tap:3:10} # a locally administered address of its own
	ip link del "$second" 2>/dev/null || true
	ip tuntap add dev "$second" mode tap
	ip link set "$second" mtu "$mtu" master "$VM_BRIDGE" up
	q+=(-netdev "tap,id=second,ifname=$second,script=no,downscript=no"
		-device "virtio-net-pci,netdev=second,mac=56${VM_MAC:2},romfile=")
fi
nic=virtio-net-pci,netdev=lab,mac=$VM_MAC,bootindex=1,host_mtu=$mtu
[[ $VM_NIC_ROM == ipxe || $VM_FIRMWARE == bios ]] || nic+=,romfile=
q+=(-netdev "tap,id=lab,ifname=$tap,script=no,downscript=no" -device "$nic")
[[ -z $VM_CLOCK ]] || q+=(-rtc "base=$VM_CLOCK")
q+=(-object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng)

case $VM_DISK_BUS in
scsi) q+=(-device virtio-scsi-pci,id=scsi) ;;
sata) [[ $VM_ARCH == amd64 ]] || q+=(-device ich9-ahci,id=ide) ;;
esac
n=0
for size in $VM_DISKS_BYTES; do
	file=$disks/disk$n.qcow2
	if [[ ! -e $file ]]; then
		qemu-img create -q -f qcow2 -o lazy_refcounts=off "$file.new" "$size" 2>/run/err ||
			die "disk $n cannot be made in $disks ($(</run/err)): mount a volume with room there"
		mv "$file.new" "$file"
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
"$qemu" "${q[@]}" <&0 &
pid=$!

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
stopping=0
if [[ $VM_ARCH == amd64 ]] && ((VM_STUCK_TIMEOUT)); then
	rescue </dev/null &
	rescuer=$!
fi
trap stop TERM INT

status=0
wait "$pid" || status=$?
# The signal ends the first wait; the second one has QEMU's own status.
if ((stopping)); then
	status=0
	wait "$pid" || status=$?
fi
[[ -z ${rescuer-} ]] || kill "$rescuer" 2>/dev/null || true
ip link del "$tap" 2>/dev/null || true
((VM_NICS == 1)) || ip link del "$second" 2>/dev/null || true
((status)) || say "$VM_NAME powered off"
exit "$status"
