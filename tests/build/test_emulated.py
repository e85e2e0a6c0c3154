"""The arm64 image of the stack starts under emulation and turns healthy.

Needs pxeboot_stack_arm64.tar (`make all`) and binfmt_misc with qemu-user for aarch64.
"""
import glob
import json
import os
import platform
import re

from kit.check import check, check_equal, eventually, skip
from kit.command import PREFIX, ROOT, docker
from kit.lab import STACK_IMAGE, Lab
from kit.scope import Scope, needs

scope = Scope("arm64")
TAR = os.environ.get("STACK_ARM64_TAR", os.path.join(ROOT, "pxeboot_stack_arm64.tar"))
state = {}


def test_pxeboot_stack_arm64_tar_can_be_loaded():
    if not os.path.exists(TAR):
        skip(f"{os.path.basename(TAR)} is missing: `make all` builds it")
    was = docker("image", "inspect", "-f", "{{.Id}}", STACK_IMAGE, check_rc=False).stdout.strip()
    out = docker("load", "-i", TAR, timeout=300).stdout
    loaded = re.findall(r"Loaded image(?: ID)?: (\S+)", out)
    check(loaded, f"docker load says: {out}")
    ident = docker("image", "inspect", "-f", "{{.Id}}", loaded[0]).stdout.strip()
    state["image"] = f"{PREFIX}arm64:latest"
    docker("tag", ident, state["image"])
    scope.cleanup(lambda: docker("image", "rm", state["image"], check_rc=False))
    # The tar may carry the name of the native image: give that back.
    if was and was != ident and STACK_IMAGE in loaded:
        docker("tag", was, STACK_IMAGE)
    image = json.loads(docker("image", "inspect", state["image"]).stdout)[0]
    check_equal(image["Architecture"], "arm64", "Architecture")
    check(image["Config"].get("Healthcheck", {}).get("Test"), "no HEALTHCHECK")


@needs(test_pxeboot_stack_arm64_tar_can_be_loaded)
def test_it_starts_under_emulation_and_turns_healthy():
    if platform.machine() != "aarch64" and not glob.glob("/proc/sys/fs/binfmt_misc/*aarch64*"):
        skip("binfmt_misc has no entry for aarch64: package qemu-user-static, `docker/binfmt.sh`")
    lab = state["lab"] = Lab(scope, "arm64", image=state["image"])
    lab.make_image(arch="arm64")
    lab.define("arm", mac="52:54:00:a6:40:01", ip="192.168.100.10", arch="arm64")
    lab.start_net()
    lab.start_stack()
    lab.wait_serving(120)
    check_equal(lab.exec("uname", "-m").stdout.strip(), "aarch64", "uname -m")
    eventually(lambda: lab.health() == "healthy", 180, "healthy", every=1)


HEALTHY = test_it_starts_under_emulation_and_turns_healthy


@needs(HEALTHY)
def test_it_answers_dhcp_dns_tftps_files_and_ipxe_like_the_other():
    lab = state["lab"]
    answer = lab.get("/ipxe?mac=52:54:00:a6:40:01", from_lab=True, timeout=30)
    check("/images/debian-13/arm64/vmlinuz" in answer.text, str(answer))
    check("console=ttyAMA0" in answer.text, answer.text)
    client = lab.client("client", cidr="192.168.100.99/24")
    offer = lab.offer(client, "52:54:00:a6:40:01", arch=11, timeout=15)
    check(offer and offer.yiaddr == "192.168.100.10", f"offer: {offer and offer.yiaddr}")
    check_equal(offer.file, "ipxe-arm64.efi", "boot file")
    for arch in ("amd64", "arm64"):
        check_equal(lab.get(f"/initrds/{arch}/initrd.zst", from_lab=True, method="HEAD", timeout=30).status, 200,
            f"initrd for {arch}: status")


@needs(HEALTHY)
def test_docker_stop_ends_in_an_orderly_way():
    lab = state["lab"]
    docker("stop", lab.stack, timeout=60)
    code = docker("inspect", "-f", "{{.State.ExitCode}}", lab.stack).stdout.strip()
    check(code in ("0", "143"), f"exit status {code}")
