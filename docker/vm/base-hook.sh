#!/bin/sh
# base-hook.sh ROOT ARCH - last touches to the VM image's root file system: QEMU for x86-64 and arm64
# machines with their firmware; every other machine, firmware and tool of those packages goes.
set -eu

root=$1
cd "$root"

mkdir -p disks usr/share/vmlab/firmware
# Arm's flash images are 64 MiB of mostly nothing; run-vm.sh pads these to size.
cp usr/share/OVMF/OVMF_CODE_4M.fd usr/share/vmlab/firmware/amd64-code.fd
cp usr/share/OVMF/OVMF_VARS_4M.fd usr/share/vmlab/firmware/amd64-vars.fd
# With Secure Boot: Microsoft's keys are in it, and it is on.
cp usr/share/OVMF/OVMF_CODE_4M.ms.fd usr/share/vmlab/firmware/amd64-secure-code.fd
cp usr/share/OVMF/OVMF_VARS_4M.ms.fd usr/share/vmlab/firmware/amd64-secure-vars.fd
cp usr/share/qemu-efi-aarch64/QEMU_EFI.fd usr/share/vmlab/firmware/arm64-code.fd
head -c 786432 usr/share/AAVMF/AAVMF_VARS.fd >usr/share/vmlab/firmware/arm64-vars.fd
truncate -s 64M tmp/vars.fd
cp usr/share/vmlab/firmware/arm64-vars.fd tmp/vars.fd
truncate -s 64M tmp/vars.fd
cmp tmp/vars.fd usr/share/AAVMF/AAVMF_VARS.fd || {
	echo "base-hook.sh: AAVMF_VARS.fd holds more than its first 768 KiB" >&2
	exit 1
}
rm tmp/vars.fd

rm -rf usr/share/OVMF usr/share/AAVMF usr/share/ovmf usr/share/qemu-efi-aarch64
rm -f usr/bin/qemu-system-i386 usr/bin/qemu-system-x86_64-microvm usr/bin/qemu-system-arm \
	usr/bin/qemu-nbd usr/bin/qemu-io usr/bin/qemu-storage-daemon usr/bin/qemu-pr-helper \
	usr/bin/qemu-vmsr-helper usr/lib/qemu/qemu-bridge-helper
(
	cd usr/share/qemu
	rm -rf firmware keymaps/[!e]* ./*.dtb openbios-* QEMU,* hppa-* skiboot.lid slof.bin \
		s390-* u-boot* vof.bin palcode-clipper npcm* opensbi-* trace-events-all \
		linux-user-vdso.tar.gz
)
rm -rf usr/lib/*-linux-gnu/qemu/audio-*.so usr/lib/*-linux-gnu/qemu/ui-*.so \
	usr/lib/*-linux-gnu/gconv usr/lib/*-linux-gnu/perl-base usr/share/perl5 usr/share/zoneinfo \
	var/lib/apt var/cache/* var/log/*.log var/log/apt var/lib/dpkg/info/*.md5sums \
	var/lib/dpkg/*-old etc/*- usr/share/debconf
rm -f usr/bin/perl usr/bin/perl5*
