#!/bin/sh
# base-hook.sh ROOT TARGET - last touches to the root file system of a builder: the static libraries for
# TARGET, and where TARGET has a sysroot, one whose absolute links stay inside it.
set -eu

root=$1
target=$2

# A linker script or link in the sysroot that begins with / would lead to the builder's own files.
if [ -d "$root/sysroot/$target" ]; then
	find "$root/sysroot/$target" -type l -lname '/*' | while read -r link; do
		ln -sfn "/sysroot/$target$(readlink "$link")" "$link"
	done
fi

chroot "$root" sh /tmp/static-libs.sh "$target" "/opt/static/$target"
rm -rf "$root/tmp/static-libs.sh"
rm -rf "$root"/var/cache/apt/*.bin "$root"/var/log/*.log "$root"/var/log/apt
mkdir -p "$root/src"
