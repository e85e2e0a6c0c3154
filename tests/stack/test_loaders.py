"""Which loader a machine's firmware is given, by what it says of itself and what its definition says."""
import os
import re
import shutil
import struct
import time

import pytest

from kit import dhcp, http_client
from kit.check import check, check_equal, eventually
from kit.command import docker, run
from kit.lab import SERVER, Lab
from kit.scope import Scope, needs

scope = Scope("loaders")
here = None
machine = None

PLAIN, SNP, LPX, OWN, OFF, PI, SHIM, SECURE = (f"52:54:00:10:ad:{n:02x}" for n in range(1, 9))
HTTP_EFI = f"http://{SERVER}/loaders/"
# option 93, MAC -> boot file
TABLE = [
    (0, PLAIN, "undionly.kpxe"), (7, PLAIN, "ipxe-x86_64.efi"), (9, PLAIN, "ipxe-x86_64.efi"),
    (11, PLAIN, "ipxe-arm64.efi"), (22, PLAIN, "ipxe-arm64.efi"),
    (16, PLAIN, HTTP_EFI + "ipxe-x86_64.efi"), (19, PLAIN, HTTP_EFI + "ipxe-arm64.efi"),
    (6, PLAIN, ""), (15, PLAIN, ""), (18, PLAIN, ""),  # 32 bits: there is no build for them
    (7, SNP, "snponly-x86_64.efi"), (16, SNP, HTTP_EFI + "snponly-x86_64.efi"),
    (0, SNP, "undionly.kpxe"), (11, SNP, "ipxe-arm64.efi"),  # what fits, where the word does not
    (0, LPX, "lpxelinux.0"), (7, LPX, "ipxe-x86_64.efi"),
    (0, OWN, "own/my.efi"), (7, OWN, "own/my.efi"), (6, OWN, "own/my.efi"), (22, OWN, "own/my.efi"),
    (16, OWN, HTTP_EFI + "own/my.efi"), (15, OWN, HTTP_EFI + "own/my.efi"),
    (7, SHIM, "shimx64.efi"), (16, SHIM, HTTP_EFI + "shimx64.efi"), (11, SHIM, "shimaa64.efi"),
    (19, SHIM, HTTP_EFI + "shimaa64.efi"), (0, SHIM, "undionly.kpxe"),
    (7, SECURE, "shimx64.efi"), (16, SECURE, HTTP_EFI + "shimx64.efi"),
    (0, OFF, ""), (7, OFF, ""), (16, OFF, ""), (22, OFF, ""),
]


def firmware(arch):
    """The options of a client of that architecture."""
    if arch in (15, 16, 18, 19):
        return {60: f"HTTPClient:Arch:{arch:05d}:UNDI:003016".encode(), 93: struct.pack("!H", arch)}
    if arch == 22:
        return {60: b"U-Boot.armv8", 93: struct.pack("!H", arch)}
    return {60: f"PXEClient:Arch:{arch:05d}:UNDI:003016".encode(), 93: struct.pack("!H", arch),
        94: b"\x01\x03\x10", 97: b"\0" + bytes(range(16))}


def ack(mac, arch, **more):
    with machine.inside():
        c = dhcp.Client()
        reply = c.acquire(mac, timeout=8, extra={**firmware(arch), **more.pop("extra", {})}, **more)
        c.close()
    check(reply and reply.kind == dhcp.ACK, f"no address for {mac}, architecture {arch}")
    return reply


def tftp(name):
    where = os.path.join(scope.tempdir(), "tftp.out")
    if os.path.exists(where):
        os.unlink(where)
    machine.run(["busybox", "tftp", "-g", "-b", "1408", "-r", name, "-l", where, SERVER], timeout=30)
    with open(where, "rb") as f:
        return f.read()


def fetch(path):
    with machine.inside():
        return http_client.request(SERVER, path)


def test_the_lab_starts():
    global here, machine
    here = Lab(scope, "loaders", access="own")
    here.make_image()
    for number, (name, mac, more) in enumerate((("plain", PLAIN, {}), ("snp", SNP, {"loader": "snponly"}),
            ("lpx", LPX, {"loader": "lpxelinux"}), ("own", OWN, {"loader": "my.efi"}),
            ("off", OFF, {"mode": "off"}), ("pi", PI, {"arch": "arm64"}), ("shim", SHIM, {"loader": "shim"}),
            ("secure", SECURE, {"secure_boot": True}))):
        here.define(name, mac=mac, ip=f"192.168.100.{10 + number}", **more)
    os.mkdir(os.path.join(here.images, "_loaders"))
    with open(os.path.join(here.images, "_loaders", "my.efi"), "wb") as f:
        f.write(b"MZ a build of my own")
    here.start()
    machine = here.client("client", cidr="192.168.100.99/24")


