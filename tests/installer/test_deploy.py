"""The agent's order `deploy`: images by name and by address onto disks full of old data; what is too large, damaged, cut
short or another than was said, and what is left of the disk then."""
import gzip
import hashlib
import json
import lzma
import os
import subprocess
import tempfile

import pytest

from kit.agent_bench import PORT, SERVER
from kit.backup_bench import MIB, SLICE, BackupBench
from kit.check import check, check_equal, skip
from kit.command import have_command
from kit.loop_disk import attached
from kit.made_disk import MadeDisk, run
from kit.scope import Scope

scope = Scope("deploy")


@pytest.fixture(scope="module")
def made(own_mounts):
    if os.geteuid() != 0:
        skip("needs root")
    for tool in ("unshare", "losetup", "zstd", "sfdisk", "sgdisk", "mkfs.ext4", "debugfs"):
        if not have_command(tool):
            skip(f"{tool} is not installed")
    return BackupBench(scope)


@pytest.fixture(scope="module")
def image(made):
    """(a disk as it is in an image, the same packed)"""
    disk = MadeDisk(tempfile.mkdtemp(dir=scope.tempdir()), 4, ("ext4", "unknown"), "gpt")
    with open(disk.path, "rb") as f:
        raw = f.read()
    return raw, run_zstd(raw)


