"""What docker/vm makes of a machine's settings, read by the QEMU of the VM's image: many machines
are started as in a lab, halted before their first instruction, and asked what they are.

Needs the image vmlab_vm:latest. No guest boots; a BIOS runs for a moment, to write down what it was told. Run as
root.
"""
import json
import os
import random
import re

from kit.check import check, check_equal, fail
from kit.command import PREFIX, docker, have_image
from kit.scope import Scope, needs
from kit.vmlab_cli import VM_IMAGE

MACHINES = 40
MTU = 1450
BIOS_MIB = 32 # all of it is looked through
scope = Scope("qemu")

# What QEMU is asked: a name for the answer, command, arguments.
MACHINE = {"path": "/machine", "property": "type"}
CLOCK = {"path": "/machine", "property": "rtc-time"} # of amd64 machines only
ASK = [("name", "query-name", {}), ("uuid", "query-uuid", {}), ("cpus", "query-cpus-fast", {}),
    ("memory", "query-memory-size-summary", {}), ("kvm", "query-kvm", {}), ("nodes", "query-named-block-nodes", {}),
    ("type", "qom-get", MACHINE), ("clock", "qom-get", CLOCK),
    ("devices", "human-monitor-command", {"command-line": "info qtree"})]

HALTED = """#!/bin/sh
exec "/usr/bin/${0##*/}" "$@" -S
"""

# One machine after the other; for each: its output, exit status, QEMU's answers and, with a BIOS, whether its
# serial number came to stand in memory.
EACH = """
ip link add lab0 type bridge && ip link set lab0 mtu "$MTU" up
socat TCP4-LISTEN:80,fork,reuseaddr /dev/null &
qmp=/run/vm/qmp.sock
ask() { printf '%s\\n' '{"execute":"qmp_capabilities"}' "$@" | socat -t 20 - "UNIX-CONNECT:$qmp"; }
for machine in /kit/machines/*; do
	to=/results/${machine##*/}
	mapfile -d '' -t settings <"$machine"
	rm -rf /disks/* /run/vm
	env "${settings[@]}" PATH="/kit/halted:$PATH" /usr/lib/vmlab/run-vm.sh >"$to.out" 2>&1 &
	pid=$!
	until [[ -S $qmp ]] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
	ask "$(</kit/ask)" >"$to.qmp" 2>/dev/null
	serial=
	for setting in "${settings[@]}"; do [[ $setting != VM_SERIAL=* ]] || serial=${setting#*=}; done
	if [[ " ${settings[*]} " == *" VM_FIRMWARE=bios "* && -n $serial ]]; then
		ask '{"execute":"cont"}' >/dev/null
		for ((try = 0; try < 40; try++)); do
			ask '{"execute":"pmemsave","arguments":{"val":0,"size":'$((BIOS_MIB << 20))',"filename":"/run/vm/ram"}}' >/dev/null
			! grep -qaF -e "$serial" /run/vm/ram || { echo yes >"$to.serial" && break; }
			sleep 0.1
		done
	fi
	ask '{"execute":"quit"}' >/dev/null 2>&1
	wait "$pid"
	echo $? >"$to.rc"
done
"""


def serial(rng):
    text = "".join(rng.choice(",,,\"'\\=;$`%(){} *#~aZ09-") for _ in range(rng.randint(1, 64))).strip()
    return text or ","


