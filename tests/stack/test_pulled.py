"""An image that pvmlab's tool pulled: installed as it is, and while it changes."""
import gzip
import os
import shutil
import time

from kit import small_image
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.pvmlab_lab import KEY, SERVER, VERSION
from kit.scope import needs

PULLED, PULLER = "ubuntu-22.04", "52:54:00:d1:0b:06"
state = {}


def tarball(pvmlab):
    return os.path.join(pvmlab.images, PULLED, "x86_64", "rootfs.tar.gz")


def put(pvmlab, data, old=True):
    """Written in place, as `gzip > rootfs.tar.gz` does; old: long ago."""
    with open(tarball(pvmlab), "wb") as f:
        f.write(data)
    if old:
        when = time.time() - 3600 - len(data) % 97
        os.utime(tarball(pvmlab), (when, when))


def waits(pvmlab, words, seconds=20):
    """The outlook of the machine once it says so."""
    look = pvmlab.wait_vm("puller", seconds, lambda vm: vm["state"] == "waiting" and words in vm["outlook"]["reason"],
        f"waits: {words}")["outlook"]
    text = pvmlab.script(PULLER)
    check(words in text and "\nkernel " not in text, lambda: f"/ipxe: {text}")
    return look


def installs(pvmlab):
    return "initrd.mode=install" in pvmlab.script(PULLER)


def served(pvmlab, name, arch="amd64"):
    answer = pvmlab.ask(f"/images/{PULLED}/{arch}/{name}")
    check_equal(answer.status, 200, name)
    return answer.body