@needs(test_the_lab_starts)
@pytest.mark.parametrize("arch, mac, file", TABLE)
def test_what_firmware_is_given(arch, mac, file):
    reply = ack(mac, arch)
    check_equal(reply.file, file, "boot file")
    if file:
        check_equal(reply.siaddr, SERVER, "next server")
    else:
        check_equal(reply.siaddr if mac == OFF else "0.0.0.0", "0.0.0.0", "next server")
        check(not {66, 67, 43} & set(reply.options), f"options {sorted(reply.options)}")
    if arch in (16, 19) and mac != OFF:
        check_equal(reply.options.get(60), b"HTTPClient", "option 60")


@needs(test_the_lab_starts)
def test_each_file_of_the_table_is_that_build_over_tftp_and_http():
    for name, wanted in (("ipxe-x86_64.efi", 0x8664), ("snponly-x86_64.efi", 0x8664), ("ipxe-arm64.efi", 0xaa64)):
        data = tftp(name)
        check_equal(fetch("/loaders/" + name).body, data, f"{name} over HTTP and over TFTP: the same")
        header = int.from_bytes(data[0x3c:0x40], "little")
        check_equal((data[:2], int.from_bytes(data[header + 4:header + 6], "little")), (b"MZ", wanted), name)
    check(len(tftp("snponly-x86_64.efi")) < len(tftp("ipxe-x86_64.efi")) / 2, "snponly brings drivers")
    check(len(tftp("undionly.kpxe")) < len(tftp("ipxe.pxe")) / 2, "undionly brings drivers")
    check_equal(tftp("ipxe.lkrn")[0x202:0x206], b"HdrS", "ipxe.lkrn is no kernel to a boot loader: it has")
    check_equal(tftp("own/my.efi"), b"MZ a build of my own", "the user's own file")
    check_equal(fetch("/loaders/own/my.efi").text, "MZ a build of my own", "the user's own file over HTTP")
    check_equal(fetch("/loaders/own/none.efi").status, 404, "a file that is not there")


@needs(test_the_lab_starts)
def test_u_boots_pxe_is_told_of_ipxe_in_its_own_format():
    name = re.search(r"^ *KERNEL (\S+)#ipxe$", tftp("pxelinux.cfg/default-arm").decode(), re.M)[1]
    data = tftp(name)
    check_equal(data[:4], bytes.fromhex("d00dfeed"), f"{name} is no FIT: it begins with")
    check(tftp("ipxe-arm64.efi") in data, f"{name} holds another iPXE")


@needs(test_the_lab_starts)
def test_what_shim_loads_next_is_beside_it_and_signed():
    for name in ("shimx64.efi", "grubx64.efi", "mmx64.efi", "shimaa64.efi", "grubaa64.efi", "mmaa64.efi"):
        data = tftp(name)
        check_equal(fetch("/loaders/" + name).body, data, f"{name} over HTTP and over TFTP: the same")
        header = int.from_bytes(data[0x3c:0x40], "little")
        where, size = struct.unpack_from("<II", data, header + 24 + 112 + 4 * 8)  # PE32+: the directory of certificates
        check(0 < where < len(data) and size > 1000, f"{name} is not signed")
    check(b"Debian Secure Boot" in tftp("grubx64.efi"), "grubx64.efi is not signed by Debian")
    check(b"Microsoft Windows UEFI Driver Publisher" in tftp("shimx64.efi"), "shimx64.efi is not signed by Microsoft")


@needs(test_the_lab_starts)
def test_grub_reads_its_first_file_and_gets_an_answer_in_its_language():
    """Where the netboot build looks for it (its prefix is /grub), over TFTP and HTTP; what is in both is judged by
    grub-script-check where this machine has it."""
    first = tftp("grub/grub.cfg")
    check_equal(fetch("/grub/grub.cfg").body, first, "grub.cfg over HTTP and over TFTP: the same")
    with machine.inside():
        machine.address("192.168.100.16/24")
        script = http_client.request(SERVER, f"/grub?mac={SHIM}&arch=x86_64", source="192.168.100.16").body
    check(f"linux '(http,{SERVER})/images/debian-13/amd64/vmlinuz'".encode() in script, script)
    unknown = fetch("/grub?mac=52:54:00:10:ad:77&serial=a%20b'$(reboot)").body
    check(b"no definition in vms/" in unknown and b"reboot" not in unknown, unknown)
    check_equal(fetch("/grub").status, 400, "without an address")
    for text in (first, script, unknown) if shutil.which("grub-script-check") else ():
        check_equal(run(["grub-script-check"], stdin=text.decode(), check_rc=False).returncode, 0, text.decode())


@needs(test_the_lab_starts)
def test_ipxe_for_arm64_does_not_nap_where_no_interrupt_comes():
    code = tftp("ipxe-arm64.efi")
    words = [code[at:at + 4] for at in range(0, len(code) - 3, 4)]
    check_equal(words.count(bytes.fromhex("7f2003d5")), 0, "WFI instructions")


