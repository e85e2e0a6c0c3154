"""loop_image.py WORK PORT ARCH - for test_loop.sh: rootfs.tar.zst and many.tar.zst, their manifest,
and configurations.
"""
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
