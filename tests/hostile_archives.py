#!/usr/bin/python3
"""hostile_archives.py - archives that mean harm, and one that holds everything a file system can, unpacked by
the real os-installer onto a loop device.

After every one of them: nothing outside of the target has changed, the target holds no device node, memory
and time stayed within bounds, the installer ended by itself with a plain sentence. Cases marked "same" have
to give the tree that GNU tar makes as root; cases marked "fails" have to fail.

Prints "ok NAME", "not ok NAME: why". Needs root and loop devices; exit status 77 where there are none.
OS_INSTALLER=PATH uses that program instead of the one built here. CASE=TEXT runs only cases with TEXT in them.
"""
import binascii
import hashlib
import http.server
import io
import json
import lzma
import os
import re
import resource
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CHUNK = 65536
MEMORY_MAX_KIB = 48 * 1024
BLOCK = 512


# ---- making archives -----------------------------------------------------------------------------

class Tar:
    """A tar archive in memory: members by tarfile, or header by header."""

    def __init__(self, kind=tarfile.PAX_FORMAT):
        self.out = io.BytesIO()
        self.kind = kind
        self.entries = 0
        self.bytes = 0

    def add(self, name, data=None, mode=None, kind=None, link="", uid=0, gid=0, pax=None, mtime=1000000000, size=None):
        t = tarfile.TarInfo(name)
        t.type = kind or (tarfile.REGTYPE if data is not None else tarfile.DIRTYPE)
        t.mode = mode if mode is not None else (0o755 if t.type == tarfile.DIRTYPE else 0o644)
        t.uid, t.gid, t.mtime, t.linkname, t.pax_headers = uid, gid, mtime, link, pax or {}
        if t.type in (tarfile.CHRTYPE, tarfile.BLKTYPE):
            t.devmajor, t.devminor = 1, 3
        t.size = size if size is not None else len(data or b"")
        self.out.write(t.tobuf(self.kind, "utf-8", "surrogateescape"))
        self.body(data or b"")
        self.entries += 1
        if t.type == tarfile.REGTYPE:
            self.bytes += t.size
        return self

    def body(self, data):
        self.out.write(data + bytes(-len(data) % BLOCK))
        return self

    def raw(self, name, typeflag=b"0", size=b"00000000000\0", link=b"", mode=b"0000644\0", magic=b"ustar\00000",
            tail=b"", counts=0, checksum=None, uid=b"0000000\0", mtime=b"07346545000\0"):
        """A header made of bytes."""
        h = bytearray(512)
        h[0:100] = name[:100].ljust(100, b"\0")
        h[100:108], h[108:116], h[116:124] = mode, uid, b"0000000\0"
        h[124:136], h[136:148] = size.ljust(12, b"\0")[:12], mtime
        h[148:156] = b" " * 8
        h[156:157] = typeflag
        h[157:257] = link[:100].ljust(100, b"\0")
        h[257:265] = magic
        if tail:
            h[345:345 + len(tail)] = tail
        h[148:156] = checksum or b"%06o\0 " % sum(h)
        self.out.write(bytes(h))
        self.entries += 1
        self.bytes += counts
        return self

    def pax(self, records, target=b"x"):
        """A pax header made of bytes, right lengths included."""
        text = b""
        for key, value in records:
            line = b" " + key + b"=" + value + b"\n"
            n = len(line) + 1
            while len(str(n)) + len(line) != n:
                n = len(str(n)) + len(line)
            text += str(n).encode() + line
        self.raw(b"PaxHeader", typeflag=target, size=b"%011o\0" % len(text)).body(text)
        self.entries -= 1
        return self

    def end(self):
        return self.out.getvalue() + bytes(1024)


class Case:
    """One archive as it is served, and what its manifest says of it."""

    def __init__(self, data, entries, unpacked, form="tar.zst", **expect):
        self.data, self.entries, self.unpacked, self.form = data, entries, max(unpacked, 1), form
        self.plain = expect.pop("plain", None)
        self.expect = expect


