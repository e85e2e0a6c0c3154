"""Archives whose headers, sizes and streams mean harm: unpacked by the real os-installer onto a loop device; see kit/archive_judge.py."""
import gzip
import os

import pytest

from kit.archive_judge import unpacked_as_it_should
from kit.installer_bench import OUT
from kit.tar import Case, Cases, Tar, base256, of, pieces, xz_with_dictionary, zstd, zstd_frame

cases = Cases()
simple, case = cases.simple, cases.case


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
    g = bytearray(gzip.compress(Tar().add("./sentinel", os.urandom(100000)).end(), 6))
    g[len(g) // 2] ^= 0x55
    return Case(bytes(g), 1, 100000, "tar.gz")


@pytest.mark.parametrize("name", cases)
def test_headers_sizes_and_streams(bench, name):
    unpacked_as_it_should(bench, cases[name])
