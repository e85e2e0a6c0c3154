"""What must not install, and leaves no disk that boots."""
import re
import time

import pytest

from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.e2e_lab import INSTALL_S
from kit.scope import needs

STRANGER = "52:54:00:e2:e0:02"
TINY = "52:54:00:e2:e0:03"


def test_an_unknown_machine_waits_at_pxe_and_shows_its_mac(lab):
    lab.only_the_lab()
    lab.start_vm("stray", STRANGER)
    lab.wait_console("stray", STRANGER, 120)


@needs(test_an_unknown_machine_waits_at_pxe_and_shows_its_mac)
def test_its_page_says_what_it_showed_and_how_to_adopt_it_also_without_script_and_in_the_dark(lab, watched):
    page = f"/machines/{STRANGER}"
    for says in (watched.pages(page), watched.look_elsewise(page)):
        for words in ("ipxe", "192.168.100.", f"vmlab adopt {STRANGER} NAME"):
            check(words in says[page], f"no {words!r} in {says[page]}")


@needs(test_an_unknown_machine_waits_at_pxe_and_shows_its_mac)
def test_its_file_appears_but_no_image_it_says_which_one_and_waits(lab):
    lab.define("stray", mac=STRANGER, arch="amd64", distro="nosuch-9", disks=[{"size": "4G"}])
    lab.wait_console("stray", r"nosuch-9", 60)
    vm = lab.vm("stray")
    check_equal((vm["state"], vm["outlook"]["stage"]), ("waiting", "no image"), "state")


@needs(test_its_file_appears_but_no_image_it_says_which_one_and_waits)
def test_a_rootfs_with_the_wrong_hash_starts_by_itself_ends_failed_with_the_reason(lab):
    def spoil(manifest):
        digest = manifest["rootfs"]["sha256"]
        manifest["rootfs"]["sha256"] = ("0" if digest[0] != "0" else "1") + digest[1:]
        chunks = manifest["rootfs"].get("chunks")
        if chunks:
            chunks[-1] = ("0" if chunks[-1][0] != "0" else "1") + chunks[-1][1:]
    lab.link_image("spoiled-1", change=spoil)
    lab.define("stray", mac=STRANGER, arch="amd64", distro="spoiled-1", disks=[{"size": "4G"}])
    eventually(lambda: lab.vm("stray")["state"] in ("installing", "failed"), 120, "the install starts by itself",
        every=1)
    vm = eventually(lambda: (v := lab.vm("stray"))["state"] == "failed" and v, INSTALL_S, "state failed", every=1)
    lab.save_console("stray", "wrong-hash")
    check_equal(vm["error"]["phase"], "rootfs", f"{vm['error']}; phase")
    check(re.search(r"sha-?256|digest|hash", vm["error"]["reason"], re.I), str(vm["error"]))
    check(vm["log"], "no installer log is kept")
    lab.wait_console("stray", r"(?i)sha-?256|digest|hash", 10)


@needs(test_a_rootfs_with_the_wrong_hash_starts_by_itself_ends_failed_with_the_reason)
def test_the_page_has_it_first_and_says_why_and_what_to_do(lab, watched):
    why = lab.vm("stray")["error"]
    found = lab.api("/api/v1/machines/stray/explain")["broken"]
    says = watched.pages("/machines", "/machines/stray")
    check("web" not in says["/machines"] or says["/machines"].index("stray") < says["/machines"].index("web"), says["/machines"])
    check(why["reason"] in says["/machines/stray"] and found["hint"].replace("`", "") in says["/machines/stray"], says["/machines/stray"])


@needs(test_a_rootfs_with_the_wrong_hash_starts_by_itself_ends_failed_with_the_reason)
def test_after_that_the_machine_comes_back_over_pxe_says_why_and_waits(lab):
    since = str(int(time.time()))
    docker("restart", "-t", "3", lab.container("stray"), timeout=60)
    lab.wait_console("stray", r"(?i)fail.*", 120, since)
    lab.wait_console("stray", r"(?i)sha-?256|digest|hash", 20, since)
    time.sleep(15)
    check_equal(lab.vm("stray")["state"], "failed", "state")
    check("Linux version" not in lab.console("stray", since), "it booted something")


@needs(test_after_that_the_machine_comes_back_over_pxe_says_why_and_waits)
def test_the_disk_of_the_failed_install_cannot_be_booted(lab):
    lab.check_no_boot_file("stray")
    lab.remove_vm("stray")


def test_a_disk_too_small_is_refused_before_the_first_write(lab):
    lab.only_the_lab()
    lab.define("tiny", mac=TINY, arch="amd64", distro="debian-13", disks=[{"size": "600M"}])
    time.sleep(1)
    lab.start_vm("tiny", TINY, disk_bytes=600 << 20)
    vm = eventually(lambda: (v := lab.vm("tiny"))["state"] in ("failed", "installed") and v, INSTALL_S,
        "state failed", every=1)
    lab.save_console("tiny", "tiny")
    check_equal(vm["state"], "failed", "state")
    check_equal(vm["error"]["phase"], "plan", f"{vm['error']}; phase")
    told = lab.vmlab("explain", "tiny", check_rc=False)
    check(told.returncode == 1 and "too small" in told.stdout.splitlines()[0], f"what explains it: {told.stdout}")
    check(re.search(r"small|needs|at least", vm["error"]["reason"] + (vm["error"]["hint"] or ""), re.I), str(vm["error"]))
    lab.check_untouched("tiny")


@pytest.mark.long
def test_a_definition_for_bios_on_a_uefi_machine_is_refused_before_the_first_write(lab):
    lab.only_the_lab()
    lab.define("mistaken", mac="52:54:00:e2:e0:05", arch="amd64", distro="debian-13", firmware="bios", disks=[{"size": "4G"}])
    time.sleep(1)
    lab.start_vm("mistaken", "52:54:00:e2:e0:05")
    vm = eventually(lambda: (v := lab.vm("mistaken"))["state"] in ("failed", "installed") and v, INSTALL_S,
        "state failed", every=1)
    lab.save_console("mistaken", "mistaken")
    check_equal((vm["state"], vm["error"] and vm["error"]["phase"]), ("failed", "plan"), f"{vm['error']}; state and phase")
    check(re.search(r'UEFI firmware, and the definition says "firmware": "bios"', vm["error"]["reason"]), str(vm["error"]))
    lab.check_untouched("mistaken")


def test_the_labs_daemons_live_and_its_health_check_is_content(lab):
    lab.check_healthy()
