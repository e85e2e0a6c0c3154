#!/usr/bin/python3
"""test_dropin.py - the built stack image run as pvmlab runs its own, with its files and folders.

The network namespace of a container stands for its provisioner VM: an interface enp0s2 that has the
lab's addresses already, and a stack started with --network host and --privileged, without INTERFACE
and without a volume for /state. Needs the image pxeboot_stack:latest and ip(8). Run as root.
"""
import gzip
import json
import os
import re
import shutil
import sys
import time

import dhcp
import dns
import http_client
import netns
import small_image
from harness import (ROOT, Suite, check, check_equal, docker, eventually, run)
from lab import STACK_IMAGE, Lab

suite = Suite("dropin", __doc__)
SERVER = "192.168.105.1"
SERVER6 = "fd00:cafe:babe::1"
KEY = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7vbqajDhA1jZ3ZQ8V3tA2oRPxF8a1C0W0yZ5gq8vV pvmlab"
TARGET, CAPITALS, DISK, KERNEL, RIVAL = (f"52:54:00:d1:0b:{n:02x}" for n in range(1, 6))
DISTRO, VERSION = "ubuntu-24.04", "6.8.0-87-generic"
UP = "pvmlab's docker run starts the image"


class ProvisionerVm(Lab):
    """Where pvmlab runs its stack, and how."""

    bridge = "enp0s2"
    server = SERVER
    _powers = None

    def start_net(self):
        docker("run", "-d", "--name", self.net, "--label", f"vmlab.lab={self.name}", "--network", "none",
            "--sysctl", "net.ipv6.conf.all.disable_ipv6=0", "--sysctl", "net.ipv6.conf.default.disable_ipv6=0",
            "--entrypoint", "/bin/sleep", "--no-healthcheck", STACK_IMAGE, "infinity")
        with self.inside():
            run(["ip", "link", "add", "enp0s2", "type", "bridge", "forward_delay", "0"])
            run(["ip", "addr", "add", f"{SERVER}/24", "dev", "enp0s2"])
            run(["ip", "addr", "add", f"{SERVER6}/64", "dev", "enp0s2", "nodad"])
            run(["ip", "link", "set", "enp0s2", "up"])
            run(["ip", "link", "set", "lo", "up"])

    def stack_args(self, name, env=()):
        args = ["--mount", f"type=bind,source={self.vms},target=/mnt/host/vms",
            "--mount", f"type=bind,source={self.images},target=/www/images",
            "-v", f"{self.api_dir}:/run/operator"] # for the questions of this test only
        for item in [*env, "GUEST_ACCESS=any"]: # one place asks for every machine
            args += ["-e", item]
        # --net=host there; here the namespace that stands for that host.
        return args + ["--name", name, "--label", f"vmlab.lab={self.name}",
            f"--net=container:{self.net}", *self.powers()]

    def powers(self):
        """pvmlab says --privileged; where this machine has not got that to give, what the stack needs."""
        if self._powers is None:
            done = docker("run", "--rm", "--privileged", "--network", "none", "--entrypoint", "/bin/true",
                STACK_IMAGE, check_rc=False)
            self._powers = ["--privileged"] if done.returncode == 0 else \
                ["--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW"]
        return self._powers


lab = ProvisionerVm(suite, "dropin")
client = None
state = {}
ENV = [f"PROVISIONER_IP={SERVER}", "DHCP_RANGE_START=192.168.105.100", "DHCP_RANGE_END=192.168.105.200",
    "DHCP_RANGE_V6_START=::64", "DHCP_RANGE_V6_END=::c8"]


def created(name, role="target", **fields):
    """vms/<name>.json as pvmlab's tool writes it: what is empty or false is left out."""
    fields = {"name": name, "role": role, "arch": "x86_64", "subnet": "192.168.105.0/24", **fields}
    lab.write(f"{name}.json", json.dumps({k: v for k, v in fields.items() if v}, indent=2))


def ask(path, **kwargs):
    with client.inside():
        return http_client.request(SERVER, path, **kwargs)


def script(mac):
    answer = ask(f"/ipxe?mac={mac}")
    check_equal(answer.status, 200, "status of /ipxe")
    return answer.text


def readyz():
    return lab.operator("/readyz").json


