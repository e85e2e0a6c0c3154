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

cat >"$work/make.py" <<'PY'
"""Makes rootfs.tar.zst and many.tar.zst with manifest and configurations."""
import hashlib, io, json, os, subprocess, sys, tarfile

work, port, arch = sys.argv[1], sys.argv[2], sys.argv[3]
CHUNK = 65536
sha = lambda b: hashlib.sha256(b).hexdigest()

def create(name):
    return tarfile.open(f"{work}/{name}.tar", "w", format=tarfile.PAX_FORMAT)

def finish(tar):
    """Compresses it; returns what a manifest says of it."""
    members = tar.getmembers()
    tar.close()
    subprocess.check_call(["zstd", "-q", "-3", "-f", tar.name])
    data = open(tar.name + ".zst", "rb").read()
    return {"file": "rootfs.tar.zst", "format": "tar.zst", "size_bytes": len(data), "sha256": sha(data),
        "unpacked_bytes": sum(m.size for m in members if m.isreg()), "entries": len(members),
        "chunk_bytes": CHUNK, "chunks": [sha(data[i:i + CHUNK]) for i in range(0, len(data), CHUNK)]}

def add(name, data=None, mode=0o644, kind=None, link="", uid=0, gid=0, pax=None, mtime=1000000000):
    t = tarfile.TarInfo(name)
    t.mode, t.uid, t.gid, t.mtime, t.linkname = mode, uid, gid, mtime, link
    t.type = kind or (tarfile.REGTYPE if data is not None else tarfile.DIRTYPE)
    t.pax_headers = pax or {}
    if t.type in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        t.devmajor, t.devminor = 1, 3
    t.size = len(data) if data is not None else 0
    tar.addfile(t, io.BytesIO(data) if data is not None else None)

tar = create("many")
for i in range(80000):
    add(f"./opt/{i % 100}/{i}", b"1")
many = finish(tar)

tar = create("rootfs")
version, grub, file = "6.1-test", *{"amd64": ("x86_64-efi", "grubx64.efi"), "arm64": ("arm64-efi", "grubaa64.efi")}[arch]
add("./", mode=0o755)
for d in ("usr", "usr/bin", "usr/lib", "usr/lib/grub", f"usr/lib/grub/{grub}", f"usr/lib/grub/{grub}/monolithic",
          "etc", "etc/ssh", "etc/default", "etc/cloud", "etc/cloud/cloud.cfg.d", "boot", "var", "var/lib",
          "proc", "sys", "dev", "run", "opt"):
    add("./" + d, mode=0o755)
add("./tmp", mode=0o1777)
add("./lib", kind=tarfile.SYMTYPE, link="usr/lib")
add("./lib/modules", mode=0o755)                       # through the merged-/usr link
add("./lib/modules/x", b"module\n")
add("./etc/os-release", b'ID=debian\nPRETTY_NAME="Test \'System\' 1"\n')
add("./etc/machine-id", b"0123456789abcdef0123456789abcdef\n", mode=0o444)
add("./etc/ssh/ssh_host_ed25519_key", b"secret\n", mode=0o600)
add("./etc/ssh/sshd_config", b"config\n")
add("./etc/hostname", b"image\n")
add("./etc/hosts", b"127.0.0.1\tlocalhost\n127.0.1.1\timage\n")
add("./etc/default/grub", b"GRUB_TIMEOUT=5\n")
# A link to a file of the installing system: it must be replaced, not followed.
add("./etc/fstab", kind=tarfile.SYMTYPE, link=f"{work}/outside")
add(f"./boot/vmlinuz-{version}", b"kernel\n")
add(f"./boot/initrd.img-{version}", b"initramfs\n")
add(f"./usr/lib/grub/{grub}/monolithic/{file}", b"BOOT-IMAGE" * 1000)
add("./usr/bin/setuid", b"x\n", mode=0o4755)
add("./usr/bin/owned", b"x\n", uid=12345, gid=54321)
add("./usr/bin/capable", b"x\n", mode=0o755,
    pax={"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00" + "\x00" * 12})