def machines():
    """Each architecture, firmware and bus once; then whatever comes."""
    rng = random.Random(8)
    fixed = [("amd64", firmware, bus) for firmware in ("uefi", "bios") for bus in ("virtio", "scsi", "sata", "nvme")]
    fixed += [("arm64", "uefi", bus) for bus in ("virtio", "scsi", "sata", "nvme")]
    made = []
    for n in range(MACHINES):
        arch, firmware, bus = fixed[n] if n < len(fixed) else rng.choice(fixed)
        filters = ["", "", "log", "/kit/rules"] if bus != "nvme" else [""] # an NVMe disk reports errors in any case
        made.append({"VM_NAME": rng.choice(["web1", "A.b_c-9", "x" * 63]), "VM_MAC": f"52:54:00:9E:{n:02x}:01",
            "VM_ARCH": arch, "VM_FIRMWARE": firmware, "VM_DISK_BUS": bus, "VM_ACCEL": "tcg", "VM_STUCK_TIMEOUT": "0",
            "VM_CPUS": str(rng.choice([1, 2, 3, 8])), "VM_NICS": str(rng.choice([1, 2])),
            "VM_MEMORY_MIB": str(BIOS_MIB if firmware == "bios" else rng.choice([128, 512, 1000])),
            "VM_DISKS_BYTES": " ".join(["8388608"] * rng.randint(0 if n >= len(fixed) else 1, 4)),
            "VM_UUID": rng.choice(["", "0F0E0D0C-0b0a-4908-8706-050403020100"]), "VM_SERIAL": rng.choice(["", serial(rng), serial(rng)]),
            "VM_CLOCK": rng.choice(["", "1970-01-01T00:00:00", "2038-01-19T03:14:07"]),
            "VM_NIC_ROM": rng.choice(["firmware", "ipxe"] + ["http"] * (firmware == "uefi")), "VM_DISK_FILTER": rng.choice(filters)})
    return made


made = []


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


class Machine:
    """One that was started: its settings, what was said, what QEMU answered."""

    def __init__(self, settings, path):
        def read(kind):
            if not os.path.exists(f"{path}.{kind}"):
                return ""
            with open(f"{path}.{kind}", errors="replace") as f:
                return f.read().strip()
        self.settings, self.out, self.status = settings, read("out"), read("rc")
        self.serial_found = read("serial") == "yes"
        lines = [json.loads(line) for line in read("qmp").splitlines()]
        self.answers = {a["id"]: a["return"] for a in lines if "id" in a and "return" in a}

    def __str__(self):
        return " ".join(f"{k}={v!r}" for k, v in self.settings.items() if v)

    def devices(self, kind):
        """Their properties, and the bus they are on, as `info qtree` has them."""
        found, bus = [], None
        for line in self.answers["devices"].splitlines():
            if match := re.match(r" *bus: (.*)", line):
                bus = match[1]
            elif match := re.match(r" *dev: ([^,]+),", line):
                found.append({"dev": match[1], "bus": bus})
            elif found and (match := re.match(r" *(\w+) = \"?([^\" ]*)", line)):
                found[-1].setdefault(match[1], match[2])
        return [d for d in found if d["dev"] == kind]


def test_the_vms_image_starts_every_machine():
    if not have_image(VM_IMAGE):
        fail(f"there is no image {VM_IMAGE}: `make load` builds it")
    folder = scope.tempdir()
    os.chmod(folder, 0o755)
    kit, results = os.path.join(folder, "kit"), os.path.join(folder, "results")
    os.makedirs(results)
    write(f"{kit}/ask", "".join(json.dumps({"execute": command, "arguments": arguments, "id": name}) + "\n"
        for name, command, arguments in ASK))
    write(f"{kit}/rules", '[inject-error]\nevent = "read_aio"\nsector = "9999"\nonce = "on"\n')
    for arch in ("x86_64", "aarch64"):
        write(f"{kit}/halted/qemu-system-{arch}", HALTED, 0o755)
    for n, settings in enumerate(machines()):
        write(f"{kit}/machines/{n:03}", "".join(f"{k}={v}\0" for k, v in settings.items()))
    name = PREFIX + "qemu"
    scope.cleanup(lambda: docker("rm", "-f", "-v", name, check_rc=False))
    docker("run", "--rm", "--name", name, "--network", "none", "--cap-add", "NET_ADMIN", "--device", "/dev/net/tun",
        "--tmpfs", "/run", "--tmpfs", "/disks", "-e", f"MTU={MTU}", "-e", f"BIOS_MIB={BIOS_MIB}", "-v", f"{kit}:/kit:ro",
        "-v", f"{results}:/results", "--entrypoint", "/bin/bash", VM_IMAGE, "-c", EACH, timeout=280)
    for n, settings in enumerate(machines()):
        made.append(Machine(settings, os.path.join(results, f"{n:03}")))
    for m in made:
        check(m.status == "0" and m.answers.keys() >= {"name", "devices"}, f"{m}: status {m.status}, {m.out}")
    check(len(made) == MACHINES, f"{len(made)} machines")