@suite.test(UP)
def _():
    global client
    image = os.path.join(lab.images, DISTRO, "x86_64")
    os.makedirs(image)
    for name in (f"vmlinuz-{VERSION}", f"initrd.img-{VERSION}", "modules.cpio.gz"):
        with open(os.path.join(image, name), "w") as f:
            f.write(name + "\n")
    lab.make_image()
    created("provisioner", role="provisioner", ip=SERVER, mac="52:54:00:d1:0b:ff", ssh_port=40022,
        docker_images_path="/Users/me/.pvmlab/docker_images", vms_path="/Users/me/.pvmlab/vms", ssh_key=KEY)
    files = {"kernel": f"vmlinuz-{VERSION}", "initrd": f"initrd.img-{VERSION}", "distro": DISTRO,
        "ssh_key": KEY + "\n"}
    created("target1", ip="192.168.105.2", ipv6="fd00:cafe:babe::2", subnetv6="fd00:cafe:babe::/64",
        mac=TARGET, pxeboot=True, **files)
    created("My_VM.1", ip="192.168.105.3", mac=CAPITALS, pxeboot=True, distro="debian-13", ssh_key=KEY)
    created("disk", ip="192.168.105.4", mac=DISK, ssh_key=KEY)
    created("own-kernel", ip="192.168.105.5", mac=KERNEL, **files)
    lab.start(ENV)
    client = lab.client(suite, "client", cidr="192.168.105.99/24")


@suite.test("it serves the interface that has the address", needs=[UP])
def _():
    check("enp0s2 has PROVISIONER_IP=192.168.105.1" in docker("logs", lab.stack).stdout,
        lambda: docker("logs", lab.stack).stdout[-2000:])


def address6(label, mac):
    c = netns.Client(f"dropin-{label}", mac=mac)
    suite.cleanup(c.close)
    c.plug(lab.net_pid(), lab.bridge)
    eventually(lambda: "tentative" not in (o := c.run(["ip", "-6", "addr", "show", "dev", "eth0"]).stdout)
        and "fe80" in o, 8, "the client has a link-local address")
    with c.inside():
        address = dhcp.solicit6(mac, timeout=8)
    c.close()
    return address


@suite.test("machines get their addresses, no router, and the given range", needs=[UP])
def _():
    offer = lab.offer(client, TARGET, arch=7)
    check(offer, "no offer")
    check_equal((offer.yiaddr, offer.file), ("192.168.105.2", "ipxe-x86_64.efi"), "offer")
    check(3 not in offer.options, f"a router was given: {offer.options.get(3)}")
    check_equal(offer.address(6), SERVER, "name server")
    stranger = lab.offer(client, "52:54:00:d1:0b:77", arch=7, timeout=8)
    check(stranger and 100 <= int(stranger.yiaddr.split(".")[3]) <= 200,
        f"a stranger got {stranger and stranger.yiaddr}")
    check(3 not in stranger.options, "a stranger was given a router")
    check_equal(address6("six", TARGET), "fd00:cafe:babe::2", "declared IPv6 address")
    other = address6("seven", "52:54:00:d1:0b:78")
    check(other and 0x64 <= int(other.rsplit(":", 1)[1], 16) <= 0xc8, f"a stranger's IPv6 address: {other}")


@suite.test("pvmlab's own machine is skipped with a note", needs=[UP])
def _():
    notes = lab.problems("provisioner.json")
    check_equal([n["warning"] for n in notes], [True], "warnings")
    check("skipped" in notes[0]["text"], notes[0]["text"])
    check_equal(lab.vm("provisioner"), None, "a machine named provisioner")
    check_equal([p for p in lab.problems() if not p["warning"]], [], "problems")


@suite.test("a missing state volume is told in the log, by health and by /readyz", needs=[UP])
def _():
    log = docker("logs", lab.stack).stdout
    check("warning: /state is a volume without a name" in log, log[-2000:])
    answer = readyz()
    check_equal((answer["ready"], answer["reasons"]), (True, []), "ready")
    check("/state is a volume without a name" in answer["warnings"][0], answer)
    check("warning: /state is a volume" in lab.exec("/usr/lib/vmlab/healthcheck.py").stdout, "health")


