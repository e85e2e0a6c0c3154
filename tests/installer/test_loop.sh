#!/bin/bash
# test_loop.sh - runs os-installer on a loop device with a small root file system made here:
# partitions, file systems, every kind of archive entry, configuration, failures that must leave the
# disk alone or unbootable. The firmware's boot menu is not touched.
#
# Prints "ok NAME", "not ok NAME: why", "skip NAME: why". Needs root and loop devices.
# OS_INSTALLER=PATH uses that program instead of the one built here.
# shellcheck disable=SC2317 # functions that result() calls
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$(dirname "$here")")
arch=$(dpkg --print-architecture)

skip_all()
{
	echo "skip installer on a loop device: $*"
	exit 77
}

[ "$(id -u)" = 0 ] || skip_all "needs root"
installer=${OS_INSTALLER-}
for path in "$top/build/$arch/release/os_installer/os-installer" \
	"$top/build/host/$arch/test/os_installer/os-installer"; do
	[ -n "$installer" ] || [ ! -x "$path" ] || installer=$path
done
[ -n "$installer" ] || skip_all "there is no os-installer: make -f build.mk static"
for tool in losetup mkfs.ext4 mkfs.vfat python3 zstd sfdisk blkid e2fsck tar; do
	command -v $tool >/dev/null || skip_all "$tool is not installed"
done

