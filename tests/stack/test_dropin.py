"""The built stack image in pvmlab's place: addresses, names and settings; see kit/pvmlab_lab.py."""
import os
import re

from kit import dns
from kit.check import check, check_equal, eventually
from kit.command import ROOT, docker, run
from kit.lab import STACK_IMAGE
from kit.pvmlab_lab import CAPITALS, DISK, DISTRO, ENV, KERNEL, KEY, RIVAL, SERVER, TARGET, VERSION


def test_pvmlabs_docker_run_starts_the_image(pvmlab):
    check(pvmlab.running(), lambda: pvmlab.log())


def test_it_serves_the_interface_that_has_the_address(pvmlab):
    check("enp0s2 has PROVISIONER_IP=192.168.105.1" in docker("logs", pvmlab.stack).stdout,
        lambda: docker("logs", pvmlab.stack).stdout[-2000:])


def test_machines_get_their_addresses_no_router_and_the_given_range(pvmlab):
    offer = pvmlab.offer(pvmlab.machine, TARGET, arch=7)
    check(offer, "no offer")
    check_equal((offer.yiaddr, offer.file), ("192.168.105.2", "ipxe-x86_64.efi"), "offer")
    check(3 not in offer.options, f"a router was given: {offer.options.get(3)}")
    check_equal(offer.address(6), SERVER, "name server")
    stranger = pvmlab.offer(pvmlab.machine, "52:54:00:d1:0b:77", arch=7, timeout=8)
    check(stranger and 100 <= int(stranger.yiaddr.split(".")[3]) <= 200,
        f"a stranger got {stranger and stranger.yiaddr}")
    check(3 not in stranger.options, "a stranger was given a router")
    check_equal(pvmlab.address6("six", TARGET), "fd00:cafe:babe::2", "declared IPv6 address")
    other = pvmlab.address6("seven", "52:54:00:d1:0b:78")
    check(other and 0x64 <= int(other.rsplit(":", 1)[1], 16) <= 0xc8, f"a stranger's IPv6 address: {other}")


def test_pvmlabs_own_machine_is_skipped_with_a_note(pvmlab):
    notes = pvmlab.problems("provisioner.json")
    check_equal([n["warning"] for n in notes], [True], "warnings")
    check("skipped" in notes[0]["text"], notes[0]["text"])
    check_equal(pvmlab.vm("provisioner"), None, "a machine named provisioner")
    check_equal([p for p in pvmlab.problems() if not p["warning"]], [], "problems")


def test_a_missing_state_volume_is_told_in_the_log_by_health_and_by_readyz(pvmlab):
    log = docker("logs", pvmlab.stack).stdout
    check("warning: /state is a volume without a name" in log, log[-2000:])
    answer = pvmlab.readyz()
    check_equal((answer["ready"], answer["reasons"]), (True, []), "ready")
    check("/state is a volume without a name" in answer["warnings"][0], answer)
    check("warning: /state is a volume" in pvmlab.exec("/usr/lib/vmlab/healthcheck.py").stdout, "health")


def test_a_name_with_capitals_and_is_a_host_name_on_the_network_and_itself_elsewhere(pvmlab):
    offer = pvmlab.offer(pvmlab.machine, CAPITALS, arch=7)
    check_equal((offer.yiaddr, offer.hostname), ("192.168.105.3", "my-vm-1"), "offer")
    with pvmlab.machine.inside():
        check_equal(dns.ask(SERVER, "my-vm-1.pvmlab.local"), (0, ["192.168.105.3"]), "DNS")
    meta = pvmlab.ask("/cloud-init/My_VM.1/meta-data")
    check_equal((meta.status, meta.json["local-hostname"]), (200, "my-vm-1.pvmlab.local"), "meta-data")
    check("initrd.mode=install" in pvmlab.script(CAPITALS), pvmlab.script(CAPITALS))
    config = pvmlab.ask(f"/config/{CAPITALS}").json
    check_equal((config["name"], config["hostname"]), ("My_VM.1", "my-vm-1"), "config")
    check_equal(pvmlab.vm("My_VM.1")["hostname"], "my-vm-1", "API")
    check_equal(pvmlab.api("/api/v1/vms/My_VM.1/local", method="POST")["name"], "My_VM.1", "an order")


def test_two_names_that_become_one_host_name_are_told_and_the_first_stays(pvmlab):
    pvmlab.created("my-vm-1", ip="192.168.105.6", mac=RIVAL, pxeboot=True, distro="debian-13", ssh_key=KEY)
    said = eventually(lambda: pvmlab.problems("my-vm-1.json"), 5, "a problem of my-vm-1.json")
    check("becomes the host name my-vm-1, and so does My_VM.1" in said[0]["text"], said)
    check(pvmlab.vm("My_VM.1"), "My_VM.1 is gone")
    pvmlab.undefine("my-vm-1.json")


