#!/bin/bash
# test_initrd.sh - the initrd started in a VM: kernel and modules of images/debian-13/amd64, /init of
# this tree, both bases. Finds disks on four buses, formats two of them, gets an address from a
# network card that is plugged in while it waits for one, and leaves a shell when the installer fails.
#
# QEMU is that of the container image vmlab_vm:latest, or $QEMU (a command), or this machine's when it
# is version 8 or newer. The Alpine base is tried when build/initrd/ has its tarball or
# $ALPINE_MINIROOTFS names it. Exit status 77: nothing could be tried.
set -u -o pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
image=$top/images/debian-13/amd64
logs=$top/build/test-logs
wait_s=${VMLAB_TEST_BOOT_SECONDS:-120}
mac=52:54:00:1d:00:01
failed=0
vm='' vm_in='' log=/dev/null

skip_all()
{
	echo "skipped: $*"
	exit 77
}

[ -f "$image/vmlinuz" ] || skip_all "images/debian-13/amd64 is missing; vmlab image build debian-13"
for tool in cpio zstd mmdebstrap; do
	command -v "$tool" >/dev/null || skip_all "$tool is not installed"
done

mkdir -p "$logs"
dir=$(mktemp -d)
end_vm()
{
	[ -z "$vm_in" ] || exec {vm_in}>&-
	[ -z "$vm" ] || { kill "$vm" 2>/dev/null && wait "$vm" 2>/dev/null; }
	vm='' vm_in=''
	[ ! -s "$dir/cid" ] || ${DOCKER:-docker} rm -f "$(cat "$dir/cid")" >/dev/null 2>&1
	rm -f "$dir/cid"
}
trap 'end_vm; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

# qemu ARGUMENT...: on stdio; sees $dir as it is here
if [ -n "${QEMU:-}" ]; then
	qemu() { exec $QEMU "$@"; }
elif ${DOCKER:-docker} image inspect vmlab_vm:latest >/dev/null 2>&1; then
	qemu()
	{
		exec ${DOCKER:-docker} run --rm -i --cidfile "$dir/cid" --network none \
			-v "$dir:$dir" --entrypoint qemu-system-x86_64 vmlab_vm:latest "$@"
	}
elif command -v qemu-system-x86_64 >/dev/null &&
	[ "$(qemu-system-x86_64 --version | sed -n '1s/.*version \([0-9]*\).*/\1/p')" -ge 8 ]; then
	qemu() { exec qemu-system-x86_64 "$@"; }
else
	skip_all "no QEMU 8 or newer: neither the container image vmlab_vm:latest nor on this machine"
fi

# ---- driving the VM ------------------------------------------------------------------------------

start() # title, initrd, kernel arguments, further QEMU arguments
{
	log=$logs/initrd-$1.console
	cat "$2" "$image/modules.cpio.zst" >"$dir/initrd"
	cp "$image/vmlinuz" "$dir/vmlinuz"
	for disk in 0 1 2 3; do
		rm -f "$dir/disk$disk"
		truncate -s 400M "$dir/disk$disk"
	done
	rm -f "$dir/in"
	mkfifo "$dir/in"
	qemu -accel tcg,thread=multi -cpu max,-svm -smp 2 -m 512 -nodefaults -display none \
		-no-reboot -serial mon:stdio -kernel "$dir/vmlinuz" -initrd "$dir/initrd" \
		-append "console=tty0 console=ttyS0,115200 panic=5 quiet BOOTIF=01-${mac//:/-} $3" \
		-drive "if=virtio,format=raw,file=$dir/disk0" \
		-drive "if=none,id=d1,format=raw,file=$dir/disk1" -device nvme,drive=d1,serial=n1 \
		-drive "if=none,id=d2,format=raw,file=$dir/disk2" -device virtio-scsi-pci \
		-device scsi-hd,drive=d2 \
		-drive "if=none,id=d3,format=raw,file=$dir/disk3" -device ahci,id=sata \
		-device ide-hd,drive=d3,bus=sata.0 \
		-netdev user,id=net "${@:4}" <"$dir/in" >"$log" 2>&1 &
	vm=$!
	exec {vm_in}>"$dir/in"
}

