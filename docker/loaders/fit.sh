#!/bin/sh
# fit.sh ROOT DIR - DIR/ipxe-arm64.itb: DIR/ipxe-arm64.efi as a kernel for U-Boot's `pxe`, which starts no UEFI
# programs but passes a FIT on to `bootm`, and that knows them (U-Boot: doc/usage/fit/source_file_format.rst). Made by
# the dtc of the packages in ROOT.
set -eu

root=$1
dir=$2
# shellcheck source=docker/loaders/in-root.sh
. "$(dirname "$0")/in-root.sh"

mkdir "$root/fit"
cp "$dir/ipxe-arm64.efi" "$root/fit/"
# A kernel_noload stays where it is, so no board's addresses are in here. Its architecture is the one of 32 bits
# because of an arm64 kernel bootm wants Linux's header, whatever system it is of; the UEFI program says its own.
cat >"$root/fit/ipxe.its" <<SOURCE
/dts-v1/;
/ {
	description = "iPXE";
	timestamp = <$SOURCE_DATE_EPOCH>;
	#address-cells = <1>;
	images {
		ipxe {
			description = "iPXE";
			data = /incbin/("/fit/ipxe-arm64.efi");
			type = "kernel_noload";
			arch = "arm";
			os = "efi";
			compression = "none";
			load = <0>;
			entry = <0>;
		};
	};
	configurations {
		default = "ipxe";
		ipxe {
			kernel = "ipxe";
		};
	};
};
SOURCE
in_root dtc -q -I dts -O dtb -o /fit/ipxe.itb /fit/ipxe.its
mv "$root/fit/ipxe.itb" "$dir/ipxe-arm64.itb"
rm -r "$root/fit"