def test_without_pxeboot_a_machine_boots_its_disk_or_its_own_kernel(pvmlab):
    text = pvmlab.script(DISK)
    check("sanboot" in text and "kernel " not in text, text)
    text = pvmlab.script(KERNEL)
    url = re.search(r"^kernel (\S+)", text, re.M)
    check(url and "initrd.mode" not in text, text)
    for found in (url[1], re.search(r"^initrd (\S+)", text, re.M)[1]):
        check_equal(pvmlab.ask(found.split(SERVER, 1)[1]).text, found.rsplit("/", 1)[1] + "\n", found)


def test_files_have_pvmlabs_addresses_and_ours_whoever_made_the_image(pvmlab):
    for arch in "x86_64", "amd64":
        for name in f"vmlinuz-{VERSION}", "modules.cpio.gz":
            check_equal(pvmlab.ask(f"/images/{DISTRO}/{arch}/{name}").text, name + "\n", f"{arch}/{name}")
        check_equal(pvmlab.ask(f"/images/{DISTRO}/{arch}/modules.cpio.zst").text, "modules.cpio.gz\n", arch)
        check_equal(pvmlab.ask(f"/images/{DISTRO}/{arch}/vmlinuz").status, 404, "a kernel that is not there")
        ours = pvmlab.ask(f"/images/debian-13/{arch}/modules.cpio.gz")
        check_equal((ours.status, len(ours.body)), (200, 20000), "our modules by pvmlab's name")
        for hidden in "..%2f..%2fetc/passwd", ".hidden", "../../../etc/passwd":
            check_equal(pvmlab.ask(f"/images/{DISTRO}/{arch}/{hidden}").status in (400, 404), True, hidden)
    for ours, theirs in ("amd64", "x86_64"), ("arm64", "aarch64"):
        check_equal(pvmlab.ask(f"/initrds/{theirs}/initrd.gz").body, pvmlab.ask(f"/initrds/{ours}/initrd.zst").body, theirs)


def refused(pvmlab, label, words, env):
    """The container ends by itself, with one sentence that has these words."""
    name = f"{pvmlab.name}-{label}"
    pvmlab.scope.cleanup(lambda: run(["docker", "rm", "-f", "-v", name], check_rc=False))
    done = docker("run", *pvmlab.stack_args(name, env), STACK_IMAGE, check_rc=False, timeout=30)
    said = done.stdout + done.stderr
    check(done.returncode != 0, f"it started with {env}")
    for word in words:
        check(word in said, f"{env}: {said!r} does not say {word!r}")


def test_what_cannot_be_is_refused_with_a_sentence(pvmlab):
    at = f"PROVISIONER_IP={SERVER}"
    refused(pvmlab, "nowhere", ["10.9.8.7 is not an address of any interface", "enp0s2 192.168.105.1/24"],
        ["PROVISIONER_IP=10.9.8.7"])
    refused(pvmlab, "text", ["is no IPv4 address"], ["PROVISIONER_IP=$(reboot)"])
    refused(pvmlab, "half", ["DHCP_RANGE_END", "both"], [at, "DHCP_RANGE_START=192.168.105.100"])
    refused(pvmlab, "twice", ["both set"], [at, "DHCP_RANGE=static", *ENV[1:3]])
    refused(pvmlab, "outside", ["10.0.0.1 is not an address for machines"],
        [at, "DHCP_RANGE_START=10.0.0.1", "DHCP_RANGE_END=192.168.105.200"])
    refused(pvmlab, "router", ["ROUTER='10.0.0.1'"], [at, "ROUTER=10.0.0.1"])
    refused(pvmlab, "v6", ["DHCP_RANGE_V6_START"], [at, "DHCP_RANGE_V6_START=x", "DHCP_RANGE_V6_END=::c8"])


def test_the_router_is_whom_the_user_says(pvmlab):
    for said, wanted in ("self", SERVER), ("192.168.105.254", "192.168.105.254"):
        docker("rm", "-f", "-v", pvmlab.stack)
        pvmlab.start_stack([*ENV, f"ROUTER={said}"])
        pvmlab.wait_serving()
        check_equal(pvmlab.offer(pvmlab.machine, TARGET, arch=7).address(3), wanted, f"ROUTER={said}: router")


def test_docker_readme_md_help_and_code_know_the_same_environment_variables():
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