@needs(test_the_lab_starts)
def test_lpxelinux_finds_all_it_asks_for_over_http():
    reply = ack(LPX, 0, user_class="iPXE")  # a firmware whose PXE is an iPXE gets it, too
    check_equal(reply.file, "lpxelinux.0", "boot file")
    prefix = reply.options.get(210, b"").decode()
    check_equal(prefix, f"http://{SERVER}/syslinux/", "option 210")
    path = prefix.removeprefix(f"http://{SERVER}")
    check(b"PXELINUX" in tftp("lpxelinux.0"), "lpxelinux.0 is another program")
    check_equal(fetch(path + "ldlinux.c32").body[:4], b"\x7fELF", "ldlinux.c32")
    check_equal(fetch(path + "pxelinux.cfg/01-52-54-00-10-ad-03").status, 404, "a configuration of its own")
    words = dict(line.split(None, 1) for line in fetch(path + "pxelinux.cfg/default").text.splitlines()
        if line.startswith("  "))
    check_equal(fetch(path + words["KERNEL"]).body[0x202:0x206], b"HdrS", "its kernel")
    check_equal(fetch(path + words["INITRD"]).text, tftp("boot.ipxe").decode(), "its initrd, the script")


@needs(test_the_lab_starts)
def test_an_ipxe_that_asks_gets_the_script_whatever_its_loader_is():
    for mac in (PLAIN, SNP, OWN):
        check_equal(ack(mac, 7, user_class="iPXE").file, "boot.ipxe", "boot file")
    check_equal(ack(OFF, 7, user_class="iPXE").file, "", "boot file of a machine with mode off")


def processes():
    return eventually(lambda: (lambda pids: pids if len(pids["boot_handler"]) == 1 else None)(here.pids()), 5,
        "there is one boot_handler")


def switch(word):
    began = time.monotonic()
    here.api(f"/api/v1/vms/plain/netboot/{word}", method="POST")
    eventually(lambda: bool(ack(PLAIN, 7).file) == (word == "on"), 3, f"its network boot is {word}")
    return time.monotonic() - began


@needs(test_the_lab_starts)
def test_network_boot_is_switched_within_a_second_and_nothing_is_restarted():
    before = processes()
    took = [switch(word) for word in ("off", "on", "off")]
    check(max(took) < 2, f"it took {took} s")
    check_equal(ack(PLAIN, 0).file, "", "boot file of its BIOS")
    script = None
    with machine.inside():
        machine.address("192.168.100.10/24")
        script = http_client.request(SERVER, f"/ipxe?mac={PLAIN}", source="192.168.100.10").text
    check("vmlab netboot plain on" in script and "exit 1" in script, script)
    check_equal(processes(), before, "the daemons' processes")
    here.define("late", mac="52:54:00:10:ad:40", ip="192.168.100.40", mode="off")
    eventually(lambda: "set:nonetboot,192.168.100.40" in here.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout, 3,
        "the definition's tag is written")
    eventually(lambda: ack("52:54:00:10:ad:40", 7).file == "", 2, "a new definition with mode off gets no loader")
    print(f"switched after {', '.join(f'{t:.2f}' for t in took)} s")


@needs(test_network_boot_is_switched_within_a_second_and_nothing_is_restarted)
def test_it_stays_off_over_a_restart_of_the_stack():
    docker("restart", here.stack)
    here.wait_serving()
    eventually(lambda: ack(PLAIN, 7).file == "", 5, "it is still off")
    check_equal(here.vm("plain")["netboot"], False, "in the API")
    switch("on")


@needs(test_the_lab_starts)
def test_a_raspberry_pi_is_answered_as_its_boot_rom_wants():
    """As its boot ROM asks (a trace of a CM4): a BIOS by option 93, "RPi4" in option 97."""
    for name in (b"RPi4", b"4iPR"):
        rom = {60: b"PXEClient:Arch:00000:UNDI:002001", 93: b"\0\0", 94: b"\x01\x02\x01",
            97: b"\0" + name + bytes.fromhex("140303d0") + bytes.fromhex("06ad1000") + bytes.fromhex("a1b2c3d4")}
        reply = ack(PI, 0, extra=rom)
        check_equal(reply.file, "", "boot file: it takes none")
        check_equal(reply.options.get(60), b"PXEClient", "option 60")
        vendor = dict(sub_options(reply.options.get(43, b"")))
        check_equal(vendor.get(6), b"\x03", "PXE discovery control")
        check_equal(vendor.get(9), b"\0\0\x11Raspberry Pi Boot", "PXE boot menu")
        check_equal(reply.server, SERVER, "the server that it will ask by TFTP")
    check_equal(ack(PI, 0).file, "undionly.kpxe", "a BIOS with another option 97")


def sub_options(data):
    while len(data) >= 2 and data[0] != 255:
        yield data[0], data[2:2 + data[1]]
        data = data[2 + data[1]:]


@needs(test_the_lab_starts)
def test_dnsmasq_says_that_its_configuration_is_right():
    done = here.exec("/usr/sbin/dnsmasq", "--test", "--conf-file=/run/vmlab/dnsmasq.conf")
    check("syntax check OK" in done.stdout + done.stderr, done.stderr)