def zstd(data):
    return subprocess.run(["zstd", "-q", "-1", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def of(tar, entries=None, unpacked=None, **expect):
    """A finished Tar, or its bytes. At least one byte of content, which is what a manifest has to say."""
    if isinstance(tar, Tar):
        tar.add("./sentinel", b"unpacked\n")
        plain = tar.end()
        entries = tar.entries if entries is None else entries
        unpacked = tar.bytes if unpacked is None else unpacked
    else:
        plain = tar
    return Case(zstd(plain), entries, unpacked, plain=plain, **expect)


def base256(n, width=12):
    b = bytearray((n & ((1 << (8 * width)) - 1)).to_bytes(width, "big"))
    b[0] |= 0x80
    return bytes(b)


def zstd_frame(blocks, window_log=20):
    """A zstd frame by hand (RFC 8878): raw blocks for bytes, RLE blocks for (byte, count)."""
    out = b"\x28\xb5\x2f\xfd\x00" + bytes([(window_log - 10) << 3])
    for i, b in enumerate(blocks):
        last = 1 if i == len(blocks) - 1 else 0
        if isinstance(b, tuple):
            out += struct.pack("<I", b[1] << 3 | 1 << 1 | last)[:3] + bytes([b[0]])
        else:
            out += struct.pack("<I", len(b) << 3 | last)[:3] + b
    return out


def pieces(data):
    return [data[i:i + 131072] for i in range(0, len(data), 131072)]


def xz_with_dictionary(data, code):
    """An xz file whose header asks for another dictionary (xz format 5.3.1: bits of the LZMA2 property)."""
    x = bytearray(lzma.compress(data, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, preset=0))
    size = (x[12] + 1) * 4
    at = x.index(b"\x21\x01", 14)
    x[at + 2] = code
    x[12 + size - 4:12 + size] = struct.pack("<I", binascii.crc32(bytes(x[12:12 + size - 4])))
    return bytes(x)


# ---- the cases -----------------------------------------------------------------------------------

CASES = {}


def case(name):
    def register(make):
        CASES[name] = make
        return make
    return register


def simple(name, build, **expect):
    CASES[name] = lambda w: of(build(Tar(), w), **expect)


OUT = "canary"  # below the work directory; absolute paths in archives lead here

simple("absolute file", lambda t, w: t.add(f"{w}/{OUT}/file", b"hostile"))
simple("absolute file, new", lambda t, w: t.add(f"{w}/{OUT}/new", b"hostile"))
simple("absolute directory, other mode", lambda t, w: t.add(f"{w}/{OUT}", mode=0o777, uid=99))
simple("two slashes", lambda t, w: t.add(f"//{w}/{OUT}/new", b"hostile"))
simple("dotdot", lambda t, w: t.add("../" * 40 + f"{w}/{OUT}/new", b"hostile"))
simple("dotdot in the middle", lambda t, w: t.add("a").add("a/../../../../../../../../../../../" + f"{w}/{OUT}/new", b"h"))
simple("dotdot as a directory", lambda t, w: t.add("../../../../..", mode=0o700))
simple("dot-dotdot", lambda t, w: t.add("./././../././../new", b"hostile"))
simple("name is dotdot", lambda t, w: t.add("..", mode=0o755))
simple("name is a dot", lambda t, w: t.add(".", mode=0o755), same=True)
simple("name is a slash", lambda t, w: t.add("/", mode=0o755))
simple("link out, file through it", lambda t, w: t.add("o", kind=tarfile.SYMTYPE, link=f"{w}/{OUT}").add("o/new", b"h"))
simple("relative link out", lambda t, w: t.add("a").add("a/o", kind=tarfile.SYMTYPE, link="../../../../../.." + f"{w}/{OUT}")
    .add("a/o/new", b"h"))
simple("chain of links", lambda t, w: t.add("a", kind=tarfile.SYMTYPE, link="b").add("b", kind=tarfile.SYMTYPE, link="c")
    .add("c", kind=tarfile.SYMTYPE, link=f"{w}/{OUT}").add("a/new", b"h"))
simple("link out, directory over it", lambda t, w: t.add("o", kind=tarfile.SYMTYPE, link=f"{w}/{OUT}").add("o", mode=0o777, uid=9))
simple("link out, links through it", lambda t, w: t.add("o", kind=tarfile.SYMTYPE, link=f"{w}/{OUT}")
    .add("o/new", kind=tarfile.SYMTYPE, link="x").add("o/new2", kind=tarfile.LNKTYPE, link="o/new"))
simple("link out, fifo through it", lambda t, w: t.add("o", kind=tarfile.SYMTYPE, link=f"{w}/{OUT}").add("o/new", kind=tarfile.FIFOTYPE))
simple("link to a file, file over it", lambda t, w: t.add("f", kind=tarfile.SYMTYPE, link=f"{w}/{OUT}/file").add("f", b"h"), holds={"f": b"h"})
simple("link to a file, attributes over it", lambda t, w: t.add("f", kind=tarfile.SYMTYPE, link=f"{w}/{OUT}/file",
    pax={"SCHILY.xattr.user.x": "1"}, uid=77, mode=0o777))
simple("link swapped for another", lambda t, w: t.add("a").add("a/f", b"1").add("a2", kind=tarfile.SYMTYPE, link="a")
    .add("a2", kind=tarfile.SYMTYPE, link=f"{w}/{OUT}").add("a2/new", b"h"))
simple("hard link to an absolute file", lambda t, w: t.add("h", kind=tarfile.LNKTYPE, link=f"{w}/{OUT}/file"), fails="h")
simple("hard link by dotdot", lambda t, w: t.add("h", kind=tarfile.LNKTYPE, link="../../../../../../.." + f"{w}/{OUT}/file"), fails="h")
simple("hard link through a link", lambda t, w: t.add("o", kind=tarfile.SYMTYPE, link=f"{w}/{OUT}")
    .add("h", kind=tarfile.LNKTYPE, link="o/file"), fails="h")
simple("hard link to a link, then written", lambda t, w: t.add("s", kind=tarfile.SYMTYPE, link=f"{w}/{OUT}/file")
    .add("h", kind=tarfile.LNKTYPE, link="s").add("h", b"h"))
simple("hard link to itself", lambda t, w: t.add("h", kind=tarfile.LNKTYPE, link="h"))
simple("hard link to a later file", lambda t, w: t.add("h", kind=tarfile.LNKTYPE, link="later").add("later", b"x"), fails="h")
simple("hard link to a directory", lambda t, w: t.add("d").add("h", kind=tarfile.LNKTYPE, link="d"), fails="h")
simple("hard link to a dropped device", lambda t, w: t.add("n", kind=tarfile.CHRTYPE).add("h", kind=tarfile.LNKTYPE, link="n"), fails="h")
simple("links in a circle", lambda t, w: t.add("a", kind=tarfile.SYMTYPE, link="b").add("b", kind=tarfile.SYMTYPE, link="a").add("a/f", b"h"))
simple("link to /proc/self/root", lambda t, w: t.add("p", kind=tarfile.SYMTYPE, link="/proc/self/root").add(f"p{w}/{OUT}/new", b"h"))
simple("link to /proc/1/cwd", lambda t, w: t.add("p", kind=tarfile.SYMTYPE, link="/proc/1/cwd").add(f"p{w}/{OUT}/new", b"h"))
simple("link with an endless target", lambda t, w: t.add("l", kind=tarfile.SYMTYPE, link="x/" * 4000), fails="l")
simple("character device", lambda t, w: t.add("n", kind=tarfile.CHRTYPE))
simple("block device", lambda t, w: t.add("n", kind=tarfile.BLKTYPE))
simple("device over a file", lambda t, w: t.add("n", b"x").add("n", kind=tarfile.BLKTYPE))
simple("device over a link", lambda t, w: t.add("n", kind=tarfile.SYMTYPE, link=f"{w}/{OUT}/file").add("n", kind=tarfile.CHRTYPE))
simple("file over a device", lambda t, w: t.add("n", kind=tarfile.CHRTYPE).add("n", b"x"))
simple("fifos", lambda t, w: t.add("f", kind=tarfile.FIFOTYPE, mode=0o622, uid=3, gid=4), same=True)
simple("file over a fifo", lambda t, w: t.add("f", kind=tarfile.FIFOTYPE).add("f", b"data"), same=True)
simple("file through a link to a fifo", lambda t, w: t.add("f", kind=tarfile.FIFOTYPE).add("l", kind=tarfile.SYMTYPE, link="f").add("l", b"d"), same=True)
simple("directory over a link to a fifo", lambda t, w: t.add("f", kind=tarfile.FIFOTYPE).add("l", kind=tarfile.SYMTYPE, link="f").add("l/x", b"d"))
simple("file over a full directory", lambda t, w: t.add("d").add("d/f", b"1").add("d", b"2"), fails="d")
simple("directory over a file", lambda t, w: t.add("d", b"1").add("d").add("d/f", b"2"))
simple("file below a file", lambda t, w: t.add("d", b"1").add("d/f", b"2"))
simple("one name three times", lambda t, w: t.add("f", b"1").add("f", b"22", mode=0o600).add("f", b"333", uid=5), same=True)
simple("merged /usr", lambda t, w: t.add("usr").add("usr/lib").add("lib", kind=tarfile.SYMTYPE, link="usr/lib")
    .add("lib/a", b"1").add("lib/d").add("lib/d/b", b"2"), same=True)
simple("merged /usr, link named as a directory", lambda t, w: t.add("usr").add("usr/lib").add("lib", kind=tarfile.SYMTYPE, link="usr/lib")
    .add("lib").add("lib/a", b"1"), same=True)
simple("merged /usr, sbin and lib64", lambda t, w: t.add("usr").add("usr/bin").add("usr/lib64")
    .add("usr/sbin", kind=tarfile.SYMTYPE, link="bin").add("sbin", kind=tarfile.SYMTYPE, link="usr/sbin")
    .add("lib64", kind=tarfile.SYMTYPE, link="usr/lib64").add("sbin/tool", b"1", mode=0o4755).add("lib64/x", b"2"), same=True)
simple("merged /usr, hard link through it", lambda t, w: t.add("usr").add("usr/lib").add("lib", kind=tarfile.SYMTYPE, link="usr/lib")
    .add("lib/a", b"1").add("lib/b", kind=tarfile.LNKTYPE, link="lib/a"), same=True)
simple("merged /usr by an absolute link", lambda t, w: t.add("usr").add("usr/lib").add("lib", kind=tarfile.SYMTYPE, link="/usr/lib")
    .add("lib/a", b"inside"), holds={"usr/lib/a": b"inside"})
simple("/var/run by an absolute link", lambda t, w: t.add("run").add("var").add("var/run", kind=tarfile.SYMTYPE, link="/run")
    .add("var/run/x", b"inside"), holds={"run/x": b"inside"})
simple("255 characters in a name", lambda t, w: t.add("n" * 255, b"x"), same=True)
simple("300 characters in a name", lambda t, w: t.add("n" * 300, b"x"), fails="n")
simple("path of 3900 characters", lambda t, w: [t.add("/".join(["d" * 100] * n)) for n in range(1, 39)] and
    t.add("/".join(["d" * 100] * 38 + ["f"]), b"x"), same=True)
simple("path of 12000 characters", lambda t, w: t.add("d/" * 6000 + "f", b"x"))
simple("names of any bytes", lambda t, w: t.add("n\nl", b"1").add("esc\033[2J", b"2").add("b\\s", b"3").add("-rf", b"4")
    .add("Főtanúsítvány ☃", b"5").add(" ", b"6"), same=True)
simple("attributes nobody knows", lambda t, w: t.add("f", b"x", pax={"SCHILY.xattr.nonsense": "1", "VENDOR.x": "2"}))
simple("an attribute of 200 KiB", lambda t, w: t.add("f", b"x", pax={"SCHILY.xattr.user.big": "x" * 200000}))
simple("an ACL of nonsense", lambda t, w: t.add("f", b"x", pax={"SCHILY.acl.access": "user:rwx,,:::,group"}))
simple("a capability of nonsense", lambda t, w: t.add("f", b"x", pax={"SCHILY.xattr.security.capability": "abc"}))
simple("times before and beyond", lambda t, w: t.add("a", b"1", mtime=-1000000).add("b", b"2", mtime=1 << 33).add("c", b"3", mtime=1.5), same=True)
simple("a time of 400 digits", lambda t, w: t.pax([(b"mtime", b"9" * 400)]).raw(b"f"))
simple("an owner of 300 digits", lambda t, w: t.pax([(b"uid", b"9" * 300)]).raw(b"f"))
simple("contiguous file", lambda t, w: t.raw(b"f", typeflag=b"7", size=b"00000000004\0", counts=4).body(b"data"), same=True)
simple("unknown type", lambda t, w: t.raw(b"f", typeflag=b"Q", size=b"00000000004\0", counts=4).body(b"data"))
simple("volume header", lambda t, w: t.raw(b"label", typeflag=b"V"), entries=None)
simple("path in a pax header", lambda t, w: t.pax([(b"path", b"../../../../../.." + f"{w}/{OUT}/new".encode())]).raw(b"ok"))
simple("link target in a pax header", lambda t, w: t.pax([(b"linkpath", f"{w}/{OUT}".encode())]).raw(b"o", typeflag=b"2", link=b"ok").add("o/new", b"h"))
simple("pax record without an end", lambda t, w: t.raw(b"x", typeflag=b"x", size=b"00000000010\0").body(b"99999999").raw(b"f"))
simple("pax record of negative length", lambda t, w: t.raw(b"x", typeflag=b"x", size=b"00000000012\0").body(b"-5 path=x\n").raw(b"f"))
simple("global pax header", lambda t, w: t.pax([(b"path", f"{w}/{OUT}/new".encode())], target=b"g").raw(b"f"))

# Sizes and bombs.
simple("a file of 8 EiB", lambda t, w: t.raw(b"f", size=base256((1 << 63) - 1)), fails="")
simple("a file of -1 bytes", lambda t, w: t.raw(b"f", size=base256(-1)), fails="")
simple("a file of 8 GiB that is not there", lambda t, w: t.raw(b"f", size=b"77777777777\0"), fails="more than")
simple("pax size of 20 digits", lambda t, w: t.pax([(b"size", b"99999999999999999999")]).raw(b"f"), fails="")
simple("a directory of 1 TiB", lambda t, w: t.raw(b"d/", typeflag=b"5", size=base256(1 << 40)))
simple("a device of 1 GiB", lambda t, w: t.raw(b"n", typeflag=b"3", size=base256(1 << 30)))
simple("more bytes than said", lambda t, w: t.add("f", bytes(8 << 20)), unpacked=1 << 20, fails="more than")
simple("more bytes than said, in many files", lambda t, w: [t.add(f"f{i}", bytes(100000)) for i in range(50)] and t,
    unpacked=1 << 20, fails="more than")
simple("more entries than said", lambda t, w: [t.add(f"f{i}", b"") for i in range(20000)] and t, entries=100, fails="more than the 100 entries")
simple("more directories than said", lambda t, w: [t.add(f"f{i}") for i in range(20000)] and t, entries=100, fails="more than the 100 entries")
simple("fewer entries than said", lambda t, w: t.add("f", b"1"), entries=9, fails="where its manifest says 9")
simple("fewer bytes than said", lambda t, w: t.add("f", b"1"), unpacked=100, fails="where its manifest says")
simple("100,000 directories", lambda t, w: [t.add(f"{i % 100}/{i}") for i in range(100000)] and t)
simple("a pax header of 40 MiB", lambda t, w: t.pax([(b"comment", b"x" * (40 << 20))]).raw(b"f"))
simple("a long name of 40 MiB", lambda t, w: t.raw(b"././@LongLink", typeflag=b"L", size=b"%011o\0" % (40 << 20))
    .body(b"n" * (40 << 20)).raw(b"f"))


@case("zeros without end behind the archive")
def _(w):
    t = Tar().add("./sentinel", b"unpacked\n")
    return Case(zstd_frame(pieces(t.end()) + [(0, 131072)] * 32768), 1, 9)


@case("zeros without end before the first entry")
def _(w):
    t = Tar().add("./sentinel", b"unpacked\n")
    return Case(zstd_frame([(0, 131072)] * 32768 + pieces(t.end())), 1, 9)


@case("pax headers without end")
def _(w):
    t = Tar().pax([(b"comment", b"x" * 60000)])
    return Case(zstd(t.out.getvalue() * 5000 + Tar().add("./sentinel", b"unpacked\n").end()), 1, 9)


@case("zstd with a window of 2 GiB")
def _(w):
    return Case(zstd_frame(pieces(Tar().add("./sentinel", b"unpacked\n").end()), window_log=31), 1, 9, fails="")


@case("xz with a dictionary of 4 GiB")
def _(w):
    return Case(xz_with_dictionary(Tar().add("./sentinel", b"unpacked\n").end(), 40), 1, 9, "tar.xz", fails="")


@case("cut at the edge of a member")
def _(w):
    t = Tar().add("a", b"1" * 512)
    whole = of(Tar().add("a", b"1" * 512).add("b", b"2" * 512))
    return Case(zstd(t.out.getvalue()), whole.entries, whole.unpacked, fails="where its manifest says")


@case("cut inside a file")
def _(w):
    t = Tar().add("a", b"1" * 5000)
    return Case(zstd(t.out.getvalue()[:2048]), 1, 5000, fails="")


@case("no archive at all")
def _(w):
    return Case(zstd(os.urandom(100000)), 5, 50000, fails="")


@case("nothing but zeros")
def _(w):
    return Case(zstd(bytes(1 << 20)), 1, 9, fails="")


@case("wrong checksum of a header")
def _(w):
    return of(Tar().add("a", b"1").raw(b"b", checksum=b"000000\0 "), fails="")


@case("no name")
def _(w):
    return of(Tar().raw(b""), fails="")


@case("trailing garbage")
def _(w):
    t = Tar().add("./sentinel", b"unpacked\n")
    return Case(zstd(t.end() + os.urandom(50000)), 1, 9)


@case("a second archive behind the first")
def _(w):
    t = Tar().add("./sentinel", b"unpacked\n")
    return Case(zstd(t.end() + Tar().add("second", b"x").end()), 1, 9)


@case("damaged gzip")
def _(w):
    import gzip
    g = bytearray(gzip.compress(Tar().add("./sentinel", os.urandom(100000)).end(), 6))
    g[len(g) // 2] ^= 0x55
    return Case(bytes(g), 1, 100000, "tar.gz")


# Sparse files: pax 1.0 keeps its map in front of the data, 0.1 in the header, the oldest in the header itself.
def sparse_1_0(map_text, data, real, stored=None):
    def build(t, w):
        body = map_text + bytes(-len(map_text) % BLOCK) + data
        return t.pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", b"f"),
            (b"GNU.sparse.realsize", real)]).raw(b"GNUSparseFile.0/f", size=b"%011o\0" % (stored or len(body)),
            counts=int(real) if real.isdigit() and int(real) < 1 << 62 else 0).body(body)
    return build


def sparse_0_1(text, real, data=b"x" * 512, blocks=b"1"):
    return lambda t, w: t.pax([(b"GNU.sparse.size", real), (b"GNU.sparse.numblocks", blocks), (b"GNU.sparse.name", b"f"),
        (b"GNU.sparse.map", text)]).raw(b"f", size=b"%011o\0" % len(data), counts=int(real)).body(data)


def sparse_old(fields, real, extended=0, more=b"", data=b"x" * 512):
    def build(t, w):
        spots = b"".join(b"%011o\0%011o\0" % f if not isinstance(f, bytes) else f for f in fields)
        tail = bytes(41) + spots.ljust(96, b"\0") + bytes([extended]) + b"%011o\0" % real
        return t.raw(b"f", typeflag=b"S", magic=b"ustar  \0", size=b"%011o\0" % len(data), tail=tail, counts=real)\
            .body(more).body(data)
    return build


DATA = b"d" * 512
simple("sparse 1.0", sparse_1_0(b"3\n0\n512\n1048576\n512\n2097152\n0\n", DATA * 2, b"2097152"), same=True)
simple("sparse 1.0, only a hole", sparse_1_0(b"1\n2097152\n0\n", b"", b"2097152"), same=True)
simple("sparse 0.1", sparse_0_1(b"1048576,512,2097152,0", b"2097152", blocks=b"2"), same=True)
simple("sparse, old kind", sparse_old([(1 << 20, 512), (2 << 20, 0)], 2 << 20), same=True)
simple("sparse: regions overlap", sparse_1_0(b"2\n0\n512\n256\n512\n", DATA * 2, b"4096"))
simple("sparse: regions run backwards", sparse_1_0(b"2\n1048576\n512\n0\n512\n", DATA * 2, b"2097152"))
simple("sparse: region behind the end", sparse_1_0(b"1\n1073741824\n512\n", DATA, b"4096"))
simple("sparse: region at 8 EiB", sparse_1_0(b"1\n9223372036854775807\n512\n", DATA, b"4096"))
simple("sparse: negative offset", sparse_1_0(b"1\n-512\n512\n", DATA, b"4096"))
simple("sparse: no numbers", sparse_1_0(b"two\nx\ny\n", DATA, b"4096"), fails="")
simple("sparse: a billion regions", sparse_1_0(b"1000000000\n0\n1\n", DATA, b"4096"), fails="")
simple("sparse: map without end", sparse_1_0(b"9" * 4096, DATA, b"4096"), fails="")
simple("sparse: more data than the file has", sparse_1_0(b"1\n0\n1048576\n", DATA, b"1048576"))
simple("sparse: 8 EiB of hole", sparse_1_0(b"1\n0\n512\n", DATA, b"9223372036854775807"), fails="")
simple("sparse 0.1: odd number in the map", sparse_0_1(b"1048576", b"2097152"))
simple("sparse 0.1: map of commas", sparse_0_1(b",,,,", b"2097152"))
simple("sparse, old kind: no octal", sparse_old([b"zzzzzzzzzzz\0yyyyyyyyyyy\0"], 1 << 20))
simple("sparse, old kind: extensions without end", sparse_old([(0, 512)], 1 << 20, extended=1,
    more=(bytes(504) + b"\1" + bytes(7)) * 4000))
simple("sparse, old kind: region behind the end", sparse_old([(1 << 32, 512)], 1 << 20))


@case("everything, as GNU tar writes it")
def _(w):
    """Made from a real tree, by GNU tar, so that all its own ways of storing things are met."""
    return tree_case(w, POSIX)


@case("everything, in GNU tar's own format")
def _(w):
    return tree_case(w, ["--format=gnu"])


@case("everything, as xz")
def _(w):
    return tree_case(w, POSIX, "tar.xz", lambda d: lzma.compress(d, preset=6))


@case("everything, as gzip")
def _(w):
    import gzip
    return tree_case(w, POSIX, "tar.gz", gzip.compress)


@case("everything, not compressed")
def _(w):
    return tree_case(w, POSIX, "tar", lambda d: d)


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


# Only this format holds attributes.
POSIX = ["--format=posix", "--xattrs", "--xattrs-include=*", "--acls"]


def tree_case(w, options, form="tar.zst", compress=zstd):
    root = f"{w}/tree"
    if not os.path.exists(root):
        os.mkdir(root)
        tree_make(root)
    plain = subprocess.run(["tar", "-C", root, "-c", "--sparse", "--numeric-owner", "--sort=name", *options, "."], stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(plain)) as t:
        members = t.getmembers()
    return Case(compress(plain), len(members), sum(m.size for m in members if m.isreg()), form, plain=plain, same=True)


# ---- looking at trees ----------------------------------------------------------------------------

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


# ---- serving and installing ----------------------------------------------------------------------

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    now = {}

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
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body.get("status") == "failed":
            self.now["failure"] = body
        self.answer(b"", 204)

    def do_GET(self):
        if self.path.startswith("/cloud-init/"):
            body = {"meta-data": b'{"instance-id":"iid-1"}', "user-data": b"#cloud-config\n{}"}.get(self.path.split("/")[-1])
            return self.answer(body or b"", 200 if body else 404)
        if self.path.startswith("/config"):
            return self.answer(self.now["config"])
        data = self.now["data"]
        m = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(m[1]) if m else 0
        self.answer(data[start:], 206 if m else 200, [("ETag", '"1"')] +
            ([("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")] if m else []))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # an installer that gives up hangs up


class Bench:
    """The loop device, the server, the program."""

    disk_bytes = 4 << 30

    def __init__(self, work):
        self.work = work
        self.installer = find_installer()
        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.disk = f"{work}/disk"
        self.target = f"{work}/target"
        self.loop = None
        os.mkdir(f"{work}/{OUT}")
        os.mkdir(self.target)
        with open(f"{work}/{OUT}/file", "w") as f:
            f.write("untouched\n")

    def disk_ready(self):
        """One disk for all, and nothing of it mounted."""
        if os.path.ismount(self.target):
            subprocess.run(["umount", self.target], check=True)
        if self.loop:
            return
        with open(self.disk, "ab") as f:
            f.truncate(self.disk_bytes)
        self.loop = subprocess.run(["losetup", "-fP", "--show", self.disk], stdout=subprocess.PIPE, text=True).stdout.strip()
        if not self.loop:
            skip("no loop device can be had")

    def tree_ready(self):
        """A fresh file system at the target."""
        self.disk_ready()
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", self.loop], check=True)
        subprocess.run(["mount", self.loop, self.target], check=True)

    def detach(self):
        if os.path.ismount(self.target):
            subprocess.run(["umount", "-R", self.target])
        if self.loop:
            subprocess.run(["losetup", "-d", self.loop])
        self.loop = None

    def install(self, c, *options, **config):
        sha = lambda b: hashlib.sha256(b).hexdigest()
        base = f"http://127.0.0.1:{self.server.server_port}"
        Handler.now = {"data": c.data, "config": json.dumps({"format": 1, "name": "hostile", "distro": "test",
            "arch": os.uname().machine, "rootfs_url": f"{base}/images/rootfs", "report_url": f"{base}/report/x",
            "rootfs": {"format": c.form, "size_bytes": len(c.data), "sha256": sha(c.data),
                "unpacked_bytes": c.unpacked, "entries": c.entries, "chunk_bytes": CHUNK,
                "chunks": [sha(c.data[i:i + CHUNK]) for i in range(0, len(c.data), CHUNK)]},
            **config}).encode()}
        log = open(f"{self.work}/log", "w+b")
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            os.execv(self.installer, [self.installer, "--config-url", f"{base}/config/x", "--directory", self.target,
                "--no-nvram", "--no-reboot", *(("--disk", self.loop, *options) if options else ("--no-disk",))])
        killer = threading.Timer(100, os.kill, [pid, signal.SIGKILL])
        killer.start()
        peak = {}
        while True:
            got, status = os.waitpid(pid, os.WNOHANG)
            if got:
                break
            peak_rss(os.path.basename(self.installer)[:15], pid, peak)
            time.sleep(0.005)
        killer.cancel()
        log.seek(0)
        return os.waitstatus_to_exitcode(status), log.read().decode(errors="replace"), sum(peak.values()), \
            time.monotonic() - began


def peak_rss(program, pid, peak):
    """Of the process and its children, in KiB each; what they share is counted twice."""
    try:
        with open(f"/proc/{pid}/status") as f:
            text = f.read()
        if f"Name:\t{program}" in text:
            peak[pid] = max(peak.get(pid, 0), int(re.search(r"VmHWM:\s+(\d+)", text)[1]))
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            for child in f.read().split():
                peak_rss(program, int(child), peak)
    except (OSError, TypeError):
        pass  # it ended meanwhile


def find_installer():
    arch = subprocess.run(["dpkg", "--print-architecture"], stdout=subprocess.PIPE, text=True).stdout.strip()
    for path in (os.environ.get("OS_INSTALLER"), f"{TOP}/build/{arch}/release/os_installer/os-installer",
            f"{TOP}/build/host/{arch}/test/os_installer/os-installer"):
        if path and os.access(path, os.X_OK):
            return path
    skip("there is no os-installer: make programs-" + arch)


def skip(why):
    print(f"skip hostile archives: {why}")
    sys.exit(77)


# ---- judging -------------------------------------------------------------------------------------

def reference(bench, c):
    path = f"{bench.work}/reference"
    subprocess.run(["rm", "-rf", path], check=True)
    os.mkdir(path)
    subprocess.run(["tar", "-C", path, "-xp", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "--same-owner",
        "--delay-directory-restore", "--keep-directory-symlink", "-f", "-"], input=c.plain, check=True,
        stderr=subprocess.DEVNULL)
    return path


def devices(root):
    return subprocess.run(["find", root, "-xdev", "(", "-type", "b", "-o", "-type", "c", ")", "-print"], text=True,
        errors="replace", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def judge(bench, c, before, ran):
    """The first thing that is wrong, or None."""
    code, log, rss_kib, seconds = ran
    reason = Handler.now.get("failure", {}).get("message", "")
    if listing(f"{bench.work}/{OUT}") != before:
        return "something outside of the target changed"
    if code not in (0, 1):
        return f"exit status {code}: {log[-300:]}"
    if code == 1 and (not reason or "the unpacking process died" in reason):
        return f"no reason was given: {reason or log[-300:]}"
    if rss_kib > c.expect.get("memory_kib", MEMORY_MAX_KIB):
        return f"{rss_kib} KiB of memory"
    if "fails" in c.expect and (code != 1 or c.expect["fails"] not in reason):
        return f"ended with {code}: {reason or log[-300:]}"
    if ("same" in c.expect or "holds" in c.expect) and code != 0:
        return f"failed: {reason}"
    root = bench.target
    if devices(root):
        return f"device nodes: {devices(root)}"
    if code == 0 and not os.path.exists(f"{root}/sentinel") and not "same" in c.expect:
        return "the last entry is missing"
    for path, data in c.expect.get("holds", {}).items():
        with open(os.path.join(root, path), "rb") as f:
            if f.read() != data:
                return f"{path} is not as it should be"
    if "same" in c.expect:
        expected, got = listing(reference(bench, c)), listing(root)
        if expected != got:
            return "\n".join(["the tree differs from GNU tar's:"] +
                [f"  tar only:  {l[:300]}" for l in expected if l not in got][:3] +
                [f"  installed: {l[:300]}" for l in got if l not in expected][:3])
    return None


def main():
    if os.geteuid() != 0:
        skip("needs root")
    for tool in ("losetup", "mkfs.ext4", "mkfs.vfat", "zstd", "tar"):
        if not shutil.which(tool):
            skip(f"{tool} is not installed")
    work = tempfile.mkdtemp()
    bench = Bench(work)
    failed, peak, slowest = 0, 0, (0, "")
    os.umask(0o022)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        before = listing(f"{work}/{OUT}")
        for name, make in CASES.items():
            if os.environ.get("CASE", "") not in name:
                continue
            c = make(work)
            bench.tree_ready()
            ran = bench.install(c)
            try:
                wrong = judge(bench, c, before, ran)
            except (OSError, subprocess.CalledProcessError) as e:
                wrong = str(e)
            said = Handler.now.get("failure", {}).get("message", "")
            print(f"not ok {name}: {wrong}" if wrong else f"ok {name}", flush=True)
            if os.environ.get("CASE"):
                print(f"   exit {ran[0]}, {ran[2]} KiB, {ran[3]:.1f} s  {said}")
            failed += bool(wrong)
            peak, slowest = max(peak, ran[2]), max(slowest, (ran[3], name))
        print(f"{len(CASES)} cases, {failed} wrong; at most {peak} KiB of memory; slowest: {slowest[1]}, {slowest[0]:.1f} s")
    finally:
        bench.detach()
        shutil.rmtree(work, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
