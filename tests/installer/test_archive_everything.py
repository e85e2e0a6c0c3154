"""An archive of all that a file system can hold, made by GNU tar from a real tree, so that all its own ways
of storing things are met: unpacked by the real os-installer onto a loop device; see kit/archive_judge.py.
"""
import gzip
import io
import lzma
import os
import subprocess
import tarfile

import pytest

from kit.archive_judge import unpacked_as_it_should
from kit.tar import Case, Cases, zstd
from kit.tree import tree_make

cases = Cases()
case = cases.case


# Only this format holds attributes.
POSIX = ["--format=posix", "--xattrs", "--xattrs-include=*", "--acls"]


def tree_case(w, options, form="tar.zst", compress=zstd):
    root = f"{w}/tree"
    if not os.path.exists(root):
        os.mkdir(root)
        tree_make(root)
    plain = subprocess.run(["tar", "-C", root, "-c", "--sparse", "--numeric-owner", "--sort=name", *options, "."],
        stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(plain)) as t:
        members = t.getmembers()
    return Case(compress(plain), len(members), sum(m.size for m in members if m.isreg()), form, plain=plain, same=True)


@case("everything, as GNU tar writes it")
def _(w):
    return tree_case(w, POSIX)


@case("everything, in GNU tar's own format")
def _(w):
    return tree_case(w, ["--format=gnu"])


@case("everything, as xz")
def _(w):
    return tree_case(w, POSIX, "tar.xz", lambda d: lzma.compress(d, preset=6))


@case("everything, as gzip")
def _(w):
    return tree_case(w, POSIX, "tar.gz", gzip.compress)


@case("everything, not compressed")
def _(w):
    return tree_case(w, POSIX, "tar", lambda d: d)


@pytest.mark.parametrize("name", cases)
def test_everything(bench, name):
    unpacked_as_it_should(bench, cases[name])