send()
{
	printf '%s\n' "$*" >&"$vm_in"
}

monitor()
{
	printf '\001c%s\n\001c' "$*" >&"$vm_in"
}

seen() # text: on the console before long?
{
	for ((i = 0; i < wait_s * 5; i++)); do
		grep -qaF -- "$1" "$log" && return 0
		kill -0 "$vm" 2>/dev/null || break
		sleep 0.2
	done
	grep -qaF -- "$1" "$log"
}

expect() # title, text
{
	if seen "$2"; then
		echo "ok $1"
	else
		tail -n 25 "$log"
		echo "not ok $1"
		failed=1
	fi
}

expect_end()
{
	for ((i = 0; i < 100; i++)); do
		kill -0 "$vm" 2>/dev/null || break
		sleep 0.2
	done
	if kill -0 "$vm" 2>/dev/null; then
		echo "not ok $1: reboot -f ends the machine"
		failed=1
	else
		echo "ok $1: reboot -f ends the machine"
	fi
	end_vm
}

# ---- the tests -------------------------------------------------------------------------------------

# shellcheck disable=SC2016 # expanded in the VM
printf '#!/bin/sh\necho "stub with $(cat /run/lease.*)"\nexit 3\n' >"$dir/installer"
build()
{
	"$top/initrd/build.sh" --arch amd64 --installer "$dir/installer" --base "$1" \
		--out "$dir/initrd-$2.zst"
}

shell_mode() # base
{
	start "$1-shell" "$dir/initrd-$1.zst" initrd.mode=shell
	expect "$1: a shell, as asked for" "a shell, as asked for"
	send 'ls /sys/block | tr "\n" " "; echo "disks:" end'
	for disk in vda nvme0n1 sda sdb; do
		expect "$1: disk $disk" "$disk"
	done
	send 'mkfs.ext4 -q /dev/vda && mkdir /a && mount -t ext4 /dev/vda /a && echo "ext4" mounted'
	expect "$1: mkfs.ext4 and mount" "ext4 mounted"
	send 'mkfs.vfat -F 32 /dev/nvme0n1 && mkdir /b && mount -t vfat /dev/nvme0n1 /b && echo "vfat" mounted'
	expect "$1: mkfs.vfat and mount" "vfat mounted"
	send 'mkfs.xfs -q /dev/sda && mkdir /c && mount -t xfs /dev/sda /c && echo "xfs" mounted'
	expect "$1: mkfs.xfs and mount" "xfs mounted"
	send 'mkfs.btrfs -q /dev/sdb && mkdir /d && mount -t btrfs /dev/sdb /d && echo "btrfs" mounted'
	expect "$1: mkfs.btrfs and mount" "btrfs mounted"
	send 'sleep 100 & jobs; kill %1; tty; echo "job" control'
	expect "$1: the shell has a terminal" "/dev/ttyS0"
	expect "$1: waits calmly for the card iPXE used" "waiting for a network card with the address $mac"
	monitor "device_add virtio-net-pci,netdev=net,mac=$mac,romfile="
	expect "$1: a network card plugged in late gets its driver and an address" "eth0 has 10.0.2.15/24"
	send 'reboot -f'
	expect_end "$1"
}

build debian debian || { echo "not ok the initrd builds"; exit 1; }
shell_mode debian

start debian-install "$dir/initrd-debian.zst" initrd.mode=install \
	-device "virtio-net-pci,netdev=net,mac=$mac,romfile="
expect "os-installer runs with the network up" "stub with 10.0.2.15/24"
expect "its failure is said" "os-installer stopped (status 3)"
send 'echo "still" alive'
expect "and a shell is left" "still alive"
send 'reboot -f'
expect_end "after a failed installer"

# shellcheck disable=SC2012
alpine=${ALPINE_MINIROOTFS:-$(ls "$top"/build/initrd/alpine-minirootfs-*-x86_64.tar.gz 2>/dev/null | tail -n 1)}
if [ -z "$alpine" ]; then
	echo "skip alpine base: its minirootfs is not in build/initrd/ and could not be downloaded"
elif build "$alpine" alpine; then
	shell_mode alpine
else
	echo "not ok the initrd builds on Alpine's minirootfs"
	failed=1
fi
exit $failed