MADE = test_the_vms_image_starts_every_machine


@needs(MADE)
def test_each_is_the_machine_that_was_asked_for_name_uuid_cpus_memory_board_clock():
    for m in made:
        want, got = m.settings, m.answers
        check_equal(got["name"]["name"], want["VM_NAME"], f"{m}: name")
        check_equal(got["uuid"]["UUID"], want["VM_UUID"].lower() or "00000000-0000-0000-0000-000000000000", f"{m}: UUID")
        check_equal(len(got["cpus"]), int(want["VM_CPUS"]), f"{m}: CPUs")
        check_equal(got["memory"]["base-memory"] >> 20, int(want["VM_MEMORY_MIB"]), f"{m}: MiB")
        check(not got["kvm"]["enabled"], f"{m}: has KVM")
        check(got["type"].startswith("pc-q35-" if want["VM_ARCH"] == "amd64" else "virt-"), f"{m}: is a {got['type']}")
        if want["VM_CLOCK"] and want["VM_ARCH"] == "amd64":
            check_equal(got["clock"]["tm_year"] + 1900, int(want["VM_CLOCK"][:4]), f"{m}: year")


@needs(MADE)
def test_its_disks_are_on_their_bus_under_their_serial_numbers_the_filter_is_on_the_first():
    kinds = {"virtio": "virtio-blk-device", "scsi": "scsi-hd", "sata": "ide-hd", "nvme": "nvme"}
    seen = set()
    for m in made:
        bus, filtered = m.settings["VM_DISK_BUS"], m.settings["VM_DISK_FILTER"]
        disks = {d["serial"]: d for d in m.devices(kinds[bus])}
        count = len(m.settings["VM_DISKS_BYTES"].split())
        check_equal(sorted(disks), [f"VMLAB-{n}" for n in range(count)], f"{m}: serial numbers")
        for n in range(count):
            disk = disks[f"VMLAB-{n}"]
            check_equal(disk["drive"], f"disk{n}", f"{m}: drive of disk {n}")
            if bus == "scsi":
                check_equal(disk["lun"], str(n), f"{m}: LUN of disk {n}")
            if bus == "sata":
                check_equal(disk["bus"], f"ide.{n}", f"{m}: port of disk {n}")
            if bus != "nvme":
                check_equal(disk["werror"], "report" if filtered and n == 0 else "auto", f"{m}: errors of disk {n}")
        drivers = {node["drv"] for node in m.answers["nodes"]}
        wanted = {"": set(), "log": {"blklogwrites"}}.get(filtered, {"blkdebug"}) if count else set()
        check_equal(drivers & {"blklogwrites", "blkdebug"}, wanted, f"{m}: filter")
        seen |= {(m.settings["VM_ARCH"], m.settings["VM_FIRMWARE"], bus, n) for n in range(count)} | wanted
    check(len(seen) > 36 and {"blklogwrites", "blkdebug"} <= seen, f"too little of it was tried: {seen}")


@needs(MADE)
def test_its_cards_have_their_addresses_the_bridges_mtu_and_the_rom_that_was_asked_for():
    for m in made:
        want = m.settings["VM_MAC"].lower()
        cards = {c["mac"]: c for c in m.devices("virtio-net-device")}
        check_equal(set(cards), {want} | ({"56" + want[2:]} if m.settings["VM_NICS"] == "2" else set()), f"{m}: cards")
        check_equal(cards[want]["host_mtu"], str(MTU), f"{m}: MTU")
        roms = sorted(d["romfile"] for d in m.devices("virtio-net-pci"))
        has_rom = "ipxe" == m.settings["VM_NIC_ROM"] or m.settings["VM_FIRMWARE"] == "bios"
        check_equal(roms, sorted([""] * (len(cards) - has_rom) + ["efi-virtio.rom"] * has_rom), f"{m}: ROMs")


@needs(MADE)
def test_serial_numbers_commas_and_all_are_what_a_bios_finds():
    told = [m for m in made if m.settings["VM_FIRMWARE"] == "bios" and m.settings["VM_SERIAL"]]
    check(sum("," in m.settings["VM_SERIAL"] for m in told) > 4, "too few were tried")
    for m in told:
        check(m.serial_found, f"{m}: is not in the machine's memory")