add("./usr/bin/user-attribute", b"x\n", pax={"SCHILY.xattr.user.note": "kept"})
add("./usr/bin/hard", kind=tarfile.LNKTYPE, link="./usr/bin/owned")
add("./opt/Főtanúsítvány ☃", b"name\n")
add("./opt/fifo", kind=tarfile.FIFOTYPE)
add("./opt/deep/" + "d/" * 60 + "file", b"deep\n")
add("./opt/empty", b"")
add("./opt/random", os.urandom(3 << 20))
add("./opt/old", b"old\n", mtime=1)
# What a hostile image may hold; the comparison leaves these out.
add("./dev/null-device", kind=tarfile.CHRTYPE, mode=0o666)
add("./dev/disk-device", kind=tarfile.BLKTYPE, mode=0o666)
add(f"{work}/absolute", b"hostile\n")
add("../../../../../../../../.." + f"{work}/dotdot", b"hostile\n")
add("./opt/out", kind=tarfile.SYMTYPE, link=work)
add("./opt/out/through-link", b"hostile\n")
add("./opt/hardout", kind=tarfile.SYMTYPE, link="/etc/shadow")
rootfs = finish(tar)
json.dump({"format": 1, "kernel_version": version, "rootfs": rootfs}, open(f"{work}/manifest.json", "w"))
base = f"http://127.0.0.1:{port}"
for fault in ("good", "cut", "flip", "plain"):
    c = {"format": 1, "name": "loop1", "hostname": "loop1", "mac": "52:54:00:00:00:01", "distro": "test",
         "arch": {"amd64": "x86_64", "arm64": "aarch64"}[arch], "rootfs_url": f"{base}/{fault}/rootfs.tar.zst",
         "cloud_init_url": f"{base}/cloud-init/loop1", "report_url": f"{base}/report/52:54:00:00:00:01",
         "kernel_version": version, "kernel_args": "quiet", "rootfs": rootfs}
    if fault == "good":   # the same with a layout of its own
        json.dump(dict(c, storage={"swap": "64M", "partitions": [
            {"mount": "/opt/deep", "size": "128M", "label": "deep"}, {"mount": "/opt", "size": "20%"}]}),
            open(f"{work}/config-layout.json", "w"))
        json.dump(dict(c, rootfs=many, rootfs_url=f"{base}/many/rootfs.tar.zst"),
            open(f"{work}/config-many.json", "w"))
        json.dump(dict(c, reinstall=False, attempt=1), open(f"{work}/config-first.json", "w"))
        json.dump(dict(c, reinstall=True, attempt=2), open(f"{work}/config-ordered.json", "w"))
        json.dump(dict(c, reinstall=False, name="other", mac="52:54:00:00:00:99"),
            open(f"{work}/config-foreign.json", "w"))
        json.dump(dict(c, disks=[{"match": {"serial": "none has this"}}]), open(f"{work}/config-match.json", "w"))
    if fault == "plain":   # the predecessor's seven keys
        for key in ("format", "name", "hostname", "mac", "kernel_version", "kernel_args", "rootfs", "report_url"):
            del c[key]
        c.update(kmods_url=f"{base}/k", kernel_url=f"{base}/v", reboot_on_success=False)
    json.dump(c, open(f"{work}/config-{fault}.json", "w"))
PY

cat >"$work/server.py" <<'PY'
"""/config/<fault>, /<fault>/rootfs.tar.zst, /cloud-init/..., POST /report/... (kept in reports)."""
import http.server, os, re, sys

work = sys.argv[1]
SEED = {"meta-data": b'{"instance-id":"iid-loop1-1"}', "user-data": b"#cloud-config\n{}"}
cuts = [0]

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args):
        pass
    def answer(self, body, code=200, headers=()):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        for h in headers:
            self.send_header(*h)
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(f"{work}/reports", "ab") as f:
            f.write(body + b"\n")
        self.send_response(204)
        self.end_headers()
    def do_GET(self):
        parts = self.path.strip("/").split("/")
        if parts[0] == "config":
            return self.answer(open(f"{work}/config-{parts[1]}.json", "rb").read())
        if parts[0] == "cloud-init":
            return self.answer(SEED[parts[2]]) if parts[2] in SEED else self.answer(b"", 404)
        if parts[1] == "manifest.json":
            return self.answer(open(f"{work}/manifest.json", "rb").read())
        name = "many" if parts[0] == "many" else "rootfs"
        data = bytearray(open(f"{work}/{name}.tar.zst", "rb").read())
        if parts[0] == "flip":
            data[len(data) // 2] ^= 1
        m = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(m[1]) if m else 0
        headers = [("ETag", '"1"')]
        if m:
            headers.append(("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}"))
        body = bytes(data[start:])
        if parts[0] == "cut" and cuts[0] < 6:
            cuts[0] += 1
            self.send_response(206 if m else 200)
            self.send_header("Content-Length", str(len(body)))
            for h in headers:
                self.send_header(*h)
            self.end_headers()
            self.wfile.write(body[:300001])
            self.close_connection = True
            return
        self.answer(body, 206 if m else 200, headers)

class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # a client that hangs up is part of the test

server = Server(("127.0.0.1", 0), Handler)
open(f"{work}/port.new", "w").write(str(server.server_port))
os.rename(f"{work}/port.new", f"{work}/port")
server.serve_forever()
PY

python3 "$work/server.py" "$work" &
server=$!
for _ in $(seq 100); do
	[ ! -s "$work/port" ] || break
	sleep 0.1
done
port=$(cat "$work/port")
python3 "$work/make.py" "$work" "$port" "$arch" || skip_all "the test's own image could not be made"

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