def run_zstd(data):
    return subprocess.run(["zstd", "-q", "-1", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


@pytest.fixture
def bench(made):
    yield from made.for_one_test()


def old_disk(bench, size, name="target"):
    """Full of what is no zeros, and bootable."""
    path = os.path.join(bench.work, name)
    with open(path, "wb") as f:
        for at in range(0, size, MIB):
            f.write(bytes([1 + at // MIB % 250]) * min(MIB, size - at))
    run("sfdisk", "-q", path, input="label: dos\n1 : start=2048, bootable\n")
    return path


def deploy(bench, path, sector=512, **args):
    with bench.loop(path, sector) as name:
        bench.start_agent()
        done = bench.order("deploy", disk=bench.disk(name), **args)
        print(done["figures"] if "figures" in done else done)
        with open(f"/dev/{name}", "rb") as f:
            return done, f.read()


def by_url(bench, data, **args):
    bench.files["/files/disk"] = data
    return dict(url=f"http://{SERVER}:{PORT}/files/disk", **args)


def check_is_image(disk, raw, where):
    """All of it but what moves to the end of a larger disk."""
    if len(disk) == len(raw):
        check(disk == raw, "the disk is not the image")
        return
    gpt = raw[512:1024]
    tail = 33 * 512
    check(disk[92 + 512:len(raw) - tail] == raw[92 + 512:len(raw) - tail], "the disk is not the image")
    check(not any(disk[len(raw) - tail:min(len(raw), len(disk) - tail)]), "the image's own backup of its table is there still")
    check(gpt[:8] == b"EFI PART", "the image has a GPT")
    path = os.path.join(where, "judged")
    with open(path, "wb") as f:
        f.write(disk)
    said = run("sgdisk", "-v", path)
    check("No problems found" in said, said)
    own = os.path.join(where, "image")
    with open(own, "wb") as f:
        f.write(raw)
    rows = lambda p: [line.split(":")[1].split("uuid")[0] for line in run("sfdisk", "-d", p).splitlines() if "start=" in line]
    check_equal(rows(path), rows(own), "partitions")


@pytest.mark.parametrize("more", (0, 512, 40 * MIB))
def test_an_image_by_its_name_is_written_and_verified(bench, image, more):
    raw, packed = image
    done, disk = deploy(bench, old_disk(bench, len(raw) + more), image=bench.image(len(raw), data=packed))
    check_equal((done["result"], done["figures"]["verified"]), ("ok", True), f"{done} {bench.log()[-600:]}")
    check_is_image(disk, raw, bench.work)


PACKED = {"raw": lambda d: d, "gz": lambda d: gzip.compress(d, 1), "xz": lambda d: lzma.compress(d, preset=0), "zst": run_zstd}


@pytest.mark.parametrize("form", PACKED)
def test_an_image_at_an_address_is_written(bench, image, form):
    raw = image[0]
    data = PACKED[form](raw)
    done, disk = deploy(bench, old_disk(bench, len(raw) + 8 * MIB), **by_url(bench, data, sha256=hashlib.sha256(data).hexdigest()))
    check_equal((done["result"], done["figures"]["verified"]), ("ok", True), f"{done} {bench.log()[-600:]}")
    check_is_image(disk, raw, bench.work)


def test_without_a_sum_it_is_said_loudly(bench, image):
    raw, packed = image
    done, disk = deploy(bench, old_disk(bench, len(raw)), **by_url(bench, packed))
    check_equal((done["result"], done["figures"]["verified"]), ("ok", False), f"{done}")
    check("nobody has verified" in done["text"] and "nobody has verified" in bench.log(), f"{done} {bench.log()}")
    check_is_image(disk, raw, bench.work)


def test_a_line_that_is_cut_goes_on_where_it_was(bench, image):
    raw, packed = image
    bench.cut_after = len(packed) // 3
    done, disk = deploy(bench, old_disk(bench, len(raw)), image=bench.image(len(raw), data=packed))
    check_equal(done["result"], "ok", f"{done} {bench.log()[-600:]}")
    check(bench.requests >= 4 and done["figures"]["retries"] >= 2, f"{bench.requests} requests, {done}")
    check_is_image(disk, raw, bench.work)


def damaged(data, at=0.6):
    at = int(len(data) * at)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


WRONG = {  # the order's arguments of (bench, raw, packed), and the reason
    "a slice that is damaged": (lambda b, raw, packed: {"image": served(b, raw, packed, damaged(packed))}, "wrong SHA-256"),
    "an image that is cut short": (lambda b, raw, packed: {"image": served(b, raw, packed, packed[:len(packed) // 2])}, "bytes"),
    "a file with another sum": (lambda b, raw, packed: by_url(b, damaged(raw), sha256=hashlib.sha256(raw).hexdigest()),
        "not the one that was told"),
    "a file that is cut short": (lambda b, raw, packed: by_url(b, gzip.compress(raw, 1)[:-len(packed) // 3]), ""),
    "no compressed file": (lambda b, raw, packed: by_url(b, b"\x1f\x8b\x08" + os.urandom(3 * MIB)), ""),
    "larger than it says": (lambda b, raw, packed: {"image": b.image(len(raw) - MIB, data=packed)}, "more than the"),
    "an archive": (lambda b, raw, packed: {"image": b.image(len(raw), data=packed, format="tar.zst")}, "no image of a whole disk"),
    "nothing": (lambda b, raw, packed: {"image": {"image": "made", "url": f"http://{SERVER}:{PORT}/files/none"}}, "404"),
    "an address without a file": (lambda b, raw, packed: {"url": f"http://{SERVER}:{PORT}/files/none"}, "404"),
}
UNTOUCHED = ("an archive", "nothing", "an address without a file")


def served(bench, raw, packed, other):
    """What the server has is another than its manifest says."""
    told = bench.image(len(raw), data=packed)
    for path in bench.files:
        if path.endswith("disk.raw.zst"):
            bench.files[path] = other
    return told


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_and_never_boots(bench, image, what):
    make, says = WRONG[what]
    path = old_disk(bench, len(image[0]) + 8 * MIB)
    with open(path, "rb") as f:
        before = f.read()
    done, disk = deploy(bench, path, **make(bench, *image))
    check_equal(done["result"], "failed", f"{done}")
    check(says in done["text"], done["text"])
    if what in UNTOUCHED:
        check(disk == before, "the disk was written to")
        return
    check("holds no system any more" in done["text"], done["text"])
    check(not any(disk[:MIB]) and not any(disk[-MIB:]), "something is in the first or the last MiB")


@pytest.mark.parametrize("how", ("name", "raw", "zst"))
def test_one_that_is_too_large_is_refused_before_the_first_write(bench, image, how):
    raw, packed = image
    path = old_disk(bench, len(raw) - MIB)
    with open(path, "rb") as f:
        before = f.read()
    with open(os.path.join(bench.work, "raw"), "wb") as f:
        f.write(raw)
    sized = subprocess.run(["zstd", "-q", "-1", "-c", f.name], stdout=subprocess.PIPE, check=True).stdout
    args = {"image": bench.image(len(raw), data=packed)} if how == "name" else by_url(bench, raw if how == "raw" else sized)
    done, disk = deploy(bench, path, **args)
    check_equal(done["result"], "failed", f"{done}")
    check("nothing was written" in done["text"], done["text"])
    check(disk == before, "the disk was written to")


def test_one_whose_size_is_not_known_ends_at_the_end_of_the_disk(bench, image):
    raw = image[0]
    done, disk = deploy(bench, old_disk(bench, len(raw) - MIB), **by_url(bench, gzip.compress(raw, 1)))
    check_equal(done["result"], "failed", f"{done}")
    check("smaller than the disk image" in done["text"], done["text"])
    check(not any(disk[:MIB]) and not any(disk[-MIB:]), "something is in the first or the last MiB")


def test_a_backup_comes_back_as_it_was(bench):
    disk = MadeDisk(bench.work, 6, ("ext4", "vfat 16", "unknown"))
    with bench.loop(disk.path) as name:
        bench.start_agent()
        done = bench.order("backup", name="made", disk=bench.disk(name))
        check_equal(done["result"], "ok", f"{done}")
    with open(bench.raw(os.path.join(bench.work, "raw")), "rb") as f:
        raw = f.read()
    done, back = deploy(bench, old_disk(bench, disk.bytes), image=bench.image(disk.bytes))
    check_equal(done["result"], "ok", f"{done}")
    check(back == raw, "what came back is another")
    check_equal(len(bench.slices[0]) <= SLICE, True, "a slice")


def partitions(path, sector):
    """[(offset, bytes, what is in it)] as sfdisk reads them of such a device; and what sgdisk says."""
    with attached(path, sector) as name:
        table = json.loads(run("sfdisk", "-J", f"/dev/{name}"))["partitiontable"]
        said = run("sgdisk", "-v", f"/dev/{name}")
    check_equal(table["sectorsize"], sector, "bytes of a sector")
    places = [(p["start"] * sector, p["size"] * sector) for p in table["partitions"]]
    return [(at, size, inside(path, sector, at, size)) for at, size in places], said


def inside(path, sector, at, size):
    """The names in the file system there, which the kernel mounts from a device with such sectors."""
    device = run("losetup", "-f", "--show", "--sector-size", str(sector), "-o", str(at), "--sizelimit", str(size), path).strip()
    where = tempfile.mkdtemp(dir=scope.tempdir())
    try:
        run("mount", "-o", "ro", device, where)
        names = sorted(os.path.join(folder, f) for folder, _, files in os.walk(where) for f in files)
        run("umount", where)
        return [n.removeprefix(where) for n in names]
    finally:
        run("losetup", "-d", device)


@pytest.mark.parametrize("more", (0, 40 * MIB))
def test_a_disk_with_sectors_of_4096_bytes_comes_back(bench, more):
    """The kernel finds its partitions on another such disk and mounts them, also where that is larger."""
    disk = MadeDisk(bench.work, 8, ("ext4", "xfs", "btrfs"), "gpt", sector=4096)
    with bench.loop(disk.path, 4096) as name:
        bench.start_agent()
        done = bench.order("backup", name="made", disk=bench.disk(name))
        check_equal(done["result"], "ok", f"{done}")
    path = old_disk(bench, disk.bytes + more)
    done, _ = deploy(bench, path, 4096, image=bench.image(disk.bytes, sector_bytes=4096))
    check_equal(done["result"], "ok", f"{done} {bench.log()[-600:]}")
    was, _ = partitions(disk.path, 4096)
    now, said = partitions(path, 4096)
    check_equal(now, was, "partitions and what is in them")
    check(len(now) == 3 and all(len(names) > 10 for _, _, names in now), f"{now}")
    check("No problems found" in said, said)


@pytest.mark.parametrize("how", ("name", "raw", "zst"))
@pytest.mark.parametrize("of, on", ((512, 4096), (4096, 512)), ids=str)
def test_a_disk_with_other_sectors_than_the_images_is_refused(bench, of, on, how):
    disk = MadeDisk(bench.work, 4, ("ext4", "unknown"), "gpt", sector=of)
    with open(disk.path, "rb") as f:
        raw = f.read()
    packed = run_zstd(raw)
    path = old_disk(bench, len(raw) + 8 * MIB)
    with open(path, "rb") as f:
        before = f.read()
    if how == "name":
        args = {"image": bench.image(len(raw), data=packed, **({} if of == 512 else {"sector_bytes": of}))}
    else:
        args = by_url(bench, raw if how == "raw" else packed)
    done, after = deploy(bench, path, on, **args)
    check_equal(done["result"], "failed", f"{done}")
    check(f"sectors of {of} bytes" in done["text"] and f"has sectors of {on}" in done["text"], done["text"])
    if how == "name":
        check("nothing was written" in done["text"], done["text"])
        check(after == before, "the disk was written to")
    else:
        check(not any(after[:MIB]) and not any(after[-MIB:]), "something is in the first or the last MiB")


def test_an_mbr_does_not_say_its_sectors_and_is_taken_for_512(bench):
    disk = MadeDisk(bench.work, 4, ("ext4", "unknown"), "dos")
    with open(disk.path, "rb") as f:
        raw = f.read()
    done, after = deploy(bench, old_disk(bench, len(raw)), 4096, **by_url(bench, raw))
    check(done["result"] == "failed" and "sectors of 512 bytes" in done["text"], f"{done}")
    check(not any(after[:MIB]) and not any(after[-MIB:]), "something is in the first or the last MiB")
