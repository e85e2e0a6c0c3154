"""A Raspberry Pi that boots from the stack: its folder, its files, and when it gets none."""
import hashlib
import json
import os
import random
import re

import pytest

from kit import eeprom_image, http_client, raspberry_rom
from kit.check import check, check_equal, eventually, skip
from kit.lab import SERVER, Lab
from kit.raspberry_rom import NotBooted, RaspberryPi
from kit.scope import Scope, needs

scope = Scope("raspberry")
here = None
machine = None
files = {}

MAC, SERIAL = "dc:a6:32:00:00:11", "a1b2c3d4"
CM4, CM4_SERIAL = "dc:a6:32:00:00:12", "00c0ffee"
STRANGE, STRANGE_SERIAL = "dc:a6:32:00:00:99", "deadbeef"
CONFIG = b"""# as vmlab image build writes it
arm_64bit=1
enable_uart=1
upstream_kernel=1
kernel=vmlinuz
initramfs initrd.zst,modules.cpio.zst followkernel
[cm4]
device_tree=bcm2711-rpi-cm4-io.dtb
[all]
"""


def make_tree(where):
    """An image of the same shape as `vmlab image build raspberrypi` makes, with content that nothing boots."""
    rng = random.Random(7)
    made = {name: rng.randbytes(size) for name, size in (("start4.elf", 2200000), ("fixup4.dat", 5400),
        ("start4cd.elf", 800000), ("fixup4cd.dat", 3200), ("bcm2711-rpi-4-b.dtb", 33000),
        ("bcm2711-rpi-cm4-io.dtb", 33792), ("vmlinuz", 300001), ("modules.cpio.zst", 4096))}
    made["config.txt"] = CONFIG
    os.makedirs(where)
    for name, data in made.items():
        with open(os.path.join(where, name), "wb") as f:
            f.write(data)
    entry = lambda name: {"file": name, "size_bytes": len(made[name]), "sha256": hashlib.sha256(made[name]).hexdigest()}
    manifest = {"format": 1, "kind": "boot", "distro": "raspberrypi", "arch": "arm64", "boot": {"kernel": entry("vmlinuz"),
        "initrds": [entry("modules.cpio.zst")], "firmware": [entry(name) for name in made if name not in ("vmlinuz",
            "modules.cpio.zst")]}}
    with open(os.path.join(where, "manifest.json"), "w") as f:
        json.dump(manifest, f)
    return made


def boots(pi, card=None, **more):
    with (card or machine).inside():
        _, server = pi.address()
        check_equal(server, SERVER, "the server that it asks by TFTP")
        return pi.fetch(server, **more)


def is_offered(pi):
    try:
        with machine.inside():
            pi.address()
    except NotBooted:
        return False
    return True


def is_refused(pi):
    """Offered or not, it boots nothing from here, also where its EEPROM is told the server (TFTP_IP)."""
    with machine.inside(), pytest.raises(NotBooted):
        pi.fetch(SERVER)
    return True


def test_the_lab_starts():
    global here, machine, files
    here = Lab(scope, "raspberry", access="own")
    files = make_tree(os.path.join(here.images, "raspberrypi", "arm64"))
    here.make_image(arch="arm64") # what /config is of
    here.define("pi", mac=MAC, ip="192.168.100.10", arch="arm64", serial=SERIAL.upper(), mode="shell",
        kernel_args="lab.test=1")
    here.define("cm", mac=CM4, ip="192.168.100.11", arch="arm64", serial="10000000" + CM4_SERIAL, mode="shell")
    here.start()
    if here.exec("test", "-e", "/srv/initrds/arm64/initrd.zst", check_rc=False).returncode != 0:
        skip("the stack's image was made without the initrd for arm64")
    machine = here.client("client", cidr="192.168.100.99/24")


