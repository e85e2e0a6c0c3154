"""tar.py - archives made in memory, member by member or byte by byte, and what a manifest says of one."""
import binascii
import io
import lzma
import struct
import subprocess
import tarfile

BLOCK = 512


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


class Cases(dict):
    """{name: function of the work directory that makes a Case}"""

    def simple(self, name, build, **expect):
        self[name] = lambda work: of(build(Tar(), work), **expect)

    def case(self, name):
        def register(make):
            self[name] = make
            return make
        return register
