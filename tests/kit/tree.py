"""tree.py - a tree with everything a file system can hold, and all that a file system knows of a tree."""
import hashlib
import os
import stat
import struct


def acl(*entries):
    """A POSIX ACL as the kernel stores it: version 2, then tag, permissions, id."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)


def tree_make(root):
    def put(name, data=b"x\n", mode=0o644, uid=0, gid=0, mtime=1000000000.25):
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
        os.chown(path, uid, gid)
        os.chmod(path, mode)
        os.utime(path, (mtime, mtime))
        return path

    put("bin/setuid", mode=0o4755)
    put("bin/setgid", mode=0o2755, uid=7, gid=8)
    put("bin/both", mode=0o6711, uid=1000, gid=1001)
    capable = put("bin/capable", mode=0o755)
    os.setxattr(capable, "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    owned = put("bin/capable-owned", mode=0o755, uid=33, gid=33)
    os.setxattr(owned, "security.capability", bytes.fromhex("0100000202000000000000000000000000000000"))
    put("bin/owned", uid=12345, gid=54321, mode=0o640)
    put("bin/large-owner", uid=4000000000, gid=3999999999)
    put("bin/none", mode=0)
    noted = put("etc/noted")
    os.setxattr(noted, "user.note", b"kept\0with a zero\xff")
    os.setxattr(noted, "trusted.overlay.opaque", b"y")
    listed = put("etc/listed")
    os.setxattr(listed, "system.posix_acl_access", acl((1, 6, 0xffffffff), (2, 7, 1000), (2, 4, 33), (4, 4, 0xffffffff),
        (8, 5, 50), (16, 7, 0xffffffff), (32, 0, 0xffffffff)))
    os.mkdir(os.path.join(root, "etc/inherits"))
    os.setxattr(os.path.join(root, "etc/inherits"), "system.posix_acl_default", acl((1, 7, 0xffffffff), (2, 5, 1000),
        (4, 5, 0xffffffff), (16, 5, 0xffffffff), (32, 0, 0xffffffff)))
    put("etc/old", mtime=1)
    put("etc/older", mtime=-86400)
    put("etc/future", mtime=1 << 32)
    put("etc/Főtanúsítvány ☃", b"name\n")
    put("etc/" + "long" * 60, b"name\n")
    put("etc/" + "/".join(["deep" * 20] * 12) + "/file", b"deep\n")
    os.link(os.path.join(root, "bin/owned"), os.path.join(root, "bin/hard"))
    os.link(os.path.join(root, "bin/owned"), os.path.join(root, "etc/hard"))
    os.link(capable, os.path.join(root, "etc/hard-capable"))
    os.symlink("../bin/owned", os.path.join(root, "etc/link"))
    os.symlink("/nowhere/" + "x" * 300, os.path.join(root, "etc/dangling"))
    os.lchown(os.path.join(root, "etc/link"), 5, 6)
    os.utime(os.path.join(root, "etc/link"), (2000, 2000), follow_symlinks=False)
    os.link(os.path.join(root, "etc/link"), os.path.join(root, "etc/hard-link-to-a-link"), follow_symlinks=False)
    os.mkfifo(os.path.join(root, "etc/fifo"), 0o620)
    sparse = put("var/sparse", b"")
    with open(sparse, "r+b") as f:
        for at in (0, 1 << 20, (1 << 20) + 8192, 5 << 20, 300 << 20):
            f.seek(at)
            f.write(b"data" * 1024)
        f.truncate(400 << 20)
    for n in range(60):  # more regions than one header holds
        with open(sparse, "r+b") as f:
            f.seek((10 << 20) + n * 65536)
            f.write(b"%d" % n * 1000)
    with open(put("var/all-hole", b""), "r+b") as f:
        f.truncate(50 << 20)
    put("var/empty", b"")
    put("var/random", os.urandom(3 << 20))
    put("var/exact", b"b" * 1024)
    for name, mode in (("tmp", 0o1777), ("srv/group", 0o2775), ("srv/closed", 0o700), ("srv/none", 0)):
        os.makedirs(os.path.join(root, name), exist_ok=True)
        os.chmod(os.path.join(root, name), mode)
    put("srv/none/inside", b"in a directory nobody may enter")
    for d, _, _ in os.walk(root, topdown=False):
        os.utime(d, (1234567890, 1234567890.5))


def listing(root, data=True):
    """Everything a file system knows of a tree, one line for each entry."""
    lines, inodes = [], {}
    for d, names, files in os.walk(os.fsencode(root)):
        for name in [b"."] + sorted(files + [n for n in names if os.path.islink(os.path.join(d, n))]):
            path = os.path.join(d, name)
            rel = os.path.relpath(path, os.fsencode(root))
            s = os.lstat(path)
            kind = stat.S_IFMT(s.st_mode)
            if rel == b".":
                continue  # the file system's own root, and what mkfs put there
            line = f"{rel!r} {oct(s.st_mode)} {s.st_uid}:{s.st_gid} {s.st_mtime_ns // 1000}"
            if kind != stat.S_IFDIR:
                # The first name of an inode, not its number.
                line += f" links={s.st_nlink} first={inodes.setdefault(s.st_ino, rel)!r}"
            if kind == stat.S_IFLNK:
                line += f" -> {os.readlink(path)!r}"
            if kind == stat.S_IFREG:
                line += f" {s.st_size} holes={holes(path) if s.st_size else ''}"
                if data:
                    with open(path, "rb") as f:
                        line += " " + hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest") \
                            else " " + hashlib.sha256(f.read()).hexdigest()
            if kind != stat.S_IFLNK:
                for a in sorted(os.listxattr(path, follow_symlinks=False)):
                    line += f" {a}={os.getxattr(path, a).hex()}"
            lines.append(line)
        names.sort()
        if d == os.fsencode(root):
            names[:] = [n for n in names if n != b"lost+found"]
    return sorted(lines)


def holes(path):
    """Where the data of a sparse file is, in whole blocks of 4 KiB."""
    fd = os.open(path, os.O_RDONLY)
    out, at, end = [], 0, os.fstat(fd).st_size
    try:
        while at < end:
            try:
                start = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(fd, start, os.SEEK_HOLE)
            out.append(f"{start // 4096}-{(at + 4095) // 4096}")
    finally:
        os.close(fd)
    return ",".join(out)