@suite.test("a name with capitals, '_' and '.' is a host name on the network and itself elsewhere", needs=[UP])
def _():
    offer = lab.offer(client, CAPITALS, arch=7)
    check_equal((offer.yiaddr, offer.hostname), ("192.168.105.3", "my-vm-1"), "offer")
    with client.inside():
        check_equal(dns.ask(SERVER, "my-vm-1.pvmlab.local"), (0, ["192.168.105.3"]), "DNS")
    meta = ask("/cloud-init/My_VM.1/meta-data")
    check_equal((meta.status, meta.json["local-hostname"]), (200, "my-vm-1.pvmlab.local"), "meta-data")
    check("initrd.mode=install" in script(CAPITALS), script(CAPITALS))
    config = ask(f"/config/{CAPITALS}").json
    check_equal((config["name"], config["hostname"]), ("My_VM.1", "my-vm-1"), "config")
    check_equal(lab.vm("My_VM.1")["hostname"], "my-vm-1", "API")
    check_equal(lab.api("/api/v1/vms/My_VM.1/local", method="POST")["name"], "My_VM.1", "an order")


@suite.test("two names that become one host name are told, and the first stays", needs=[UP])
def _():
    created("my-vm-1", ip="192.168.105.6", mac=RIVAL, pxeboot=True, distro="debian-13", ssh_key=KEY)
    said = eventually(lambda: lab.problems("my-vm-1.json"), 5, "a problem of my-vm-1.json")
    check("becomes the host name my-vm-1, and so does My_VM.1" in said[0]["text"], said)
    check(lab.vm("My_VM.1"), "My_VM.1 is gone")
    lab.undefine("my-vm-1.json")


@suite.test("without \"pxeboot\" a machine boots its disk, or its own kernel", needs=[UP])
def _():
    text = script(DISK)
    check("sanboot" in text and "kernel " not in text, text)
    text = script(KERNEL)
    url = re.search(r"^kernel (\S+)", text, re.M)
    check(url and "initrd.mode" not in text, text)
    for found in (url[1], re.search(r"^initrd (\S+)", text, re.M)[1]):
        check_equal(ask(found.split(SERVER, 1)[1]).text, found.rsplit("/", 1)[1] + "\n", found)


@suite.test("files have pvmlab's addresses and ours, whoever made the image", needs=[UP])
def _():
    for arch in "x86_64", "amd64":
        for name in f"vmlinuz-{VERSION}", "modules.cpio.gz":
            check_equal(ask(f"/images/{DISTRO}/{arch}/{name}").text, name + "\n", f"{arch}/{name}")
        check_equal(ask(f"/images/{DISTRO}/{arch}/modules.cpio.zst").text, "modules.cpio.gz\n", arch)
        check_equal(ask(f"/images/{DISTRO}/{arch}/vmlinuz").status, 404, "a kernel that is not there")
        ours = ask(f"/images/debian-13/{arch}/modules.cpio.gz")
        check_equal((ours.status, len(ours.body)), (200, 20000), "our modules by pvmlab's name")
        for hidden in "..%2f..%2fetc/passwd", ".hidden", "../../../etc/passwd":
            check_equal(ask(f"/images/{DISTRO}/{arch}/{hidden}").status in (400, 404), True, hidden)
    for ours, theirs in ("amd64", "x86_64"), ("arm64", "aarch64"):
        check_equal(ask(f"/initrds/{theirs}/initrd.gz").body, ask(f"/initrds/{ours}/initrd.zst").body, theirs)


# ---- an image that pvmlab's tool pulled -------------------------------------------------------------

PULLED, PULLER = "ubuntu-22.04", "52:54:00:d1:0b:06"
ROOTFS = os.path.join(lab.images, PULLED, "x86_64", "rootfs.tar.gz")
PULL = "while its rootfs.tar.gz is being pulled, the machine waits and says so"
ADOPTED = "what pvmlab's tool pulled is installed as it is"
CHANGED = "a rootfs that changed is read again, and its old digests are not given out meanwhile"
CUT = "a rootfs that is cut short, or unreadable, is told in a sentence; a good one then installs"


def put(data, old=True):
    """Written in place, as `gzip > rootfs.tar.gz` does; old: long ago."""
    with open(ROOTFS, "wb") as f:
        f.write(data)
    if old:
        when = time.time() - 3600 - len(data) % 97
        os.utime(ROOTFS, (when, when))


def waits(words, seconds=20):
    """The outlook of the machine once it says so."""
    look = lab.wait_vm("puller", seconds, lambda vm: vm["state"] == "waiting" and words in vm["outlook"]["reason"],
        f"waits: {words}")["outlook"]
    text = script(PULLER)
    check(words in text and "\nkernel " not in text, lambda: f"/ipxe: {text}")
    return look