def test_while_its_rootfs_tar_gz_is_being_pulled_the_machine_waits_and_says_so(pvmlab):
    os.makedirs(os.path.dirname(tarball(pvmlab)))
    put(pvmlab, b"", old=False)
    pvmlab.created("puller", ip="192.168.105.7", mac=PULLER, pxeboot=True, distro=PULLED, kernel=f"vmlinuz-{VERSION}",
        initrd=f"initrd.img-{VERSION}", ssh_key=KEY)
    look = waits(pvmlab, "its rootfs.tar.gz is being written")
    check("by itself" in look["hint"], look)
    whole = gzip.compress(small_image.make_importable(VERSION, blob=300000), 1)
    put(pvmlab, whole[:len(whole) // 2], old=False)
    waits(pvmlab, "its rootfs.tar.gz is being written")
    put(pvmlab, whole, old=False)
    check(not installs(pvmlab), "it installs what was written this moment")
    state["rootfs"] = whole


@needs(test_while_its_rootfs_tar_gz_is_being_pulled_the_machine_waits_and_says_so)
def test_what_pvmlabs_tool_pulled_is_installed_as_it_is(pvmlab):
    put(pvmlab, state["rootfs"])
    untouched = lambda: (lambda st: (st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns))(os.stat(tarball(pvmlab)))
    before = untouched()
    eventually(lambda: installs(pvmlab), 20, "/ipxe says install")
    config = pvmlab.ask(f"/config/{PULLER}").json
    rootfs = config["rootfs"]
    check_equal((rootfs["file"], rootfs["format"], rootfs["size_bytes"], rootfs["sha256"], config["kernel_version"]),
        ("rootfs.tar.gz", "tar.gz", len(state["rootfs"]), small_image.sha256(state["rootfs"]), VERSION), "manifest")
    data = pvmlab.ask(config["rootfs_url"].split(SERVER, 1)[1]).body
    step = rootfs["chunk_bytes"]
    check_equal([small_image.sha256(data[i:i + step]) for i in range(0, len(data), step)], rootfs["chunks"],
        "slices of what is served")
    for arch in "amd64", "x86_64":
        check_equal(served(pvmlab, "vmlinuz", arch), b"the kernel\n", f"{arch}: kernel")
        check_equal(served(pvmlab, "modules.cpio.zst", arch)[:4], b"\x28\xb5\x2f\xfd", f"{arch}: modules")
    check_equal(os.listdir(os.path.dirname(tarball(pvmlab))), ["rootfs.tar.gz"], "the user's folder")
    check_equal(untouched(), before, "the user's file")
    made = f"cd /state/images/{PULLED} && ls -A . amd64"
    eventually(lambda: pvmlab.exec("/bin/sh", "-c", made).stdout.split() == [".:", "amd64", "amd64:", "manifest.json",
        "modules.cpio.zst", "vmlinuz"], 5, "only what is not in the user's folder was made")


@needs(test_what_pvmlabs_tool_pulled_is_installed_as_it_is)
def test_a_rootfs_that_changed_is_read_again_and_its_old_digests_are_not_given_out_meanwhile(pvmlab):
    other = gzip.compress(small_image.make_importable("6.8.0-99-generic", kernel=b"newer\n", blob=200000), 1)
    put(pvmlab, other)
    def settled():
        config = pvmlab.ask(f"/config/{PULLER}")
        if config.status != 200:
            return False
        check_equal(config.json["rootfs"]["sha256"], small_image.sha256(other), "digest that is given out")
        return config.json
    time.sleep(1.1) # what a look at an image is good for
    config = eventually(settled, 20, "it is read again")
    check_equal((config["kernel_version"], served(pvmlab, "vmlinuz")), ("6.8.0-99-generic", b"newer\n"), "kernel")
    # Another file of the same size and time.
    st = os.stat(tarball(pvmlab))
    twin = bytearray(other)
    twin[4] ^= 1 # gzip's time stamp
    with open(tarball(pvmlab) + ".new", "wb") as f:
        f.write(twin)
    os.utime(tarball(pvmlab) + ".new", ns=(st.st_mtime_ns, st.st_mtime_ns))
    os.rename(tarball(pvmlab) + ".new", tarball(pvmlab))
    eventually(lambda: pvmlab.ask(f"/config/{PULLER}").json["rootfs"]["sha256"] == small_image.sha256(twin), 20,
        "the other file is read")


@needs(test_a_rootfs_that_changed_is_read_again_and_its_old_digests_are_not_given_out_meanwhile)
def test_a_rootfs_that_is_cut_short_or_unreadable_is_told_in_a_sentence_a_good_one_then_installs(pvmlab):
    whole = state["rootfs"]
    put(pvmlab, whole[:-2000])
    look = waits(pvmlab, "its rootfs.tar.gz cannot be used: the file is cut short")
    check("put a good one in its place" in look["hint"], look)
    put(pvmlab, gzip.compress(small_image.make_tar(100000), 1))
    look = waits(pvmlab, "modules")
    put(pvmlab, gzip.compress(b"no archive at all" * 1000, 1))
    waits(pvmlab, "this is not a tarball")
    put(pvmlab, whole)
    os.chmod(tarball(pvmlab), 0o600)
    look = waits(pvmlab, "Permission denied")
    check("chmod" in look["hint"], look)
    os.chmod(tarball(pvmlab), 0o644)
    put(pvmlab, whole) # a change: at once, not at the next try
    os.utime(tarball(pvmlab), (1, 1))
    eventually(lambda: installs(pvmlab), 20, "it installs")


@needs(test_a_rootfs_that_is_cut_short_or_unreadable_is_told_in_a_sentence_a_good_one_then_installs)
def test_what_was_made_outlives_the_containers_restart_and_goes_with_the_folder(pvmlab):
    stamp = ["stat", "-c", "%i %Y", f"/state/images/{PULLED}/amd64/manifest.json"]
    before = pvmlab.exec(*stamp).stdout
    docker("restart", "-t", "3", pvmlab.stack)
    pvmlab.wait_serving()
    check(installs(pvmlab), "it does not install after a restart")
    time.sleep(5)
    check_equal(pvmlab.exec(*stamp).stdout, before, "the manifest was made again")
    shutil.rmtree(os.path.join(pvmlab.images, PULLED))
    eventually(lambda: pvmlab.exec("ls", "-A", "/state/images").stdout == "", 10, "what was made is gone")
    look = waits(pvmlab, "there is no manifest.json")
    check("vmlab image import" in look["hint"], look)