@needs(test_the_lab_starts)
@pytest.mark.parametrize("block", [512, 1024, 1468])
def test_its_rom_and_firmware_fetch_the_whole_tree_in_their_order(block):
    pi = RaspberryPi(MAC, SERIAL)
    got = boots(pi, blocks={"rom": block, "firmware": block})
    initrd = here.exec("sha256sum", "/srv/initrds/arm64/initrd.zst").stdout.split()[0]
    check_equal(hashlib.sha256(got.pop("initrd.zst")).hexdigest(), initrd, "our initrd's digest")
    check_equal(got.pop("cmdline.txt").decode(), f"ip=dhcp BOOTIF=01-{MAC.replace(':', '-')} console=tty0 "
        f"console=ttyS1,115200 config_url=http://{SERVER}/config/{MAC} initrd.mode=shell panic=30 quiet lab.test=1\n",
        "cmdline.txt")
    wanted = {name: files[name] for name in ("start4.elf", "fixup4.dat", "config.txt", "bcm2711-rpi-4-b.dtb", "vmlinuz",
        "modules.cpio.zst")}
    check_equal({name: hashlib.sha256(data).hexdigest() for name, data in got.items()},
        {name: hashlib.sha256(data).hexdigest() for name, data in wanted.items()}, "what it loaded")
    check_equal(pi.asked[0][0], f"{SERIAL}/start4.elf", "the first request")
    outside = [path for path, _ in pi.asked if not path.startswith(SERIAL + "/")]
    check(not outside, f"asked for outside its folder: {outside}")
    check_equal([path for path, size in pi.asked if size is None], [f"{SERIAL}/{name}" for name in ("pieeprom.sig",
        "recover4.elf", "recovery.elf", "dt-blob.bin", "recovery.elf", "bootcfg.txt", "overlays/overlay_map.dtb",
        "armstub8-gic.bin")], "what is normally not there")


@needs(test_the_lab_starts)
def test_a_compute_module_has_its_own_folder_and_device_tree():
    got = boots(RaspberryPi(CM4, CM4_SERIAL, model="cm4", name=b"4iPR"))
    check_equal(got["bcm2711-rpi-cm4-io.dtb"], files["bcm2711-rpi-cm4-io.dtb"], "its device tree")
    check(f"/config/{CM4} " in got["cmdline.txt"].decode(), "its own cmdline.txt")


@needs(test_the_lab_starts)
def test_what_its_cmdline_names_is_there_for_it():
    with machine.inside():
        machine.address("192.168.100.10/24")
        answer = http_client.request(SERVER, f"/config/{MAC}", source="192.168.100.10")
    check_equal(answer.status, 200, "its configuration")


@needs(test_the_lab_starts)
def test_a_board_that_nobody_declared_finds_nothing_until_it_is_declared():
    pi = RaspberryPi(STRANGE, STRANGE_SERIAL)
    is_refused(pi)
    check_equal([path for path, _ in pi.asked], [f"{STRANGE_SERIAL}/start4.elf", "config.txt", "pieeprom.sig",
        "recover4.elf", "recovery.elf", "start4.elf"], "what it asked for")
    check(not any(size for _, size in pi.asked), f"it was given {pi.asked}")
    is_offered(pi)
    found = eventually(lambda: [m for m in here.api("/api/v1/machines")["machines"] if STRANGE in m["macs"]], 5, "it is a stranger")
    check_equal((found[0]["arch"], found[0]["platform"]), ("arm64", "rpi"), "what it showed")
    here.define("late", mac=STRANGE, ip="192.168.100.12", arch="arm64", serial=STRANGE_SERIAL, mode="shell")
    eventually(lambda: boots_at_all(pi), 5, "it boots once it is declared", every=0.5)
    here.undefine("late.json")
    eventually(lambda: is_gone(pi), 5, "its folder is gone with its definition", every=0.5)


def boots_at_all(pi):
    try:
        return boots(pi)
    except NotBooted:
        return None


def is_gone(pi):
    with machine.inside():
        return raspberry_rom.Tftp(SERVER).get(f"{pi.serial}/start4.elf", 1024) is None


