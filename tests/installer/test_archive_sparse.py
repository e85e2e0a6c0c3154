"""Sparse files in archives: pax 1.0 keeps its map in front of the data, 0.1 in the header, the oldest in the
header itself. Unpacked by the real os-installer onto a loop device; see kit/archive_judge.py.
"""

import pytest

from kit.archive_judge import unpacked_as_it_should
from kit.tar import BLOCK, Cases

cases = Cases()
simple = cases.simple


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


@pytest.mark.parametrize("name", cases)
def test_sparse_files(bench, name):
    unpacked_as_it_should(bench, cases[name])