work=$(mktemp -d)
server=''
loop=''
cleanup()
{
	while mountpoint -q "$work/target"; do umount -R "$work/target" || break; done
	[ -z "$loop" ] || losetup -d "$loop"
	[ -z "$server" ] || kill "$server" 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

failed=0
result() # NAME, then a command that decides
{
	local name=$1
	shift
	if "$@" >"$work/why" 2>&1; then
		echo "ok $name"
	else
		echo "not ok $name: $(tail -n 3 "$work/why" | tr '\n' ' ')"
		failed=1
	fi
}

# ---- the image, and a server for it ------------------------------------------------------------

python3 "$here/loop_server.py" "$work" &
server=$!
for _ in $(seq 100); do
	[ ! -s "$work/port" ] || break
	sleep 0.1
done
port=$(cat "$work/port")
python3 "$here/loop_image.py" "$work" "$port" "$arch" || skip_all "the test's own image could not be made"

# ---- running it ----------------------------------------------------------------------------------

disk_new() # SIZE: a fresh disk with something old on it
{
	[ -z "$loop" ] || losetup -d "$loop"
	loop=''
	rm -f "$work/disk"
	truncate -s "$1" "$work/disk"
	mkfs.ext4 -q -F "$work/disk"
	loop=$(losetup -fP --show "$work/disk") || skip_all "no loop device can be had"
}

run() # FAULT, further options
{
	local fault=$1
	shift
	: >"$work/reports"
	timeout 200 "$installer" --config-url "http://127.0.0.1:$port/config/$fault" --disk "$loop" \
		--directory "$work/target" --no-nvram --no-reboot "$@" >"$work/log" 2>&1
	status=$?
	sleep 0.3 # the last report of a success is not waited for
}

says() # FILE TEXT...
{
	local file=$1
	shift
	for text in "$@"; do
		grep -qF -- "$text" "$file" || { echo "\"$text\" is not in ${file##*/}:"; tail -n 2 "$file"; return 1; }
	done
}

# What has to be equal between the two trees, one line for each entry. Left out: what configuration
# changes, and the times of directories, which GNU tar itself does not always restore.
listing()
{
	(
		cd "$1" || exit 1
		find . -xdev \( -path ./lost+found -o -path './dev/*' -o -path ./opt/out -o -path './etc*' \
			-o -path './var/lib*' -o -path './boot*' -o -path './tmp*' \) -prune -o \
			-type d -printf '%p %y %m %U %G\n' -o -printf '%p %y %m %U %G %n %T@ %l\n' | sort
		find . -xdev -type f -path './opt/*' -exec sha256sum {} + | sort -k 2
		python3 - <<'PY'
import os
for d, _, files in sorted(os.walk(".")):
    for f in sorted(files):
        p = os.path.join(d, f)
        for a in sorted(os.listxattr(p, follow_symlinks=False)) if not os.path.islink(p) else []:
            print(p, a, os.getxattr(p, a).hex())
PY
	)
}

mount_root() { mkdir -p "$work/target" && mount -o ro "${loop}p2" "$work/target"; }

disk_new 3G
run good --until configure
result "installs up to the boot loader" test $status = 0
if [ $status != 0 ]; then
	tail -n 5 "$work/log"
	exit 1
fi
result "reports each phase" says "$work/reports" '"phase":"network","status":"done"' \
	'"phase":"rootfs","status":"running"' '"phase":"configure","status":"done"'
table=$(sfdisk -d "$loop")
check_table()
{
	echo "$table"
	echo "$table" | grep -q '^label: gpt' &&
		echo "$table" | grep -q 'start= *2048, size= *1048576, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B' &&
		echo "$table" | grep -q 'start= *1050624,.*type=0FC63DAF-8483-4772-8E79-3D69D8477DE4'
}
result "partitions: GPT, ESP of 512 MiB, root behind it" check_table
result "the old file system's signature is gone" bash -c "! blkid -p -o export '$loop' | grep -q TYPE=ext4"
check_fs()
{
	[ "$(blkid -p -s TYPE -o value "${loop}p1")" = vfat ] && e2fsck -fn "${loop}p2"
}
result "both file systems are sound" check_fs

mount_root
mkdir "$work/reference"
tar -C "$work/reference" -xpf "$work/rootfs.tar" --numeric-owner --xattrs --xattrs-include='*' \
	--exclude='*hostile*' --exclude='./dev/*' --exclude='*through-link' --exclude='*dotdot' \
	--exclude='*absolute' 2>/dev/null
listing "$work/reference" >"$work/expected"
listing "$work/target" >"$work/got"
result "the tree is what GNU tar makes" diff "$work/expected" "$work/got"
result "...with all there is to compare" test "$(wc -l <"$work/expected")" -gt 90
result "no device nodes" bash -c "[ -z \"\$(find '$work/target' -xdev -type b -o -xdev -type c)\" ]"
result "nothing left the target" bash -c "! ls '$work/absolute' '$work/dotdot' '$work/through-link' '$work/outside'"
result "fstab by UUID" says "$work/target/etc/fstab" \
	"UUID=$(blkid -p -s UUID -o value "${loop}p2") / ext4" "UUID=$(blkid -p -s UUID -o value "${loop}p1") /boot/efi vfat"
result "host name" bash -c "[ \$(cat '$work/target/etc/hostname') = loop1 ] && \
	grep -qx '127.0.1.1 loop1' '$work/target/etc/hosts' && ! grep -q image '$work/target/etc/hosts'"
check_identity()
{
	[ -f "$work/target/etc/machine-id" ] && [ ! -s "$work/target/etc/machine-id" ] &&
		[ ! -e "$work/target/etc/ssh/ssh_host_ed25519_key" ] && [ -e "$work/target/etc/ssh/sshd_config" ]
}
result "the image's identity is gone" check_identity
check_seed()
{
	local d=$work/target/var/lib/cloud/seed/nocloud
	ls -la "$d"
	[ "$(stat -c %a "$d" "$d/meta-data" "$d/user-data" | tr '\n' ' ')" = "700 600 600 " ] &&
		[ ! -e "$d/vendor-data" ] && grep -q NoCloud "$work/target/etc/cloud/cloud.cfg.d/90-installer.cfg"
}
result "cloud-init's seed, for root only" check_seed
umount "$work/target"

disk_new 3G
run plain --until configure
result "the predecessor's seven keys, with manifest.json" test $status = 0
disk_new 3G
run cut --until configure
result "six cut connections: resumed" test $status = 0
result "...and said so" says "$work/log" "resuming position=300001"
mount_root && listing "$work/target" >"$work/got-cut"
result "...with the same tree" diff "$work/got" "$work/got-cut"
umount "$work/target"

disk_new 3G
run flip
result "a flipped bit: fails" test $status = 1
result "...in a report with phase, reason, hint and log" says "$work/reports" '"phase":"rootfs","status":"failed"' \
	"wrong SHA-256" '"hint":"' 'phase done phase=format'
result "...and nothing to boot" bash -c "! head -c 512M '${loop}p1' | grep -aqi -e 'BOOTX64' -e 'BOOTAA64' -e 'EFI  '"

# Old things at the places of the new partitions must not come back.
disk_new 3G
for offset in 1048576 537919488; do
	mkfs.ext4 -q -F -L stale -E offset=$offset "$work/disk" 64M
done
losetup -c "$loop"
run good --until partition
check_blank()
{
	[ "$status" = 0 ] && [ -z "$(blkid -p -s TYPE -o value "${loop}p1" "${loop}p2")" ]
}
result "stale file systems where partitions begin are gone" check_blank

disk_new 3G
run layout --until configure
result "a layout with nested mounts and swap" test $status = 0
check_layout()
{
	local t=$work/target
	[ "$(blkid -p -s TYPE -o value "${loop}p2")" = swap ] && e2fsck -fn "${loop}p3" &&
		e2fsck -fn "${loop}p4" && e2fsck -fn "${loop}p5" &&
		[ "$(blkid -p -s LABEL -o value "${loop}p3")" = deep ]
	mkdir -p "$t" && mount -o ro "${loop}p5" "$t" && mount -o ro "${loop}p4" "$t/opt" &&
		mount -o ro "${loop}p3" "$t/opt/deep"
}
result "...as it says" check_layout
result "...each with its part of the tree" test -s "$work/target/opt/random" -a -d "$work/target/opt/deep/d" \
	-a -d "$work/target/usr/bin"
fstab_order() { [ "$(grep -o ' /[^ ]* ext4\| none swap' "$work/target/etc/fstab" | tr '\n' ,)" = \
	' / ext4, /opt ext4, /opt/deep ext4, none swap,' ]; }
result "...fstab with parents first" fstab_order
umount -R "$work/target"

disk_new 1200M
run many --until rootfs
result "80,000 files on the smallest disk for them" test $status = 0
result "...which have their inodes" e2fsck -fn "${loop}p2"

disk_new 600M
before=$(sha256sum <"$work/disk")
run good
result "a disk too small: refused" says "$work/log" "too small" "nothing was written"
result "...before the first write" test "$(sha256sum <"$work/disk")" = "$before"

disk_new 3G
mkdir -p "$work/in-use"
mount "$loop" "$work/in-use"
run good
result "a disk in use: refused" says "$work/log" "is in use"
umount "$work/in-use"

# The sector as marker.h describes it; a kernel without FAT gets no further than this.
disk_new 3G
run first --until rootfs
result "a disk without a marker is installed" says "$work/log" "rootfs unpacked"
python3 - "$work/disk" <<'PY'
import hashlib, sys
text = b"vmlab: an install was finished on this disk\nname=loop1\nmac=52:54:00:00:00:01\ndistro=test\nattempt=7\n"
text = text.ljust(480, b"\0")
with open(sys.argv[1], "r+b") as f:
    f.seek(512 * 1024)
    f.write(text + hashlib.sha256(text).digest())
PY
blockdev --flushbufs "$loop"
before=$(sha256sum <"$work/disk")
run first
result "what is installed is not installed again by a server that forgot" test $status = 0
result "...it says so" says "$work/log" "already installed: $loop says so, name=loop1"
result "...to the server, too" says "$work/reports" '"already_installed":true,"attempt":7'
result "...and writes nothing" test "$(sha256sum <"$work/disk")" = "$before"
run foreign --until partition
result "another machine's disk is installed" says "$work/log" "phase done phase=partition"
result "...and says nothing any more" bash -c "! grep -qaF 'an install was finished' <(head -c 1M '$work/disk')"

modprobe -q vfat 2>/dev/null
if grep -qw vfat /proc/filesystems; then
	disk_new 3G
	run good
	result "the whole install" test $status = 0
	result "...reports success" says "$work/reports" '{"phase":"report","status":"done"}'
	mount_root && mount -o ro "${loop}p1" "$work/target/boot/efi"
	result "...boot files in both places" bash -c "cmp '$work'/target/boot/efi/EFI/debian/grub*.efi \
		'$work'/target/usr/lib/grub/*/monolithic/*.efi && cmp '$work'/target/boot/efi/EFI/BOOT/BOOT*.EFI \
		'$work'/target/usr/lib/grub/*/monolithic/*.efi"
	result "...grub.cfg" says "$work/target/boot/grub/grub.cfg" "menuentry 'Test '\\''System'\\'' 1'" \
		"initrd /boot/initrd.img-6.1-test" " quiet"
	umount -R "$work/target"
	run first
	result "the install leaves a marker" says "$work/reports" '"already_installed":true'
	run ordered
	result "an order wipes it" says "$work/log" "phase done phase=rootfs"
else
	echo "skip the whole install: this kernel cannot mount FAT; the end-to-end tests do it in a VM"
fi
exit $failed
