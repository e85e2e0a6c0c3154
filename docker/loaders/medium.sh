#!/bin/sh
# medium.sh ROOT DIR SCRIPT - DIR/vmlab-ipxe.iso and .img, a CD and a stick for machines that do not boot from the
# network by themselves: iPXE and SCRIPT for a BIOS and for UEFI on x86-64 and arm64. Made of the loaders in DIR by
# the programs of the packages in ROOT, which run there.
set -eu

root=$1
dir=$2
script=$3
work=$root/medium
# shellcheck source=docker/loaders/in-root.sh
. "$(dirname "$0")/in-root.sh"

# make KIND OUT DRIVE [XORRISO-OPTION...] - DRIVE is a BIOS's number of the disk where the machine is booted from this.
make()
{
	kind=$1 out=$2 drive=$3
	shift 3
	mkdir -p "$work/tree/isolinux"
	cp "$dir/ipxe-x86_64.efi" "$work/BOOTX64.EFI"
	cp "$dir/ipxe-arm64.efi" "$work/BOOTAA64.EFI"
	{
		cat <<-HEAD
			#!ipxe
			# From a $kind: the disk is another drive to a BIOS than else, and to UEFI what it boots next.
			iseq \${platform} pcbios && set medium-disk $drive || set medium-disk next
		HEAD
		sed 1d "$script"
	} >"$work/autoexec.ipxe"

	# UEFI: iPXE reads autoexec.ipxe from the file system it was started from.
	kib=$(($(cat "$work"/BOOT*.EFI | wc -c) / 1024 + 512))
	in_root mformat -i /medium/tree/efi.img -C -T $((kib * 2)) -h 16 -s 63 -N 564d4c42 -v VMLAB ::
	in_root mmd -i /medium/tree/efi.img ::/EFI ::/EFI/BOOT
	in_root mcopy -m -i /medium/tree/efi.img /medium/BOOTX64.EFI /medium/BOOTAA64.EFI ::/EFI/BOOT
	in_root mcopy -m -i /medium/tree/efi.img /medium/autoexec.ipxe ::/

	# BIOS: isolinux gives it to iPXE as an initrd.
	cp "$root/usr/lib/ISOLINUX/isolinux.bin" "$root/usr/lib/syslinux/modules/bios/ldlinux.c32" "$dir/ipxe.lkrn" \
		"$work/autoexec.ipxe" "$work/tree/isolinux/"
	cat >"$work/tree/isolinux/isolinux.cfg" <<-'CONFIG'
		DEFAULT ipxe
		PROMPT 0
		LABEL ipxe
		  KERNEL ipxe.lkrn
		  INITRD autoexec.ipxe
	CONFIG

	find "$work" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	in_root xorriso -as mkisofs -o /medium/out -V VMLAB_IPXE -J -R -b isolinux/isolinux.bin -c isolinux/boot.cat \
		-no-emul-boot -boot-load-size 4 -boot-info-table -eltorito-alt-boot -e efi.img -no-emul-boot "$@" \
		/medium/tree >"$root/medium.log" 2>&1 || {
		cat "$root/medium.log" >&2
		exit 1
	}
	mv "$work/out" "$dir/$out"
	rm -rf "$work"
}

export MTOOLS_SKIP_CHECK=1
make CD vmlab-ipxe.iso 0x80
# The first drive of a BIOS is the stick itself.
make stick vmlab-ipxe.img 0x81 -isohybrid-mbr /usr/lib/ISOLINUX/isohdpfx.bin -isohybrid-gpt-basdat
