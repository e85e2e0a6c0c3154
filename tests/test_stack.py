#!/usr/bin/python3
"""test_stack.py - the built stack image in its own network, asked by real DHCP, TFTP and HTTP clients.

Needs the image pxeboot_stack:latest, ip(8) and busybox (udhcpc, tftp). Run as root.
"""
import http.client
import json
import os
import re
import signal
import socket
import sys
import time

import dhcp
import dns
import http_client
import netns
from harness import (DOCKER, Suite, check, check_equal, docker, eventually, fail, have_command,
    have_image, run, skip)
from lab import DAEMONS, SERVER, STACK_IMAGE, Lab

suite = Suite("stack", __doc__)
lab = Lab(suite, access="own")

BASE = f"http://{SERVER}"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3qNw6yT0aBQ0Qdl4f2mTm7aK1r5wD3sXj8oZ9pV7bT"
OPERATOR_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGo1v8bVn2yqQm0sZ7kTqf0t3hR9cLx5uJwE4dPa6iXo operator@test"
ALPHA, ARM, GAMMA, BIOS, LOCAL, SHELL, PVMLAB = (f"52:54:00:7e:57:{n:02x}" for n in range(1, 8))
STRANGER = "52:54:00:7e:57:fe"
ADDED = "52:54:00:7e:57:20"
OWN = [("alpha", ALPHA, "192.168.100.10"), ("arm", ARM, "192.168.100.11"), ("bios", BIOS, "192.168.100.13"),
    ("local", LOCAL, "192.168.100.14"), ("rescue", SHELL, "192.168.100.15"), ("pvm", PVMLAB, "192.168.100.16"),
    ("late", ADDED, "192.168.100.20")]
UP = "the stack starts and is ready"

client = None
state = {}


def own_address(path):
    """The address of the machine that the path names, from which alone it is answered."""
    text = path.lower().replace("-", ":")
    for name, mac, address in OWN:
        if mac in text or f"/cloud:init/{name}/" in text:
            return address
    return None


def ask(path, **kwargs):
    """A request from the client machine, which has the addresses of all, to the lab's server."""
    kwargs.setdefault("source", own_address(path))
    with client.inside():
        return http_client.request(kwargs.pop("host", SERVER), path, **kwargs)


def ipxe(mac, **query):
    answer = ask("/ipxe?" + "&".join(f"{k}={v}" for k, v in dict({"mac": mac}, **query).items()))
    check_equal(answer.status, 200, f"/ipxe for {mac}: {answer.text[:200]!r}; status")
    check(answer.text.startswith("#!ipxe\n"), f"no iPXE script: {answer.text[:80]!r}")
    return answer.text


def report(mac, **fields):
    answer = ask(f"/report/{mac}", method="POST", body=fields)
    check_equal(answer.status, 204, f"report {fields}: {answer.text[:200]!r}; status")


def lines_of(script, command):
    return [l for l in script.splitlines() if re.match(rf"\s*{command}\b", l)]


def installs(script):
    kernels = lines_of(script, "kernel")
    return bool(kernels) and "initrd.mode=install" in kernels[0]


# ---- coming up ---------------------------------------------------------------------------------

@suite.test("the image has what a registry shows and no root shell of its own")
def _():
    if not have_image(STACK_IMAGE):
        fail(f"there is no image {STACK_IMAGE}: `make all` builds it, `docker load` brings it in")
    image = json.loads(docker("image", "inspect", STACK_IMAGE).stdout)[0]
    labels = image["Config"].get("Labels") or {}
    for key in ("title", "description", "version", "licenses"):
        check(labels.get(f"org.opencontainers.image.{key}"),
            f"label org.opencontainers.image.{key} is missing: {sorted(labels)}")
    check(image["Config"].get("Healthcheck", {}).get("Test"), "the image has no HEALTHCHECK")


@suite.test(UP)
def _():
    global client
    if not have_image(STACK_IMAGE):
        fail(f"there is no image {STACK_IMAGE}: `make all` builds it, `docker load` brings it in")
    for command in ("ip", "busybox"):
        check(have_command(command), f"`{command}` is not installed on this machine")
    state["files"], state["manifest"] = lab.make_image()
    with open(lab.keys, "w") as f:
        f.write(f"# operators\n{OPERATOR_KEY}\n")
    lab.define("alpha", mac=ALPHA, ip="192.168.100.10", ipv6="fd56:6d6c:6162::10", ssh_keys=[KEY],
        uuid="0f0e0d0c-0b0a-4908-8706-050403020100", serial="ALPHA-1", kernel_args="quiet lab.test=1")
    lab.define("arm", mac=ARM, ip="192.168.100.11", arch="arm64")
    lab.define("gamma", mac=GAMMA, arch="amd64")
    lab.define("bios", mac=BIOS, ip="192.168.100.13", firmware="bios")
    lab.define("local", mac=LOCAL, ip="192.168.100.14", mode="local")
    lab.define("rescue", mac=SHELL, ip="192.168.100.15", mode="shell")
    lab.define("pvm", role="target", arch="x86_64", ip="192.168.100.16", subnet="192.168.100.0/24",
        ipv6="", subnetv6="", mac=PVMLAB, pxe_boot_stack_tar="pxeboot_stack.tar", docker_images_path="",
        vms_path="/somewhere/vms", ssh_port=0, pxeboot=True, distro="debian-13", ssh_key=KEY, kernel="",
        initrd="")
    began = time.monotonic()
    lab.start()
    print(f"       ready after {time.monotonic() - began:.1f} s", flush=True)
    client = lab.client(suite, "client", cidr="192.168.100.99/24")
    for _, _, address in OWN:
        client.address(address + "/24")
    state["pids"] = lab.pids()
    for name in DAEMONS:
        check(state["pids"][name], f"{name} does not run; `docker top` shows {state['pids']}")


@suite.test("daemons that need no root have none", needs=[UP])
def _():
    users = {}
    for line in docker("top", lab.stack, "-eo", "pid,uid,comm").stdout.splitlines()[1:]:
        pid, uid, comm = line.split(None, 2)
        users.setdefault(comm, set()).add(int(uid))
    for name in ("boot_handler", "vm_watcher", "image_adopt"):
        check(0 not in users.get(name, {0}), f"{name} runs as uid {users.get(name)}")
    for name in ("dnsmasq", "nginx"):
        check(users.get(name, {0}) != {0}, f"{name} has only root processes")
    check_equal([n for n in users if users[n] & users["image_adopt"]], ["image_adopt"], "who has image_adopt's uid")
    check(users["vm_watcher"] <= users["dnsmasq"], f"vm_watcher may not signal dnsmasq: uids {users}")


# ---- DHCP --------------------------------------------------------------------------------------

