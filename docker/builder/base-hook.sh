#!/bin/sh
# base-hook.sh ROOT ARCH OTHER - last touches to the builder's root file system: the static libraries
# for both architectures, and a sysroot whose absolute links stay inside it.
set -eu

root=$1
arch=$2
other=$3

# A linker script or link in the sysroot that begins with / would lead to the builder's own files.
find "$root/sysroot/$other" -type l -lname '/*' | while read -r link; do
	ln -sfn "/sysroot/$other$(readlink "$link")" "$link"
done

for target in $arch $other; do
	chroot "$root" env SOURCES_CACHE=/tmp/sources sh /tmp/static-libs.sh "$target" \
		"/opt/static/$target"
done
rm -rf "$root/tmp/sources" "$root/tmp/static-libs.sh"
rm -rf "$root"/var/cache/apt/*.bin "$root"/var/log/*.log "$root"/var/log/apt
mkdir -p "$root/src"
