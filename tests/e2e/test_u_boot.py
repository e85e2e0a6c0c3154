"""A board whose firmware is U-Boot: QEMU's `virt` with Debian's build for it."""
import os

import pytest

from kit import raw_vm
from kit import screen as kit_screen
from kit.check import check_equal, eventually
from kit.command import docker
from kit.e2e_lab import INSTALL_S
from kit.loaders import BOOT_S, check_asked, menu_of, screen_of
from kit.scope import needs
from kit.small_disk import SAYS, blank_disk, uefi_disk

U_BOOT = os.environ.get("VMLAB_TEST_U_BOOT", "/usr/lib/u-boot/qemu_arm64/u-boot.bin")
MAC, LOCAL, INSTALLS, BY_PXE = (f"52:54:00:e2:eb:{n:02}" for n in range(1, 5))


def start(lab, name, mac, *options, memory_mib=512, files=()):
    """Its virtio-net wedges on bursts: e1000."""
    if not os.path.exists(U_BOOT):
        pytest.skip("u-boot-qemu is not installed")
    raw_vm.start(lab, name, mac, "arm64", "-bios", "/given/u-boot.bin", *options, card="e1000", boots=False, uefi=False,
        memory_mib=memory_mib, files=[U_BOOT, *files])


def prompt(screen):
    screen.shows(r"Hit any key to stop autoboot", 60)
    screen.types(b" ")
    screen.shows(r"=> ", 30)


def boots_by_pxe(screen):
    """As pxelinux does: a file below pxelinux.cfg/ names what to load."""
    prompt(screen)
    screen.types(b"setenv autoload no; dhcp; pxe get; pxe boot\r")
    screen.shows(r"(?s)pxelinux\.cfg/default-arm.*ipxe-arm64\.itb", BOOT_S)


def boots_from_network(screen):
    """By bootstd, which here has no place for a device tree and asks the server for one; Debian 12's build has no
    network in its bootstd, and does what bootcmd_dhcp does."""
    prompt(screen)
    screen.types(b"setenv fdt_addr_r 0x43000000; setenv fdtfile none.dtb; "
        b"bootflow scan -lb || dhcp ${kernel_addr_r} && bootefi ${kernel_addr_r} ${fdtcontroladdr}\r")
    screen.shows(r"ipxe-arm64\.efi", BOOT_S)


def puts_network_first(screen):
    """As docker/README.md says, for this start and all that follow."""
    prompt(screen)
    screen.types(b'setenv fdt_addr_r 0x43000000; setenv fdtfile none.dtb; setenv bootmeths efi; '
        b'setenv boot_targets "dhcp ${boot_targets}"; saveenv; reset\r')
    screen.shows(r"(?s)Writing to Flash.*OK.*ipxe-arm64\.efi", BOOT_S)


def disk(path):
    """A disk, and the flash that U-Boot keeps its environment in, written to as long as QEMU runs; and their files."""
    flash = blank_disk(path + ".flash", 64 << 20)
    return [word for at, interface in ((path, "none,id=disk"), (flash, "pflash,index=1")) for word in ("-drive",
        f"if={interface},format=raw,snapshot=on,file=/given/{os.path.basename(at)}")] + ["-device",
        "virtio-blk-pci,drive=disk"], [path, flash]


@pytest.mark.long
@pytest.mark.parametrize("name, mac, begins", [("board", MAC, boots_from_network), ("by-pxe", BY_PXE, boots_by_pxe)])
def test_u_boot_starts_our_ipxe_which_does_not_nap_there(lab, name, mac, begins):
    menu = menu_of(lab, name, mac, "arm64")
    start(lab, name, mac)
    with screen_of(lab, name) as screen:
        begins(screen)
        screen.shows(menu, BOOT_S)
        check_asked(lab, name)


def test_told_its_disk_it_boots_that(lab):
    menu_of(lab, "left", LOCAL, "arm64")
    lab.define("left", mac=LOCAL, arch="arm64", mode="local")
    loader, path = os.path.join(lab.dir, "loader-arm64.efi"), os.path.join(lab.dir, "left.raw")
    docker("cp", f"{lab.name}-stack:/srv/tftp/ipxe-arm64.efi", loader)
    uefi_disk(path, loader, "BOOTAA64.EFI")
    options, files = disk(path)
    start(lab, "left", LOCAL, *options, files=files)
    with screen_of(lab, "left") as screen:
        puts_network_first(screen)
        screen.shows(f"(?s)left boots from its disk.*{SAYS}", BOOT_S)


def asked(lab):
    return [e["text"] for e in lab.api("/api/v1/events?vm=uboard&limit=1000")["events"] if e["kind"] == "ipxe"]


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_told_once_to_boot_the_network_first_it_installs_and_gets_ready(lab):
    """The board's environment is in flash and its disk empty; what it boots from then on is what /ipxe says. Its card
    is none of a cloud's, so its kernel is the generic one."""
    lab.build_image("debian-13", "arm64", kernel="generic")
    lab.only_the_lab()
    lab.define("uboard", mac=INSTALLS, ip="192.168.100.61", arch="arm64", distro="debian-13-generic", disks=[{"size": "4G"}])
    options, files = disk(blank_disk(os.path.join(lab.dir, "uboard.raw"), 4 << 30))
    start(lab, "uboard", INSTALLS, *options, memory_mib=1024, files=files)
    try:
        with kit_screen.screen_of(lab, "uboard") as screen:
            puts_network_first(screen)
        lab.wait_state("uboard", "ready", 3 * INSTALL_S)
    finally:
        lab.save_console("uboard", "uboard")
    check_equal((asked(lab)[-1], sorted(set(asked(lab)))), ("local", ["install", "local"]), "what /ipxe said")
    check_equal(lab.ssh("uboard", "uname -m; uname -r | grep -o -- '-.*'; ls -d /sys/firmware/efi; "
        "tr -d '\\0' </proc/device-tree/compatible"), "aarch64\n-arm64\n/sys/firmware/efi\nlinux,dummy-virt", "what it runs on")


@needs(test_told_once_to_boot_the_network_first_it_installs_and_gets_ready)
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_started_again_it_boots_its_disk(lab):
    before, boot_id = asked(lab), lab.ssh("uboard", "cat /proc/sys/kernel/random/boot_id")
    lab.ssh("uboard", "sudo systemctl reboot", check_rc=False)
    try:
        def back():
            done = lab.vmlab("ssh", "uboard", "cat /proc/sys/kernel/random/boot_id", check_rc=False, timeout=30)
            return done.returncode == 0 and done.stdout.strip() != boot_id
        eventually(back, 2 * BOOT_S, "the guest answers with another boot id", every=3)
        lab.wait_state("uboard", "ready", BOOT_S)
    finally:
        lab.save_console("uboard", "uboard-again")
    check_equal(asked(lab), [*before, "local"], "what /ipxe said")
    lab.remove_vm("uboard")