def installs():
    return "initrd.mode=install" in script(PULLER)


def served(name, arch="amd64"):
    answer = ask(f"/images/{PULLED}/{arch}/{name}")
    check_equal(answer.status, 200, name)
    return answer.body


@suite.test(PULL, needs=[UP])
def _():
    os.makedirs(os.path.dirname(ROOTFS))
    put(b"", old=False)
    created("puller", ip="192.168.105.7", mac=PULLER, pxeboot=True, distro=PULLED, kernel=f"vmlinuz-{VERSION}",
        initrd=f"initrd.img-{VERSION}", ssh_key=KEY)
    look = waits("its rootfs.tar.gz is being written")
    check("by itself" in look["hint"], look)
    whole = gzip.compress(small_image.make_importable(VERSION, blob=300000), 1)
    put(whole[:len(whole) // 2], old=False)
    waits("its rootfs.tar.gz is being written")
    put(whole, old=False)
    check(not installs(), "it installs what was written this moment")
    state["rootfs"] = whole


@suite.test(ADOPTED, needs=[PULL])
def _():
    put(state["rootfs"])
    untouched = lambda: (lambda st: (st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns))(os.stat(ROOTFS))
    before = untouched()
    eventually(installs, 20, "/ipxe says install")
    config = ask(f"/config/{PULLER}").json
    rootfs = config["rootfs"]
    check_equal((rootfs["file"], rootfs["format"], rootfs["size_bytes"], rootfs["sha256"], config["kernel_version"]),
        ("rootfs.tar.gz", "tar.gz", len(state["rootfs"]), small_image.sha256(state["rootfs"]), VERSION), "manifest")
    data = ask(config["rootfs_url"].split(SERVER, 1)[1]).body
    step = rootfs["chunk_bytes"]
    check_equal([small_image.sha256(data[i:i + step]) for i in range(0, len(data), step)], rootfs["chunks"],
        "slices of what is served")
    for arch in "amd64", "x86_64":
        check_equal(served("vmlinuz", arch), b"the kernel\n", f"{arch}: kernel")
        check_equal(served("modules.cpio.zst", arch)[:4], b"\x28\xb5\x2f\xfd", f"{arch}: modules")
    check_equal(os.listdir(os.path.dirname(ROOTFS)), ["rootfs.tar.gz"], "the user's folder")
    check_equal(untouched(), before, "the user's file")
    made = f"cd /state/images/{PULLED} && ls -A . amd64"
    eventually(lambda: lab.exec("/bin/sh", "-c", made).stdout.split() == [".:", "amd64", "amd64:", "manifest.json",
        "modules.cpio.zst", "vmlinuz"], 5, "only what is not in the user's folder was made")


@suite.test(CHANGED, needs=[ADOPTED])
def _():
    other = gzip.compress(small_image.make_importable("6.8.0-99-generic", kernel=b"newer\n", blob=200000), 1)
    put(other)
    def settled():
        config = ask(f"/config/{PULLER}")
        if config.status != 200:
            return False
        check_equal(config.json["rootfs"]["sha256"], small_image.sha256(other), "digest that is given out")
        return config.json
    time.sleep(1.1) # what a look at an image is good for
    config = eventually(settled, 20, "it is read again")
    check_equal((config["kernel_version"], served("vmlinuz")), ("6.8.0-99-generic", b"newer\n"), "kernel")
    # Another file of the same size and time.
    st = os.stat(ROOTFS)
    twin = bytearray(other)
    twin[4] ^= 1 # gzip's time stamp
    with open(ROOTFS + ".new", "wb") as f:
        f.write(twin)
    os.utime(ROOTFS + ".new", ns=(st.st_mtime_ns, st.st_mtime_ns))
    os.rename(ROOTFS + ".new", ROOTFS)
    eventually(lambda: ask(f"/config/{PULLER}").json["rootfs"]["sha256"] == small_image.sha256(twin), 20,
        "the other file is read")


@suite.test(CUT, needs=[CHANGED])
def _():
    whole = state["rootfs"]
    put(whole[:-2000])
    look = waits("its rootfs.tar.gz cannot be used: the file is cut short")
    check("put a good one in its place" in look["hint"], look)
    put(gzip.compress(small_image.make_tar(100000), 1))
    look = waits("modules")
    put(gzip.compress(b"no archive at all" * 1000, 1))
    waits("this is not a tarball")
    put(whole)
    os.chmod(ROOTFS, 0o600)
    look = waits("Permission denied")
    check("chmod" in look["hint"], look)
    os.chmod(ROOTFS, 0o644)
    put(whole) # a change: at once, not at the next try
    os.utime(ROOTFS, (1, 1))
    eventually(installs, 20, "it installs")


@suite.test("what was made outlives the container's restart, and goes with the folder", needs=[CUT])
def _():
    stamp = ["stat", "-c", "%i %Y", f"/state/images/{PULLED}/amd64/manifest.json"]
    before = lab.exec(*stamp).stdout
    docker("restart", "-t", "3", lab.stack)
    lab.wait_serving()
    check(installs(), "it does not install after a restart")
    time.sleep(5)
    check_equal(lab.exec(*stamp).stdout, before, "the manifest was made again")
    shutil.rmtree(os.path.join(lab.images, PULLED))
    eventually(lambda: lab.exec("ls", "-A", "/state/images").stdout == "", 10, "what was made is gone")
    look = waits("there is no manifest.json")
    check("vmlab image import" in look["hint"], look)


# ---- settings ----------------------------------------------------------------------------------

def refused(label, words, env):
    """The container ends by itself, with one sentence that has these words."""
    name = f"{lab.name}-{label}"
    suite.cleanup(lambda: run(["docker", "rm", "-f", "-v", name], check_rc=False))
    done = docker("run", *lab.stack_args(name, env), STACK_IMAGE, check_rc=False, timeout=30)
    said = done.stdout + done.stderr
    check(done.returncode != 0, f"it started with {env}")
    for word in words:
        check(word in said, f"{env}: {said!r} does not say {word!r}")


@suite.test("what cannot be is refused with a sentence", needs=[UP])
def _():
    at = f"PROVISIONER_IP={SERVER}"
    refused("nowhere", ["10.9.8.7 is not an address of any interface", "enp0s2 192.168.105.1/24"],
        ["PROVISIONER_IP=10.9.8.7"])
    refused("text", ["is no IPv4 address"], ["PROVISIONER_IP=$(reboot)"])
    refused("half", ["DHCP_RANGE_END", "both"], [at, "DHCP_RANGE_START=192.168.105.100"])
    refused("twice", ["both set"], [at, "DHCP_RANGE=static", *ENV[1:3]])
    refused("outside", ["10.0.0.1 is not an address for machines"],
        [at, "DHCP_RANGE_START=10.0.0.1", "DHCP_RANGE_END=192.168.105.200"])
    refused("router", ["ROUTER='10.0.0.1'"], [at, "ROUTER=10.0.0.1"])
    refused("v6", ["DHCP_RANGE_V6_START"], [at, "DHCP_RANGE_V6_START=x", "DHCP_RANGE_V6_END=::c8"])


@suite.test("the router is whom the user says", needs=[UP])
def _():
    for said, wanted in ("self", SERVER), ("192.168.105.254", "192.168.105.254"):
        docker("rm", "-f", "-v", lab.stack)
        lab.start_stack([*ENV, f"ROUTER={said}"])
        lab.wait_serving()
        check_equal(lab.offer(client, TARGET, arch=7).address(3), wanted, f"ROUTER={said}: router")


@suite.test("docker/README.md, --help and code know the same environment variables")
def _():
    said = docker("run", "--rm", STACK_IMAGE, "--help").stdout
    helped = set(re.findall(r"^  ([A-Z][A-Z0-9_]+)\b", said, re.M))
    with open(os.path.join(ROOT, "docker", "README.md")) as f:
        table = set(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", f.read(), re.M))
    check_equal(table, helped, "docker/README.md's table")
    stack = os.path.join(ROOT, "docker", "stack")
    with open(os.path.join(stack, "entrypoint.sh")) as f:
        shell = set(re.findall(r"\$\{([A-Z][A-Z0-9_]+)-", f.read()))
    check(shell <= helped, f"entrypoint.sh reads {shell - helped}")
    # settings.py itself fails when it reads another than its table lists.
    with open(os.path.join(stack, "settings.py")) as f:
        code = f.read().split("TEMPLATES = ", 1)[1]
    read = {name for name in helped if re.search(rf'"{name}"', code)}
    check_equal(read | shell, helped, "variables that are read")


if __name__ == "__main__":
    sys.exit(suite.main())
