"""A root file system of a few MB with every kind of archive entry, as an image
directory that the real server serves: what tests unpack hundreds of times."""
import hashlib
import io
import json
import os
import random
import subprocess
import tarfile

CHUNK_BYTES = 65536
KERNEL = "6.1-test"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def make_tar(random_bytes=3 << 20):
    """Returns the tar as bytes; the same every time."""
    rng = random.Random("small image")
    out = io.BytesIO()
    tar = tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT)

    def add(name, data=None, mode=0o644, kind=None, link="", uid=0, gid=0, pax=None, mtime=1000000000):
        t = tarfile.TarInfo(name)
        t.mode, t.uid, t.gid, t.mtime, t.linkname = mode, uid, gid, mtime, link
        t.type = kind or (tarfile.REGTYPE if data is not None else tarfile.DIRTYPE)
        t.pax_headers = pax or {}
        t.size = len(data) if data is not None else 0
        tar.addfile(t, io.BytesIO(data) if data is not None else None)

    add("./", mode=0o755)
    for d in ("usr", "usr/bin", "usr/lib", "etc", "boot", "var", "opt", "proc", "sys", "dev", "run"):
        add("./" + d, mode=0o755)
    add("./tmp", mode=0o1777)
    add("./lib", kind=tarfile.SYMTYPE, link="usr/lib")
    add("./lib/modules", mode=0o755)
    add("./lib/modules/x", b"module\n")
    add("./etc/os-release", b"ID=debian\nPRETTY_NAME=Test\n")
    add("./etc/hostname", b"image\n")
    add(f"./boot/vmlinuz-{KERNEL}", b"kernel\n")
    add(f"./boot/initrd.img-{KERNEL}", b"initramfs\n")
    add("./usr/bin/setuid", b"x\n", mode=0o4755)
    add("./usr/bin/owned", b"x\n", uid=12345, gid=54321)
    add("./usr/bin/capable", b"x\n", mode=0o755,
        pax={"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00" + "\x00" * 12})
    add("./usr/bin/hard", kind=tarfile.LNKTYPE, link="./usr/bin/owned")
    add("./opt/Főtanúsítvány ☃", b"name\n")
    add("./opt/deep/" + "d/" * 60 + "file", b"deep\n")
    for i in range(40):
        add(f"./opt/random-{i}", rng.randbytes(rng.randrange(random_bytes // 20)), mtime=1000000000 + i)
    add("./opt/old", b"old\n", mtime=1)
    tar.close()
    return out.getvalue()


def make_importable(version, kernel=b"the kernel\n", blob=0):
    """A tar as guestfish's tar-out makes them, with a kernel and modules that an import takes."""
    modules = f"./usr/lib/modules/{version}"
    files = {"./usr/lib/os-release": b'NAME=x\nPRETTY_NAME="Small OS"\n', "./usr/bin/cloud-init": b"#!/bin/sh\n",
        "./usr/sbin/grub-install": b"#!/bin/sh\n", "./usr/lib/grub/x86_64-efi/moddep.lst": b"x\n",
        f"./boot/vmlinuz-{version}": kernel, f"./boot/initrd.img-{version}": b"initramfs\n",
        f"{modules}/kernel/fs/ext4/ext4.ko": b"ext4's code\n",
        f"{modules}/modules.dep": b"kernel/fs/ext4/ext4.ko:\n", f"{modules}/modules.alias": b"alias fs-ext4 ext4\n",
        "./opt/blob": random.Random(version).randbytes(blob)}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in files.items():
            t = tarfile.TarInfo(name)
            t.mode, t.size = 0o755, len(data)
            tar.addfile(t, io.BytesIO(data))
        link = tarfile.TarInfo("./lib")
        link.type, link.linkname = tarfile.SYMTYPE, "usr/lib"
        tar.addfile(link)
    return out.getvalue()


def tar_of_size(folder, mib):
    """A tar of a folder with that many files of 1 MiB, none of which has a hole."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in [(folder, None)] + [(f"{folder}/{i}", os.urandom(4096) * 256) for i in range(mib)]:
            t = tarfile.TarInfo(f"./{name}")
            t.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            t.mode = 0o755
            t.size = len(data or b"")
            tar.addfile(t, io.BytesIO(data or b""))
    return out.getvalue()


def compress(tar):
    return subprocess.run(["zstd", "-q", "-3", "-c"], input=tar, stdout=subprocess.PIPE, check=True).stdout


def member_edges(tar):
    """Where each member of the tar begins, in bytes, and where the last one ends."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as t:
        members = t.getmembers()
    return [m.offset for m in members] + [members[-1].offset_data + (members[-1].size + 511) // 512 * 512]


def write(where, tar, distro="small", arch="amd64"):
    """Writes the image directory `where`; returns the compressed rootfs."""
    os.makedirs(where, exist_ok=True)
    data = compress(tar)
    with tarfile.open(fileobj=io.BytesIO(tar)) as t:
        members = t.getmembers()
    files = {"rootfs.tar.zst": data, "vmlinuz": b"kernel\n", "modules.cpio.zst": b"modules\n"}
    for name, content in files.items():
        with open(os.path.join(where, name), "wb") as f:
            f.write(content)
    entry = lambda name: {"file": name, "size_bytes": len(files[name]), "sha256": sha256(files[name])}
    manifest = {"format": 1, "distro": distro, "arch": arch, "created": "2025-11-20T10:00:00Z",
        "kernel_version": KERNEL, "kernel": entry("vmlinuz"), "modules": entry("modules.cpio.zst"),
        "rootfs": dict(entry("rootfs.tar.zst"), format="tar.zst", entries=len(members),
            unpacked_bytes=sum(m.size for m in members if m.isreg()), chunk_bytes=CHUNK_BYTES,
            chunks=[sha256(data[i:i + CHUNK_BYTES]) for i in range(0, len(data), CHUNK_BYTES)])}
    with open(os.path.join(where, "manifest.json"), "w") as f:
        json.dump(manifest, f)
    return data


def tree_digest(top):
    """One digest over names, kinds, modes, owners, times, links, attributes and content."""
    h = hashlib.sha256()
    for d, dirs, files in os.walk(top):
        dirs.sort()
        if d == top and "lost+found" in dirs:
            dirs.remove("lost+found")
        for name in sorted(files + [x for x in dirs if os.path.islink(os.path.join(d, x))]) + ["."]:
            path = os.path.join(d, name)
            st = os.lstat(path)
            facts = [os.path.relpath(path, top), st.st_mode, st.st_uid, st.st_gid]
            if os.path.islink(path):
                facts.append(os.readlink(path))
            elif name != ".":
                facts += [st.st_nlink, st.st_size, st.st_mtime_ns]
                facts += [(a, os.getxattr(path, a)) for a in sorted(os.listxattr(path))]
                with open(path, "rb") as f:
                    facts.append(sha256(f.read()))
            h.update(repr(facts).encode("utf-8", "surrogateescape"))
    return h.hexdigest()