@needs(test_the_lab_starts)
def test_netboot_off_takes_offer_and_folder_away_and_on_brings_them_back():
    pi = RaspberryPi(MAC, SERIAL)
    here.api("/api/v1/vms/pi/netboot/off", method="POST")
    eventually(lambda: not is_offered(pi), 3, "no Raspberry Pi Boot is offered")
    eventually(lambda: is_gone(pi), 3, "its folder is gone")
    is_refused(pi)
    check(boots(RaspberryPi(CM4, CM4_SERIAL, model="cm4")), "the other board boots as before")
    here.api("/api/v1/vms/pi/netboot/on", method="POST")
    eventually(lambda: boots_at_all(pi), 5, "it boots again", every=0.5)


@needs(test_the_lab_starts)
@pytest.mark.parametrize("mode", ["off", "local"])
def test_by_its_mode_it_is_offered_nothing(mode):
    pi = RaspberryPi(MAC, SERIAL)
    here.define("pi", mac=MAC, ip="192.168.100.10", arch="arm64", serial=SERIAL, mode=mode)
    eventually(lambda: not is_offered(pi), 3, "no Raspberry Pi Boot is offered")
    eventually(lambda: is_gone(pi), 3, "its folder is gone")
    here.define("pi", mac=MAC, ip="192.168.100.10", arch="arm64", serial=SERIAL, mode="shell")
    eventually(lambda: boots_at_all(pi), 5, "it boots again", every=0.5)


# ---- its boot order


def agent(path, method="GET", **more):
    """As the agent that it has booted."""
    with scope.board.inside():
        return http_client.request(SERVER, path, method=method, **more)


def order_network(where):
    number = here.api("/api/v1/machines/cm/orders", method="POST", body={"action": "boot-order", "args": {"network": where}})["id"]
    return number, lambda: here.api(f"/api/v1/machines/cm/orders/{number}")


def handed_out():
    answer = agent(f"/api/device-action-poll?mac={CM4}")
    check_equal(answer.status, 200, f"{answer}: status")
    return answer.json["args"]["eeprom"]


def ended(number, result, text=""):
    check_equal(agent("/api/action-done", method="POST", body={"mac": CM4, "id": number, "result": result, "text": text}).status, 204,
        "told: status")


def served(name="pieeprom.sig", serial=CM4_SERIAL):
    with scope.board.inside():
        return raspberry_rom.Tftp(SERVER).get(f"{serial}/{name}", 1024)


@needs(test_the_lab_starts)
def test_an_order_without_an_eeprom_image_says_which_one_is_missing():
    scope.board = here.client("board", cidr="192.168.100.11/24", mac=CM4)
    here.define("cm", mac=CM4, ip="192.168.100.11", arch="arm64", serial="10000000" + CM4_SERIAL, mode="agent")
    eventually(lambda: b"initrd.mode=agent" in served("cmdline.txt"), 5, "it is served the agent")
    told = agent(f"/inventory/{CM4}", method="POST", body={"format": 1, "system": {"product": "Raspberry Pi Compute Module 4 Rev 1.0"}})
    check_equal(told.status, 204, f"{told}: status")
    number, of = order_network("first")
    check_equal(handed_out(), {"why": "there is no images/_raspberry/2711/pieeprom.bin: put the newest pieeprom-*.bin of "
        "rpi-eeprom's firmware-2711/ there by that name"}, "what its agent is told")
    check(served() is None, "an update is served")
    ended(number, "failed", "no image")
    check_equal(of()["state"], "failed", "state")