@suite.test("busybox udhcpc gets the reserved address, name server and domain", needs=[UP])
def _():
    c = lab.client(suite, "udhcpc")
    run(["ip", "netns", "exec", c.name, "ip", "link", "set", "eth0", "address", ALPHA])
    script = os.path.join(suite.tempdir(), "udhcpc.sh")
    with open(script, "w") as f:
        f.write("#!/bin/sh\n[ \"$1\" = bound ] && env > \"$0.env\"\nexit 0\n")
    os.chmod(script, 0o755)
    c.run(["busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "5", "-T", "1", "-s", script])
    with open(script + ".env") as f:
        lease = dict(l.rstrip("\n").split("=", 1) for l in f if "=" in l)
    check_equal(lease.get("ip"), "192.168.100.10", "address")
    check_equal(lease.get("dns"), SERVER, "name server")
    check_equal(lease.get("router"), SERVER, "router")
    check_equal(lease.get("domain"), "pvmlab.local", "domain")
    check_equal(lease.get("hostname"), "alpha", "host name")
    c.close()


@suite.test("each client architecture gets its boot file (option 93)", needs=[UP])
def _():
    for arch, wanted in ((0, "undionly.kpxe"), (7, "ipxe-x86_64.efi"), (9, "ipxe-x86_64.efi"),
            (11, "ipxe-arm64.efi")):
        offer = lab.offer(client, ALPHA, arch=arch)
        check(offer, f"no offer for architecture {arch}")
        check_equal(offer.yiaddr, "192.168.100.10", f"architecture {arch}: address")
        check_equal(offer.file, wanted, f"architecture {arch}: boot file")
        check_equal(offer.siaddr, SERVER, f"architecture {arch}: next server")


@suite.test("an iPXE that is there already is sent on to a script, not to another iPXE", needs=[UP])
def _():
    offer = lab.offer(client, ALPHA, arch=7, user_class="iPXE")
    check(offer, "no offer")
    check(offer.file.endswith(".ipxe"), f"boot file {offer.file!r}: wanted a .ipxe script")
    if not offer.file.startswith("http"):
        check("#!ipxe" in tftp(offer.file).decode(), f"{offer.file} is no iPXE script")


@suite.test("an unknown machine gets an address from the range, so that it can wait", needs=[UP])
def _():
    offer = lab.offer(client, STRANGER, arch=7, timeout=8)
    check(offer, "no offer")
    check(128 <= int(offer.yiaddr.split(".")[3]) <= 254, f"{offer.yiaddr} is not in the upper half")
    check_equal(offer.file, "ipxe-x86_64.efi", "boot file")


@suite.test("a machine without \"ip\" shows its lease to the operator", needs=[UP])
def _():
    with client.inside():
        c = dhcp.Client()
        reply = c.acquire(GAMMA, timeout=8)
        c.close()
    check(reply, "no lease")
    check_equal(reply.hostname, "gamma", "host name in the lease")
    vm = lab.wait_vm("gamma", 3, lambda vm: vm["ip"] == reply.yiaddr, f"shows {reply.yiaddr}")
    check(vm["last_seen"], "last_seen is empty")
    with client.inside():
        eventually(lambda: dns.ask(SERVER, "gamma.pvmlab.local") == (0, [reply.yiaddr]), 3,
            f"gamma.pvmlab.local is {reply.yiaddr}")


@suite.test("an address given out is an event of the machine", needs=[UP])
def _():
    with client.inside():
        c = dhcp.Client()
        check(c.acquire(ALPHA), "no lease")
        c.close()
    eventually(lambda: [e for e in lab.api("/api/v1/events?vm=alpha")["events"]
        if e["kind"] == "dhcp" and "192.168.100.10" in e["text"]], 3, "a dhcp event of alpha")


@suite.test("a client's own idea of its host name takes nobody's place", needs=[UP])
def _():
    for name in ("alpha", "wpad", b"a\nb", b"evil\",\"x", b"$(reboot)", b"a" * 200):
        with client.inside():
            c = dhcp.Client()
            reply = c.acquire(STRANGER, hostname=name, timeout=8)
            check(reply, f"no lease when calling itself {name!r}")
            c.close()
    with client.inside():
        check_equal(dns.ask(SERVER, "alpha.pvmlab.local"), (0, ["192.168.100.10"]), "alpha's address")
    check_equal(lab.vm("alpha")["ip"], "192.168.100.10", "alpha's address in the API")
    check(lab.api("/api/v1/events")["events"] is not None, "the event list is broken")


@suite.test("IPv6: the reservation is in the hosts file and DHCPv6 offers it", needs=[UP])
def _():
    if not os.path.exists("/proc/net/if_inet6"):
        skip("this machine's kernel has no IPv6")
    hosts = lab.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout
    check("[fd56:6d6c:6162::10]" in hosts, f"no IPv6 reservation in:\n{hosts}")
    with lab.inside():
        addresses = run(["ip", "-6", "addr", "show", "dev", "lab0"]).stdout
    if "fd56:6d6c:6162::1/" not in addresses:
        skip("lab0 has no IPv6 address: the container's kernel has IPv6 disabled")
    c = netns.Client("six", mac=ALPHA)
    suite.cleanup(c.close)
    c.plug(lab.net_pid())
    eventually(lambda: "tentative" not in (o := c.run(["ip", "-6", "addr", "show", "dev", "eth0"]).stdout)
        and "fe80" in o, 8, "the client has a link-local address")
    with c.inside():
        address = dhcp.solicit6(ALPHA, timeout=8)
    c.close()
    check_equal(address, "fd56:6d6c:6162::10", "DHCPv6 address")


# ---- DNS ---------------------------------------------------------------------------------------

@suite.test("DNS: forward, IPv6, reverse, and no for who is not there", needs=[UP])
def _():
    with client.inside():
        check_equal(dns.ask(SERVER, "alpha.pvmlab.local"), (0, ["192.168.100.10"]), "A")
        check_equal(dns.ask(SERVER, "alpha"), (0, ["192.168.100.10"]), "A of the bare name")
        check_equal(dns.ask(SERVER, dns.reverse("192.168.100.10"), dns.PTR),
            (0, ["alpha.pvmlab.local"]), "PTR")
        check_equal(dns.ask(SERVER, "alpha.pvmlab.local", dns.AAAA), (0, ["fd56:6d6c:6162::10"]), "AAAA")
        rcode, answers = dns.ask(SERVER, "nobody.pvmlab.local")
    check_equal((rcode, answers), (dns.NXDOMAIN, []), "an unknown name of our domain")


# ---- TFTP --------------------------------------------------------------------------------------

def tftp(name):
    where = os.path.join(suite.tempdir(), "tftp.out")
    if os.path.exists(where):
        os.unlink(where)
    client.run(["busybox", "tftp", "-g", "-b", "1408", "-r", name, "-l", where, SERVER], timeout=30)
    with open(where, "rb") as f:
        return f.read()


@suite.test("TFTP serves the loaders, each the file its name says", needs=[UP])
def _():
    machine = {"ipxe-x86_64.efi": 0x8664, "ipxe-arm64.efi": 0xaa64}
    for name, wanted in machine.items():
        data = tftp(name)
        check(data[:2] == b"MZ", f"{name} is no EFI program")
        header = int.from_bytes(data[0x3c:0x40], "little")
        check_equal(int.from_bytes(data[header + 4:header + 6], "little"), wanted, f"{name}: machine type")
    check(20000 < len(tftp("undionly.kpxe")) < 300000, "undionly.kpxe has an odd size")


@suite.test("TFTP serves autoexec.ipxe and boot.ipxe, which ask /ipxe for ever", needs=[UP])
def _():
    for name in ("autoexec.ipxe", "boot.ipxe"):
        text = tftp(name).decode()
        check(text.startswith("#!ipxe"), f"{name}: {text[:60]!r}")
        for wanted in ("/ipxe?mac=${", "/mac}", "arch=", "uuid=", "serial=", "chain --replace", "sleep",
                "goto"):
            check(wanted in text, f"{name} lacks {wanted!r}:\n{text}")
    check("ifopen" in tftp("autoexec.ipxe").decode(), "autoexec.ipxe opens no interface")


@suite.test("TFTP gives nothing from outside its directory", needs=[UP])
def _():
    for name in ("../../etc/passwd", "/etc/passwd", "..//..//etc/shadow", "nosuch.efi"):
        where = os.path.join(suite.tempdir(), "tftp.bad")
        done = client.run(["busybox", "tftp", "-g", "-r", name, "-l", where, SERVER], check_rc=False,
            timeout=60)
        data = open(where, "rb").read() if os.path.exists(where) else b""
        check(done.returncode != 0 and b"root:" not in data, f"{name}: got {data[:60]!r}")


@suite.test("TFTP: a file that was sent is no line of the log, one that could not be is", needs=[UP])
def _():
    log = lambda: (lambda done: done.stdout + done.stderr)(docker("logs", lab.stack, check_rc=False))
    tftp("undionly.kpxe")
    with client.inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(3)
        s.sendto(b"\0\1undionly.kpxe\0octet\0", (SERVER, 69))
        server = s.recvfrom(2048)[1]
        s.sendto(b"\0\5\0\0no more, thanks\0", server)
        s.close()
    eventually(lambda: "no more, thanks" in log(), 3, "the error of a transfer is logged")
    sent = [line for line in log().splitlines() if "sent " in line and "tftp" in line]
    check(not sent, f"{len(sent)} lines such as {sent[:1]}")


# ---- what a machine boots ------------------------------------------------------------------------

@suite.test("/ipxe installs a known machine from its image", needs=[UP])
def _():
    answer = ask(f"/ipxe?mac={ALPHA}&arch=x86_64&uuid=&serial=")
    check(answer.headers.get("content-type", "").startswith("text/plain"), str(answer.headers))
    script = ipxe(ALPHA)
    kernel = lines_of(script, "kernel")
    check_equal(len(kernel), 1, f"kernel lines in:\n{script}\n; count")
    words = kernel[0].split()
    check(f"{BASE}/images/debian-13/amd64/vmlinuz" in words, kernel[0])
    for wanted in (f"BOOTIF=01-{ALPHA.replace(':', '-')}", f"config_url={BASE}/config/{ALPHA}", "ip=dhcp",
            "initrd.mode=install", "console=ttyS0,115200", "quiet", "lab.test=1"):
        check(wanted in words, f"the kernel line lacks {wanted}: {kernel[0]}")
    initrds = " ".join(lines_of(script, "initrd"))
    check(f"{BASE}/initrds/amd64/initrd.zst" in initrds, f"initrd lines: {initrds}")
    check(f"{BASE}/images/debian-13/amd64/modules.cpio.zst" in initrds, f"initrd lines: {initrds}")
    check(lines_of(script, "boot"), "no boot line")
    check("sleep" in script and "chain" in script, f"a failed download is a dead end:\n{script}")


@suite.test("every file that the script names is there", needs=[UP])
def _():
    for url in re.findall(r"http://[^\s]+", "\n".join(
            lines_of(ipxe(ALPHA), "kernel")[:1] + lines_of(ipxe(ALPHA), "initrd"))):
        if "/config/" in url:
            continue
        answer = ask(url[len(BASE):], method="HEAD")
        check_equal(answer.status, 200, f"HEAD {url}: status")


@suite.test("a machine that was not heard of is known by UUID or serial when its MAC is another", needs=[UP])
def _():
    lab.define("swapped", mac="52:54:00:c1:00:5a", uuid="1f0e0d0c-0b0a-4908-8706-050403020100", serial="SWAP-7c")
    lab.wait_vm("swapped")
    check(installs(ipxe(STRANGER, uuid="1F0E0D0C-0B0A-4908-8706-050403020100")), "not known by its UUID")
    check(installs(ipxe(STRANGER, serial="SWAP-7c")), "not known by its serial number")
    check(installs(ipxe(STRANGER, serial="%20SWAP-7c%20%20")), "not known by its serial number with blanks around it")
    lab.undefine("swapped.json")
    eventually(lambda: lab.vm("swapped") is None, 3, "swapped is gone")


@suite.test("an unknown machine waits, sees its MAC, and asks again", needs=[UP])
def _():
    script = ipxe(STRANGER)
    check(not lines_of(script, "kernel"), script)
    check(STRANGER in script, f"the MAC is not on the screen:\n{script}")
    check(re.search(r"^\s*sleep 10\b", script, re.M), f"no sleep 10:\n{script}")
    check(re.search(r"^\s*chain .*/ipxe\?mac=", script, re.M), f"does not ask again:\n{script}")


@suite.test("no image for the distro: says which and how to build it, and waits", needs=[UP])
def _():
    script = ipxe(ARM)
    check(not lines_of(script, "kernel"), script)
    for wanted in ("debian-13", "arm64", "image build", "sleep 10"):
        check(wanted in script, f"lacks {wanted!r}:\n{script}")
    answer = ask(f"/config/{ARM}")
    check_equal(answer.status, 409, "/config without an image: status")
    check("debian-13" in answer.text, answer.text)


@suite.test("modes local and shell, and BIOS's way to the disk", needs=[UP])
def _():
    script = ipxe(LOCAL)
    check(re.search(r"^sanboot .*exit 1$", script, re.M) and not lines_of(script, "kernel"), script)
    script = ipxe(SHELL)
    check("initrd.mode=shell" in lines_of(script, "kernel")[0], script)
    check(installs(ipxe(BIOS)), "a BIOS machine is not installed")


@suite.test("pvmlab's own file works, and its installer's keys are in /config", needs=[UP])
def _():
    check(installs(ipxe(PVMLAB)), ipxe(PVMLAB))
    config = ask(f"/config/{PVMLAB}").json
    check_equal(config["cloud_init_url"], f"{BASE}/cloud-init/pvm", "cloud_init_url")
    check_equal(config["distro"], "debian-13", "distro")
    check_equal(config["arch"], "x86_64", "arch")
    check_equal(config["rootfs_url"], f"{BASE}/images/debian-13/amd64/rootfs.tar.zst", "rootfs_url")
    check_equal(config["kmods_url"], f"{BASE}/images/debian-13/amd64/modules.cpio.zst", "kmods_url")
    check_equal(config["kernel_url"], f"{BASE}/images/debian-13/amd64/vmlinuz", "kernel_url")
    check_equal(config["reboot_on_success"], True, "reboot_on_success")
    bad = [p for p in lab.problems("pvm.json") if not p["warning"]]
    check(not bad, f"problems: {bad}")


@suite.test("/config carries the manifest and the machine's own", needs=[UP])
def _():
    ask(f"/ipxe?mac={ALPHA}") # as it boots: a test before asked as alpha with another card
    answer = ask(f"/config/{ALPHA.upper().replace(':', '-')}")
    check_equal(answer.status, 200, "status with an upper-case, dashed MAC")
    check(answer.headers["content-type"].startswith("application/json"), str(answer.headers))
    config = answer.json
    manifest = state["manifest"]
    for key, wanted in (("format", 1), ("name", "alpha"), ("hostname", "alpha"), ("mac", ALPHA),
            ("firmware", "uefi"), ("after_install", "reboot"), ("report_url", f"{BASE}/report/{ALPHA}"),
            ("kernel_version", manifest["kernel_version"]), ("rootfs", manifest["rootfs"])):
        check_equal(config.get(key), wanted, key)
    check_equal(ask(f"/config/{BIOS}").json["firmware"], "bios", "firmware")


@suite.test("cloud-init's four documents", needs=[UP])
def _():
    documents = {}
    for name in ("meta-data", "user-data", "vendor-data", "network-config"):
        answer = ask(f"/cloud-init/alpha/{name}")
        check_equal(answer.status, 200, f"{name}: status")
        documents[name] = answer.text
    meta = json.loads(documents["meta-data"])
    check(re.fullmatch(r"iid-alpha-\d+", meta["instance-id"]), str(meta))
    check_equal(meta["local-hostname"], "alpha.pvmlab.local", "local-hostname")
    for name, head in (("user-data", "#cloud-config\n"), ("vendor-data", "#cloud-config-archive\n")):
        check(documents[name].startswith(head), f"{name}: {documents[name][:40]!r}")
    user = json.loads(documents["user-data"].split("\n", 1)[1])
    lab_user = [u for u in user["users"] if isinstance(u, dict) and u["name"] == "lab"]
    check(lab_user, f"no user lab: {user['users']}")
    keys = " ".join(lab_user[0]["ssh_authorized_keys"])
    check(KEY in keys, "the definition's key is missing")
    check(OPERATOR_KEY.split()[1] in keys, "the operator's key is missing")
    check("NOPASSWD" in json.dumps(lab_user[0]["sudo"]), str(lab_user[0]))
    text = documents["user-data"]
    check('"passwd"' not in text and '"plain_text_passwd"' not in text, "there is a password in it")
    config, script = [part["content"] for part in json.loads(documents["vendor-data"].split("\n", 1)[1])]
    check_equal(json.loads(config.split("\n", 1)[1])["reporting"]["vmlab"]["endpoint"],
        f"{BASE}/report/{ALPHA}?phase=cloud-init", "reporting endpoint")
    check(f'"{BASE}/report/{ALPHA}?phase=ready"' in script, "the script does not know where to call")
    check_equal(json.loads(documents["network-config"])["version"], 2, "network-config version")
    check_equal(ask("/cloud-init/nobody/meta-data").status, 404, "unknown VM: status")
    check_equal(ask("/cloud-init/alpha/other").status, 404, "unknown document: status")


@suite.test("base URLs come from configuration, never from the Host header", needs=[UP])
def _():
    for path in (f"/ipxe?mac={ALPHA}", f"/config/{ALPHA}", "/cloud-init/alpha/vendor-data"):
        answer = ask(path, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
        check_equal(answer.status, 200, f"{path}: status")
        check("evil" not in answer.text, f"{path} repeats the Host header")


# ---- files -------------------------------------------------------------------------------------

@suite.test("images: content, length, ranges and ETag", needs=[UP])
def _():
    path = "/images/debian-13/amd64/rootfs.tar.zst"
    data = state["files"]["rootfs.tar.zst"]
    answer = ask(path)
    check(answer.status == 200 and answer.body == data, f"GET: {answer.status}, {len(answer.body)} bytes")
    check(answer.headers.get("etag"), "no ETag")
    check_equal(ask(path, headers={"If-None-Match": answer.headers["etag"]}).status, 304, "If-None-Match")
    part = ask(path, headers={"Range": "bytes=1000-1999"})
    check(part.status == 206 and part.body == data[1000:2000], f"range: {part.status}")
    rest = ask(path, headers={"Range": f"bytes={len(data) - 5}-"})
    check(rest.status == 206 and rest.body == data[-5:], f"open range: {rest.status}")
    check_equal(ask(path, headers={"Range": f"bytes={len(data)}-"}).status, 416, "range past the end")
    changed = ask(path, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    check_equal(changed.status, 200, "If-Range with another ETag")


@suite.test("initrds for both architectures are there and are zstd", needs=[UP])
def _():
    for arch in ("amd64", "arm64"):
        answer = ask(f"/initrds/{arch}/initrd.zst")
        check_equal(answer.status, 200, f"{arch}: status")
        check(answer.body[:4] == b"\x28\xb5\x2f\xfd", f"{arch} is not zstd: {answer.body[:8]!r}")
        check(len(answer.body) <= 8 << 20, f"{arch}: {len(answer.body)} bytes are more than 8 MiB")


@suite.test("no directory listing, no way out of the directories", needs=[UP])
def _():
    for path in ("/images/", "/images", "/images/debian-13/", "/initrds/", "/"):
        answer = ask(path)
        check(answer.status in (301, 403, 404), f"{path}: {answer}")
        check("rootfs" not in answer.text and "debian-13<" not in answer.text, f"{path} lists: {answer}")
    for path in ("/images/../../etc/passwd", "/images/../etc/passwd", "/images/%2e%2e/%2e%2e/etc/passwd",
            "/images../etc/passwd", "/images/..%2f..%2fetc/passwd", "/initrds/..%5c..%5cetc/passwd",
            "/images/debian-13/amd64/%00", "//etc/passwd", "/images/../state/vmlab.db",
            "/initrds../tftp/boot.ipxe"):
        answer = ask(path)
        check(answer.status in (400, 403, 404), f"{path}: {answer}")
        check("root:" not in answer.text, f"{path} gave the password file away")


# ---- errors --------------------------------------------------------------------------------------

def one_sentence(answer, what):
    text = answer.text.strip()
    check("\n" not in text and "<html" not in text and 8 < len(text) < 400,
        f"{what}: not one plain sentence: {text[:200]!r}")


@suite.test("malformed addresses get 400 and one sentence", needs=[UP])
def _():
    for mac in ("", "x", "52:54:00:7e:57", "52:54:00:7e:57:01:02", "52:54:00:7e:57:0g", "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "52:54:00:7e:57:01%0ashell", "52:54:00:7e:57:01%00",
            "..%2f..%2fetc", "%24%7bmac%7d", "52:54-00:7e:57:01", "a" * 500):
        answer = ask(f"/ipxe?mac={mac}")
        check_equal(answer.status, 400, f"/ipxe?mac={mac}: {answer.text[:100]!r}; status")
        one_sentence(answer, f"/ipxe?mac={mac}")
        if mac:
            check(ask(f"/config/{mac}").status in (400, 404), f"/config/{mac}: {ask(f'/config/{mac}')}")
            answer = ask(f"/report/{mac}", method="POST", body={"phase": "disk", "status": "running"})
            check(answer.status in (400, 404), f"/report/{mac}: {answer}")
    check_equal(ask("/ipxe").status, 400, "/ipxe without parameters: status")
    check_equal(ask("/config/not-a-mac").status, 400, "/config/not-a-mac: status")


@suite.test("unknown machines and paths get 404, other methods 405", needs=[UP])
def _():
    for path in (f"/config/{STRANGER}", "/nosuch", "/config", "/config/", "/cloud-init/alpha",
            "/cloud-init/../alpha/meta-data", "/ipxe/x", "/healthz", "/readyz", "/api/v1/vms",
            "/api/v1/vms/alpha"):
        answer = ask(path)
        check(answer.status in (400, 404), f"{path}: {answer}")
    check_equal(ask(f"/config/{STRANGER}").status, 404, "/config of a stranger: status")
    answer = ask(f"/report/{STRANGER}", method="POST", body={"phase": "network", "status": "running"})
    check_equal(answer.status, 404, "a stranger's report: status")
    for method, path in (("POST", f"/ipxe?mac={ALPHA}"), ("DELETE", f"/config/{ALPHA}"),
            ("GET", f"/report/{ALPHA}"), ("PUT", f"/report/{ALPHA}"), ("POST", "/cloud-init/alpha/meta-data")):
        answer = ask(path, method=method, body=b"" if method != "GET" else None)
        check_equal(answer.status, 405, f"{method} {path}: {answer.text[:80]!r}; status")
    answer = ask("/api/v1/vms/alpha/reinstall", method="POST", body=b"")
    check(answer.status in (400, 404), f"the lab can ask for a reinstall: {answer}")


@suite.test("a report too big gets 413, a broken one 400, and neither is believed", needs=[UP])
def _():
    before = lab.vm("alpha")["state"]
    big = json.dumps({"phase": "rootfs", "status": "running", "log": "x" * 200000}).encode()
    check_equal(ask(f"/report/{ALPHA}", method="POST", body=big).status, 413, "200 kB: status")
    answer = ask(f"/report/{ALPHA}", method="POST", body=b"", headers={"Content-Length": "99999999999"})
    check_equal(answer.status, 413, "announced 99 GB: status")
    for body in (b"", b"{", b"[]", b"null", b'{"phase":"nosuch","status":"running"}',
            b'{"phase":"rootfs","status":"nosuch"}', b'{"phase":"rootfs"}', b'{"phase":1,"status":2}',
            b"\xff\xfe", b"[" * 5000, b'{"phase":"report","status":"done"'):
        answer = ask(f"/report/{ALPHA}", method="POST", body=body)
        check_equal(answer.status, 400, f"{body[:50]!r}: {answer.text[:80]!r}; status")
    check_equal(lab.vm("alpha")["state"], before, "alpha's state")


@suite.test("requests that are no HTTP do not take anything down", needs=[UP])
def _():
    with client.inside():
        for data in (b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 300,
                b"GET /ipxe?" + b"a" * 40000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                b"POST /report/" + ALPHA.encode() + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                b"GET /ipxe?mac=" + ALPHA.encode() + b" HTTP/1.1\r\n" + b"X: y\r\n" * 3000 + b"\r\n"):
            http_client.raw(SERVER, data, timeout=2)
    check(installs(ipxe(ALPHA)), "alpha has no script any more")


# ---- the operator --------------------------------------------------------------------------------

@suite.test("the operator's API: list, one, errors as JSON", needs=[UP])
def _():
    listed = lab.api("/api/v1/vms")
    names = [vm["name"] for vm in listed["vms"]]
    check_equal(sorted(names), ["alpha", "arm", "bios", "gamma", "local", "pvm", "rescue"], "names")
    alpha = lab.vm("alpha")
    for key in ("name", "mac", "ip", "arch", "distro", "hostname", "state", "phase", "bytes", "total_bytes",
            "rate_bytes_per_s", "eta_s", "attempt", "changed_at", "last_seen", "error", "user",
            "ssh_host_keys", "log"):
        check(key in alpha, f"{key} is missing: {sorted(alpha)}")
    check_equal((alpha["mac"], alpha["ip"], alpha["arch"], alpha["user"]),
        (ALPHA, "192.168.100.10", "amd64", "lab"), "mac, ip, arch, user")
    for method, path, status in (("GET", "/api/v1/vms/nobody", 404), ("POST", "/api/v1/vms/nobody/reinstall", 404),
            ("POST", "/api/v1/vms/alpha/explode", 404), ("DELETE", "/api/v1/vms/alpha", 405),
            ("GET", "/api/v1/vms/alpha/reinstall", 405), ("GET", "/api/v1/nosuch", 404),
            ("GET", "/api/v1/events?after=x", 400), ("GET", "/api/v1/vms/..%2f..%2fetc", 400)):
        answer = lab.operator(path, method=method, body=b"" if method == "POST" else None)
        check_equal(answer.status, status, f"{method} {path}: {answer.text[:100]!r}; status")
        check(isinstance(answer.json.get("error"), str), f"{method} {path}: no error sentence: {answer}")
    wrong = lab.operator("/api/v1/vms/alpha/explode", method="POST", body=b"").text
    check("reinstall" in wrong and "local" in wrong, f"does not name the known actions: {wrong}")


# ---- one installation, told by its reports -------------------------------------------------------

INSTALLED = "reports take a machine from booting to installed; then it boots its disk"


@suite.test(INSTALLED, needs=[UP])
def _():
    first = lab.api("/api/v1/events")["last"]
    check(installs(ipxe(ALPHA)), "no install script")
    check(lab.vm("alpha")["state"] in ("booting", "installing"), f"after /ipxe: {lab.vm('alpha')['state']}")
    check_equal(ask(f"/config/{ALPHA}").status, 200, "/config: status")
    report(ALPHA, phase="network", status="done")
    report(ALPHA, phase="rootfs", status="running", bytes=1000, total_bytes=4000, rate_bytes_per_s=500, eta_s=6)
    vm = lab.vm("alpha")
    check_equal((vm["state"], vm["phase"], vm["bytes"], vm["total_bytes"], vm["rate_bytes_per_s"], vm["eta_s"]),
        ("installing", "rootfs", 1000, 4000, 500, 6), "what the operator sees")
    state["attempt"] = vm["attempt"]
    check_equal(vm["installed_disk_bytes"], None, "the disk's size before the installer told it")
    report(ALPHA, phase="format", status="running", disk_bytes=12 << 30)
    check_equal(lab.vm("alpha")["installed_disk_bytes"], 12 << 30, "the disk's size, as the installer told it")
    check(installs(ipxe(ALPHA)), "an interrupted install is not taken up again")
    check_equal(ask(f"/config/{ALPHA}").status, 200, "/config: status")
    state["attempt"] = lab.vm("alpha")["attempt"]
    for phase in ("network", "config", "plan", "partition", "format", "rootfs", "configure", "bootloader"):
        report(ALPHA, phase=phase, status="running")
        report(ALPHA, phase=phase, status="done")
    report(ALPHA, phase="report", status="done")
    check_equal(lab.vm("alpha")["state"], "installed", "state")
    script = ipxe(ALPHA)
    check(not lines_of(script, "kernel") and re.search(r"^sanboot .*exit 1$", script, re.M), script)
    # The list is written behind the answers, in one commit for a burst.
    wanted = {("ipxe", "install"), ("ipxe", "local"), ("state", "installed"), ("phase", "rootfs")}
    def all_there():
        kinds = {(e["kind"], e["text"]) for e in lab.api(f"/api/v1/events?after={first}&vm=alpha")["events"]}
        check(wanted <= kinds, f"no {wanted - kinds} in {kinds}")
        return True
    eventually(all_there, 3, "all events are there")


READY = "cloud-init's call-back makes it ready and its host keys known"


@suite.test(READY, needs=[INSTALLED])
def _():
    form = "instance_id=iid-alpha-1&hostname=alpha&pub_key_ed25519=ssh-ed25519+AAAAC3NzaC1lZDI1NTE5AAAAIA%3D%3D+root%40alpha"
    answer = ask(f"/report/{ALPHA}?phase=ready", method="POST", body=form.encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"})
    check(answer.status in (200, 204), f"phone_home: {answer}")
    vm = lab.vm("alpha")
    check_equal(vm["state"], "ready", "state")
    check(any(k.startswith("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==") for k in vm["ssh_host_keys"]),
        f"host keys: {vm['ssh_host_keys']}")
    answer = ask(f"/report/{ALPHA}", method="POST", body={"phase": "rootfs", "status": "running"})
    check_equal(lab.vm("alpha")["state"], "ready", f"state after a late installer report ({answer.status})")


REINSTALL = "reinstall: installs once more as a new instance"


@suite.test(REINSTALL, needs=[READY])
def _():
    before = json.loads(ask("/cloud-init/alpha/meta-data").text)["instance-id"]
    vm = lab.api("/api/v1/vms/alpha/reinstall", method="POST", body=b"")
    check_equal(vm["name"], "alpha", "the answer's name")
    check(installs(ipxe(ALPHA)), "no install script")
    check_equal(ask(f"/config/{ALPHA}").status, 200, "/config: status")
    report(ALPHA, phase="partition", status="running")
    check(lab.vm("alpha")["attempt"] > state["attempt"], f"attempt {lab.vm('alpha')['attempt']}")
    after = json.loads(ask("/cloud-init/alpha/meta-data").text)["instance-id"]
    check(after != before, f"the instance-id is still {before}")
    check([e for e in lab.api("/api/v1/events?vm=alpha")["events"]
        if e["kind"] == "action" and e["text"] == "reinstall"], "no action event")


FAILED = "a failed install shows its reason and waits; it never loops"


@suite.test(FAILED, needs=[REINSTALL])
def _():
    report(ALPHA, phase="rootfs", status="failed", message="rootfs.tar.zst has the wrong SHA-256",
        hint="build the image again", log="line one\nline \x1b[31mtwo\n${evil}")
    vm = lab.vm("alpha")
    check_equal(vm["state"], "failed", "state")
    check_equal(vm["error"]["phase"], "rootfs", "error.phase")
    check("wrong SHA-256" in vm["error"]["reason"], str(vm["error"]))
    check("build the image" in (vm["error"]["hint"] or ""), str(vm["error"]))
    check("line one" in json.dumps(vm["log"]), f"log: {vm['log']!r}")
    for _ in range(3):
        script = ipxe(ALPHA)
        check(not lines_of(script, "kernel"), f"installs again:\n{script}")
        check("rootfs" in script and "wrong SHA-256" in script and "sleep 10" in script, script)


@suite.test("an installer's words cannot become iPXE commands", needs=[FAILED])
def _():
    lab.api("/api/v1/vms/alpha/reinstall", method="POST", body=b"")
    ipxe(ALPHA)
    report(ALPHA, phase="rootfs", status="failed", message="a\nshell\r\nkernel evil ${net0/mac} && reboot || poweroff",
        hint="x\nreboot")
    script = ipxe(ALPHA)
    for line in script.splitlines():
        check(not re.match(r"\s*(shell|kernel|reboot|poweroff)\b", line), f"{line!r} in:\n{script}")
        check("evil ${net0" not in line, f"a variable of the report is expanded: {line!r}")
        if "evil" in line:
            check(line.lstrip().startswith("echo"), f"{line!r}")
            check("||" not in line and "&&" not in line, f"{line!r} runs what follows")


@suite.test("local: the operator can send a machine to its disk", needs=[FAILED])
def _():
    lab.api("/api/v1/vms/alpha/local", method="POST", body=b"")
    check(re.search(r"^sanboot .*exit 1$", ipxe(ALPHA), re.M), ipxe(ALPHA))
    lab.api("/api/v1/vms/bios/local", method="POST", body=b"")
    check("sanboot --no-describe --drive 0x80" in ipxe(BIOS), ipxe(BIOS))


@suite.test(".noreboot keeps the installer from rebooting", needs=[UP])
def _():
    check_equal(ask(f"/config/{PVMLAB}").json["reboot_on_success"], True, "before")
    lab.write("pvm.noreboot", "")
    eventually(lambda: ask(f"/config/{PVMLAB}").json["reboot_on_success"] is False, 3, "reboot_on_success false")
    lab.undefine("pvm.noreboot")
    eventually(lambda: ask(f"/config/{PVMLAB}").json["reboot_on_success"] is True, 3, "reboot_on_success true")


# ---- vms/ while it runs --------------------------------------------------------------------------

ADDING = "a definition added while running: DHCP, DNS and iPXE within 3 s"


@suite.test(ADDING, needs=[UP])
def _():
    lab.define("late", mac=ADDED, ip="192.168.100.20")
    began = time.monotonic()
    eventually(lambda: (o := lab.offer(client, ADDED, timeout=1)) and o.yiaddr == "192.168.100.20", 3,
        "DHCP offers 192.168.100.20")
    with client.inside():
        eventually(lambda: dns.ask(SERVER, "late.pvmlab.local") == (0, ["192.168.100.20"]), 3, "DNS knows late")
    eventually(lambda: installs(ipxe(ADDED)), 3, "iPXE installs late")
    print(f"       new answers after {time.monotonic() - began:.2f} s", flush=True)


CHANGING = "a changed address is answered within 3 s, also to a machine that holds the old lease"


@suite.test(CHANGING, needs=[ADDING])
def _():
    mac = "52:54:00:7e:57:22"
    lab.define("mover", mac=mac, ip="192.168.100.22")
    eventually(lambda: (o := lab.offer(client, mac, timeout=1)) and o.yiaddr == "192.168.100.22", 3,
        "DHCP offers 192.168.100.22")
    with client.inside():
        c = dhcp.Client()
        check(c.acquire(mac), "no lease")
        c.close()
    lab.define("mover", mac=mac, ip="192.168.100.23")
    eventually(lambda: (o := lab.offer(client, mac, timeout=1)) and o.yiaddr == "192.168.100.23", 3,
        "DHCP offers 192.168.100.23")
    with client.inside():
        check_equal(dns.ask(SERVER, "mover.pvmlab.local")[1], ["192.168.100.22"], "what it still has, by DNS")
        c = dhcp.Client()
        check(c.acquire(mac), "no lease")
        c.close()
        eventually(lambda: dns.ask(SERVER, "mover.pvmlab.local")[1] == ["192.168.100.23"], 3, "DNS knows the new address")
    lab.undefine("mover.json")
    eventually(lambda: lab.vm("mover") is None, 3, "mover is gone")


@suite.test("a half-written file keeps its last good definition; file, line and column are named",
    needs=[ADDING])
def _():
    lab.write("late.json", '{\n  "name": "late",\n  "mac": "52:54:00')
    problem = eventually(lambda: lab.problems("late.json"), 3, "a problem of late.json")[0]
    check(problem["line"] >= 2 and problem["column"] >= 1, str(problem))
    check(problem["serving_last_good"], str(problem))
    check(installs(ipxe(ADDED)), "late is gone")
    check(lab.vm("pvm") and lab.vm("late"), "other machines suffer")
    offer = lab.offer(client, ADDED)
    check(offer and offer.yiaddr.startswith("192.168.100.2"), f"DHCP: {offer and offer.yiaddr}")
    lab.define("late", mac=ADDED, ip="192.168.100.20")
    eventually(lambda: not lab.problems("late.json"), 3, "the problem is gone")


@suite.test("two files with one MAC, IP or name: the newcomer is refused, both are named", needs=[ADDING])
def _():
    for what, fields in (("mac", {"name": "thief", "mac": ALPHA}),
            ("ip", {"name": "thief", "mac": "52:54:00:7e:57:31", "ip": "192.168.100.10"}),
            ("name", {"name": "alpha", "mac": "52:54:00:7e:57:31"})):
        name = fields.pop("name")
        lab.define(name, file="thief.json", **fields)
        problem = eventually(lambda: lab.problems("thief.json"), 3, f"a problem of thief.json ({what})")[0]
        check("alpha.json" in problem["text"], f"{what}: the holder is not named: {problem}")
        check(not problem["warning"], str(problem))
        check_equal(lab.vm("alpha")["mac"], ALPHA, f"{what}: alpha's MAC")
        check(lab.vm("thief") is None, f"{what}: thief is served")
        check_equal(lab.offer(client, ALPHA).yiaddr, "192.168.100.10", f"{what}: alpha's offer")
        lab.undefine("thief.json")
        eventually(lambda: not lab.problems("thief.json"), 3, "the problem is gone")


@suite.test("a definition removed: gone from DHCP, DNS, iPXE and the API within 3 s", needs=[ADDING])
def _():
    lab.undefine("late.json")
    eventually(lambda: lab.vm("late") is None, 3, "late is gone from the API")
    eventually(lambda: not lines_of(ipxe(ADDED), "kernel"), 3, "iPXE waits")
    with client.inside():
        eventually(lambda: dns.ask(SERVER, "late.pvmlab.local")[0] == dns.NXDOMAIN, 3, "DNS knows no late")
    hosts = lab.exec("cat", "/run/vm_watcher/dhcp-hosts", "/run/vm_watcher/dns-hosts").stdout
    check(ADDED not in hosts.lower() and "late" not in hosts, f"still in the hosts files:\n{hosts}")


@suite.test("a burst of 200 files: all served within 5 s, dnsmasq signalled a few times", needs=[UP])
def _():
    for i in range(200):
        lab.define(f"burst{i}", mac=f"52:54:00:b0:00:{i:02x}", ip=f"192.168.100.{20 + i % 100}" if i < 100 else "")
    eventually(lambda: len(lab.api("/api/v1/vms")["vms"]) >= 207, 5, "all of them in the API")
    eventually(lambda: lab.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout.count("52:54:00:b0:00:") == 200, 5,
        "all of them in dhcp-hosts")
    offer = eventually(lambda: lab.offer(client, "52:54:00:b0:00:50", timeout=1), 3, "an offer")
    check_equal(offer.yiaddr, "192.168.100.100", "the address of number 80")
    for i in range(200):
        lab.undefine(f"burst{i}.json")
    eventually(lambda: len(lab.api("/api/v1/vms")["vms"]) == 7, 5, "all of them gone")


def same_processes():
    """A lease-event helper may be there for a moment under boot_handler's name."""
    eventually(lambda: lab.pids() == state["pids"], 3, f"the pids are {state['pids']}")


STILL = "every daemon is still the process that it was at the start"


@suite.test(STILL, needs=[UP])
def _():
    same_processes()
    check(lab.operator("/healthz").status == 200, "/healthz")


# ---- faults --------------------------------------------------------------------------------------

@suite.test("HEALTHCHECK turns healthy", needs=[UP])
def _():
    eventually(lambda: lab.health() == "healthy", 60, "healthy", every=0.5)


@suite.test("the health check notices each daemon that hangs, and says which", needs=[UP])
def _():
    command = health_command()
    same_processes()
    for name, pids in state["pids"].items():
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            # vm_watcher and image_adopt answer nobody: what shows is that they stop touching their file.
            done = eventually(lambda: (d := lab.exec(*command, check_rc=False, timeout=40)).returncode and d,
                40 if name in ("vm_watcher", "image_adopt") else 1, f"the check notices that {name} hangs")
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        check(name in done.stdout + done.stderr, f"{name} is not named: {done.stdout} {done.stderr}")
        eventually(lambda: lab.exec(*command, check_rc=False).returncode == 0, 10, f"healthy after {name}")


def health_command():
    test = json.loads(docker("image", "inspect", STACK_IMAGE).stdout)[0]["Config"]["Healthcheck"]["Test"]
    return ["/bin/sh", "-c", test[1]] if test[0] == "CMD-SHELL" else test[1:]


@suite.test("HEALTHCHECK turns unhealthy when a daemon hangs, and healthy again", needs=["HEALTHCHECK turns healthy"])
def _():
    config = json.loads(docker("image", "inspect", STACK_IMAGE).stdout)[0]["Config"]["Healthcheck"]
    second = 1000000000
    limit = (config.get("Interval", 30 * second) + config.get("Timeout", 30 * second)) / second \
        * config.get("Retries", 3) + 5
    check(limit <= 120, f"it would take {limit:.0f} s to notice")
    same_processes()
    pids = state["pids"]["boot_handler"]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        eventually(lambda: lab.health() == "unhealthy", limit, "unhealthy", every=0.5)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    eventually(lambda: lab.health() == "healthy", limit, "healthy again", every=0.5)


@suite.test("kill -9 of each daemon: back by itself, state kept", needs=[INSTALLED])
def _():
    before = lab.vm("alpha")
    for name in ("boot_handler", "vm_watcher", "nginx", "dnsmasq", "image_adopt"):
        old = lab.pids()[name]
        for pid in old:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        eventually(lambda: (new := lab.pids()[name]) and not set(new) & set(old), 10, f"{name} is back")
        eventually(lambda: lab.operator("/readyz").status == 200, 10, f"ready after {name}")
        eventually(lambda: ask(f"/config/{PVMLAB}").status == 200, 10, f"HTTP after {name}")
        eventually(lambda: lab.offer(client, ALPHA, timeout=1), 10, f"DHCP after {name}")
    after = lab.vm("alpha")
    for key in ("state", "attempt", "error", "ssh_host_keys"):
        check_equal(after[key], before[key], key)
    lab.define("fresh", mac="52:54:00:7e:57:41", ip="192.168.100.41")
    eventually(lambda: (o := lab.offer(client, "52:54:00:7e:57:41", timeout=1)) and o.yiaddr == "192.168.100.41",
        3, "a definition added after that is answered")
    lab.undefine("fresh.json")


RESTARTED = "docker restart: up again with its state, the wired client notices nothing else"


@suite.test(RESTARTED, needs=[UP])
def _():
    before, last = lab.vm("alpha"), lab.api("/api/v1/events")["last"]
    docker("restart", lab.stack, timeout=60)
    lab.wait_serving()
    after = lab.vm("alpha")
    for key in ("state", "attempt", "error", "ssh_host_keys"):
        check_equal(after[key], before[key], key)
    check(lab.api("/api/v1/events")["last"] >= last, "the events are gone")
    check("lab0" in client.run(["ip", "link"]).stdout or lab.offer(client, ALPHA), "DHCP is silent")
    check_equal(ask(f"/config/{PVMLAB}").status, 200, "HTTP: status")
    check_equal(lab.offer(client, ALPHA).yiaddr, "192.168.100.10", "DHCP")
    names = lab.exec("ip", "-o", "link", check_rc=False).stdout
    check(names.count("lab0:") <= 1, names)
    state["pids"] = lab.pids()


@suite.test("masquerading is set up once, also after a restart", needs=[RESTARTED])
def _():
    text = lab.exec("nft", "list", "ruleset").stdout
    rules = [l.strip() for l in text.splitlines() if "masquerade" in l]
    check(rules, f"no masquerade rule in:\n{text}")
    check_equal(sorted(rules), sorted(set(rules)), "masquerade rules")


@suite.test("every daemon lives after all that", needs=[RESTARTED])
def _():
    same_processes()
    eventually(lambda: lab.health() == "healthy", 60, "healthy", every=0.5)


@suite.test("docker stop ends within 2 s with status 0", needs=[RESTARTED])
def _():
    took = []
    for _ in range(3):  # the best of three: the machine may be busy with something else
        began = time.monotonic()
        docker("stop", lab.stack)
        took.append(time.monotonic() - began)
        code = docker("inspect", "-f", "{{.State.ExitCode}}", lab.stack).stdout.strip()
        check(code in ("0", "143"), f"exit status {code}")
        docker("start", lab.stack)
        lab.wait_serving()
    print("       " + ", ".join(f"{t:.2f} s" for t in took), flush=True)
    check(min(took) <= 2.0, f"it took {min(took):.1f} s")


@suite.test("a removed stack leaves the network to the next one", needs=[RESTARTED])
def _():
    docker("rm", "-f", lab.stack)
    lab.start_stack()
    lab.wait_serving()
    check_equal(lab.vm("pvm")["mac"], PVMLAB, "pvm's MAC")
    check_equal(lab.offer(client, ALPHA).yiaddr, "192.168.100.10", "DHCP")
    docker("rm", "-f", lab.stack)


# ---- refusals ------------------------------------------------------------------------------------

def refused(name, wanted, env=(), drop_caps=False):
    """Starts a second stack in the (now free) namespace; it must end by itself, saying why."""
    docker("rm", "-f", lab.stack, check_rc=False)
    container = f"{lab.name}-refused-{name}"
    args = lab.stack_args(container, env)
    if drop_caps:
        args = [a for i, a in enumerate(args) if a != "--cap-add" and args[i - 1] != "--cap-add"]
    docker("run", "-d", *args, STACK_IMAGE)
    try:
        eventually(lambda: docker("inspect", "-f", "{{.State.Running}}", container).stdout.strip() == "false",
            15, f"{name}: the container ends by itself")
        code = int(docker("inspect", "-f", "{{.State.ExitCode}}", container).stdout)
        done = docker("logs", container)
    finally:
        docker("rm", "-f", container, check_rc=False)
    lines = [l for l in (done.stdout + done.stderr).splitlines() if l.strip()]
    check(code != 0, f"{name}: ended with 0: {lines}")
    check(lines, f"{name}: says nothing")
    for word in wanted:
        check(word in lines[-1], f"{name}: the last line lacks {word!r}: {lines[-1]!r}")
    check(len(lines) <= 3, f"{name}: more than one sentence: {lines}")
    check(len(lines[-1]) < 400 and "Traceback" not in lines[-1], f"{name}: {lines[-1]!r}")


@suite.test("refuses an interface that is not there", needs=[UP])
def _():
    refused("interface", ["nosuch0"], env=["INTERFACE=nosuch0", "PROVISIONER_IP=192.168.100.1"])


@suite.test("refuses an address that the interface does not have", needs=[UP])
def _():
    refused("address", ["10.9.8.7"], env=["INTERFACE=eth0", "PROVISIONER_IP=10.9.8.7"])


@suite.test("refuses settings that make no sense", needs=[UP])
def _():
    refused("cidr", ["LAB_CIDR"], env=["LAB_CIDR=192.168.100.1/99"])
    refused("cidr-text", ["LAB_CIDR"], env=["LAB_CIDR=192.168.100.1/24; reboot"])
    refused("half", ["PROVISIONER_IP"], env=["INTERFACE=eth0"])


@suite.test("refuses to start where a port is taken, and says which", needs=[UP])
def _():
    for port, kind in ((80, socket.SOCK_STREAM), (8088, socket.SOCK_STREAM), (67, socket.SOCK_DGRAM),
            (69, socket.SOCK_DGRAM), (53, socket.SOCK_DGRAM)):
        with lab.inside():
            holder = socket.socket(socket.AF_INET, kind)
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
            holder.bind(("0.0.0.0", port))
            if kind == socket.SOCK_STREAM:
                holder.listen(1)
        try:
            refused(f"port-{port}", [str(port)], env=["OPERATOR_LISTEN=0.0.0.0:8088"])
        finally:
            holder.close()


@suite.test("without NET_ADMIN it says what is missing", needs=[UP])
def _():
    refused("caps", ["NET_ADMIN"], drop_caps=True)


if __name__ == "__main__":
    sys.exit(suite.main())
