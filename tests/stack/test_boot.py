"""What a machine boots, and what its installer and cloud-init read."""
import json
import re

from kit.check import check, check_equal, eventually
from kit.stack_lab import ALPHA, ARM, BASE, BIOS, KEY, LOCAL, OPERATOR_KEY, PVMLAB, SHELL, STRANGER, installs, lines_of


def test_ipxe_installs_a_known_machine_from_its_image(lab):
    answer = lab.ask(f"/ipxe?mac={ALPHA}&arch=x86_64&uuid=&serial=")
    check(answer.headers.get("content-type", "").startswith("text/plain"), str(answer.headers))
    script = lab.ipxe(ALPHA)
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


def test_every_file_that_the_script_names_is_there(lab):
    for url in re.findall(r"http://[^\s]+", "\n".join(
            lines_of(lab.ipxe(ALPHA), "kernel")[:1] + lines_of(lab.ipxe(ALPHA), "initrd"))):
        if "/config/" in url:
            continue
        answer = lab.ask(url[len(BASE):], method="HEAD")
        check_equal(answer.status, 200, f"HEAD {url}: status")


def test_a_machine_that_was_not_heard_of_is_known_by_uuid_or_serial_when_its_mac_is_another(lab):
    lab.define("swapped", mac="52:54:00:c1:00:5a", uuid="1f0e0d0c-0b0a-4908-8706-050403020100", serial="SWAP-7c")
    lab.wait_vm("swapped")
    check(installs(lab.ipxe(STRANGER, uuid="1F0E0D0C-0B0A-4908-8706-050403020100")), "not known by its UUID")
    check(installs(lab.ipxe(STRANGER, serial="SWAP-7c")), "not known by its serial number")
    check(installs(lab.ipxe(STRANGER, serial="%20SWAP-7c%20%20")), "not known by its serial number with blanks around it")
    lab.undefine("swapped.json")
    eventually(lambda: lab.vm("swapped") is None, 3, "swapped is gone")


def test_an_unknown_machine_waits_sees_its_mac_and_asks_again(lab):
    script = lab.ipxe(STRANGER)
    check(not lines_of(script, "kernel"), script)
    check(STRANGER in script, f"the MAC is not on the screen:\n{script}")
    check(re.search(r"^\s*sleep 10\b", script, re.M), f"no sleep 10:\n{script}")
    check(re.search(r"^\s*chain .*/ipxe\?mac=", script, re.M), f"does not ask again:\n{script}")


def test_no_image_for_the_distro_says_which_and_how_to_build_it_and_waits(lab):
    script = lab.ipxe(ARM)
    check(not lines_of(script, "kernel"), script)
    for wanted in ("debian-13", "arm64", "image build", "sleep 10"):
        check(wanted in script, f"lacks {wanted!r}:\n{script}")
    answer = lab.ask(f"/config/{ARM}")
    check_equal(answer.status, 409, "/config without an image: status")
    check("debian-13" in answer.text, answer.text)


def test_modes_local_and_shell_and_bioss_way_to_the_disk(lab):
    script = lab.ipxe(LOCAL)
    check(re.search(r"^sanboot .*exit 1$", script, re.M) and not lines_of(script, "kernel"), script)
    script = lab.ipxe(SHELL)
    check("initrd.mode=shell" in lines_of(script, "kernel")[0], script)
    check(installs(lab.ipxe(BIOS)), "a BIOS machine is not installed")


def test_pvmlabs_own_file_works_and_its_installers_keys_are_in_config(lab):
    check(installs(lab.ipxe(PVMLAB)), lab.ipxe(PVMLAB))
    config = lab.ask(f"/config/{PVMLAB}").json
    check_equal(config["cloud_init_url"], f"{BASE}/cloud-init/pvm", "cloud_init_url")
    check_equal(config["distro"], "debian-13", "distro")
    check_equal(config["arch"], "x86_64", "arch")
    check_equal(config["rootfs_url"], f"{BASE}/images/debian-13/amd64/rootfs.tar.zst", "rootfs_url")
    check_equal(config["kmods_url"], f"{BASE}/images/debian-13/amd64/modules.cpio.zst", "kmods_url")
    check_equal(config["kernel_url"], f"{BASE}/images/debian-13/amd64/vmlinuz", "kernel_url")
    check_equal(config["reboot_on_success"], True, "reboot_on_success")
    bad = [p for p in lab.problems("pvm.json") if not p["warning"]]
    check(not bad, f"problems: {bad}")


def test_config_carries_the_manifest_and_the_machines_own(lab):
    lab.ask(f"/ipxe?mac={ALPHA}") # as it boots: a test before asked as alpha with another card
    answer = lab.ask(f"/config/{ALPHA.upper().replace(':', '-')}")
    check_equal(answer.status, 200, "status with an upper-case, dashed MAC")
    check(answer.headers["content-type"].startswith("application/json"), str(answer.headers))
    config = answer.json
    manifest = lab.manifest
    for key, wanted in (("format", 1), ("name", "alpha"), ("hostname", "alpha"), ("mac", ALPHA),
            ("firmware", "uefi"), ("after_install", "reboot"), ("report_url", f"{BASE}/report/{ALPHA}"),
            ("kernel_version", manifest["kernel_version"]), ("rootfs", manifest["rootfs"])):
        check_equal(config.get(key), wanted, key)
    check_equal(lab.ask(f"/config/{BIOS}").json["firmware"], "bios", "firmware")


def test_cloud_inits_four_documents(lab):
    documents = {}
    for name in ("meta-data", "user-data", "vendor-data", "network-config"):
        answer = lab.ask(f"/cloud-init/alpha/{name}")
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
    check_equal(lab.ask("/cloud-init/nobody/meta-data").status, 404, "unknown VM: status")
    check_equal(lab.ask("/cloud-init/alpha/other").status, 404, "unknown document: status")


def test_base_urls_come_from_configuration_never_from_the_host_header(lab):
    for path in (f"/ipxe?mac={ALPHA}", f"/config/{ALPHA}", "/cloud-init/alpha/vendor-data"):
        answer = lab.ask(path, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
        check_equal(answer.status, 200, f"{path}: status")
        check("evil" not in answer.text, f"{path} repeats the Host header")


def test_every_daemon_is_still_the_process_that_it_was(lab):
    lab.same_processes()