@needs(test_an_order_without_an_eeprom_image_says_which_one_is_missing)
def test_its_bootloader_writes_the_ordered_boot_order_and_nothing_is_served_before_or_after():
    where = os.path.join(here.images, "_raspberry", "2711")
    os.makedirs(where)
    with open(os.path.join(where, "pieeprom.bin"), "wb") as f:
        f.write(eeprom_image.make("2711", b"[all]\nBOOT_UART=1\nBOOT_ORDER=0xf21\n"))
    pi = RaspberryPi(CM4, CM4_SERIAL, model="cm4")
    number, of = order_network("first")
    check_equal((served(), of()["state"]), (None, "waiting"), "before its agent has the order: update, state")
    offer = handed_out()
    check_equal((offer["soc"], offer["since_s"]), ("2711", 0), "what its agent is told")
    eventually(served, 5, "the update is served")
    boots(pi, scope.board)
    check_equal(pi.updated, offer["timestamp"], "the time of its last update")
    check_equal(eeprom_image.config_of(pi.eeprom), b"[all]\nBOOT_UART=1\nBOOT_ORDER=0xf12\n", "bootconf.txt in its EEPROM")
    check(f"{CM4_SERIAL}/pieeprom.upd" not in [path for path, _ in pi.asked], "it wrote its EEPROM twice")
    check_equal(handed_out()["timestamp"], pi.updated, "the agent that it boots again is told the same")
    check(served(serial=SERIAL) is None, "another board is served an update")
    ended(number, "ok")
    check_equal(of()["state"], "done", "state")
    eventually(lambda: served() is None and served("pieeprom.upd") is None, 5, "nothing is served any more")


@needs(test_its_bootloader_writes_the_ordered_boot_order_and_nothing_is_served_before_or_after)
def test_with_the_network_last_it_is_done_once_the_update_is_fetched():
    pi = RaspberryPi(CM4, CM4_SERIAL, model="cm4")
    _, of = order_network("last")
    handed_out()
    eventually(served, 5, "the update is served")
    boots(pi, scope.board)
    check_equal(eeprom_image.config_of(pi.eeprom), b"[all]\nBOOT_UART=1\nBOOT_ORDER=0xf21\n", "bootconf.txt in its EEPROM")
    eventually(lambda: of()["state"] == "done", 5, "it is done")
    check("boots its disk from then on" in of()["text"], of()["text"])
    eventually(lambda: served() is None, 5, "nothing is served any more")
    here.define("cm", mac=CM4, ip="192.168.100.11", arch="arm64", serial="10000000" + CM4_SERIAL, mode="shell")


@needs(test_the_lab_starts)
def test_names_from_definitions_and_guests_stay_in_their_place():
    for at, serial in enumerate(("../../etc", "..", "a1b2c3d4/..", "initrds", "own")):
        here.define(f"bad{at}", mac=f"dc:a6:32:00:01:{at:02x}", arch="arm64", serial=serial, mode="shell")
    eventually(lambda: here.vm("bad4"), 3, "the last is known")
    listed = here.exec("ls", "-A", "/run/vm_watcher/tftp").stdout.split()
    check_equal(sorted(name for name in listed if re.fullmatch("[0-9a-fA-F]{8}", name)), sorted([SERIAL, CM4_SERIAL]),
        "folders of boards")
    folder = here.exec("ls", "-A", f"/run/vm_watcher/tftp/{SERIAL}").stdout.split()
    check(set(files) | {"cmdline.txt", "initrd.zst"} <= set(folder), f"in one: {folder}")
    check({"own", "initrds", "raspberrypi", "boot.ipxe"} <= set(listed), f"entries of others: {listed}")
    with machine.inside():
        tftp = raspberry_rom.Tftp(SERVER)
        for path in (f"{SERIAL}/../../vms/pi.json", f"{SERIAL}/../../../etc/passwd"):
            try:
                check(tftp.get(path, 1024) is None, f"{path} was given")
            except (NotBooted, TimeoutError):
                pass


@needs(test_the_lab_starts)
def test_a_tree_that_is_built_again_is_what_it_gets_next():
    where = os.path.join(here.images, "raspberrypi", "arm64")
    os.rename(where, where + ".old")
    pi = RaspberryPi(MAC, SERIAL)
    is_refused(pi)
    make_tree(where)
    with open(os.path.join(where, "vmlinuz"), "wb") as f:
        f.write(b"another kernel")
    check_equal(boots(pi)["vmlinuz"], b"another kernel", "the kernel that it loads")
