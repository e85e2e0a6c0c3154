"""A file with wrong bits, or too short: never installed, and the reason is said."""
import os

import pytest

from kit import small_image
from kit.fault_campaign import CHUNK, FULL, counts, refused
from kit.fault_proxy import Fault
from kit.vmlab_cli import ARCH

pytestmark = pytest.mark.timeout(5400 if FULL else 900)


def test_file_one_bit_flipped_anywhere(campaign):
    def flipped(case):
        i = campaign.installer([Fault("flip", case[0], 1 << case[1])]).run()
        try:
            return refused(i, "a wrong file")
        finally:
            i.close()
    campaign.run("one bit flipped", [(campaign.rng.randrange(campaign.size), campaign.rng.randrange(8)) for _ in range(counts(1000, 30))],
        flipped, workers=4)


def test_file_truncated_at_member_edges_of_the_tar_and_elsewhere(campaign):
    lab, tar = campaign.lab, campaign.tar
    path = os.path.join(lab.images, "small", ARCH, "rootfs.tar.zst")
    with open(path, "rb") as f:
        whole = f.read()

    def truncated(case):
        kind, n = case
        short = small_image.compress(tar[:n] + bytes(1024)) if kind == "tar" else whole[:n]
        with open(path + ".new", "wb") as f:
            f.write(short)
        os.rename(path + ".new", path)
        i = campaign.installer().run()
        try:
            return refused(i, "a truncated file")
        finally:
            i.close()
    edges = small_image.member_edges(tar)
    chosen = edges if FULL else edges[1::12]
    cases = [("tar", n) for n in chosen if 0 < n < edges[-1]]
    cases += [("file", campaign.rng.randrange(1, len(whole))) for _ in range(counts(60, 4))]
    cases += [("file", n) for n in range(CHUNK, len(whole), CHUNK)][::1 if FULL else 16]
    try:
        campaign.run("file truncated", cases, truncated, workers=1)
    finally:
        with open(path + ".new", "wb") as f:
            f.write(whole)
        os.rename(path + ".new", path)
