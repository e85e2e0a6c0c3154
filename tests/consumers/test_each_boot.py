"""The call at each boot: what it says of cloud-init, and whom the keys let in."""
import json
import os
import shutil
import subprocess
import uuid

import pytest

from kit import cloud_init
from kit.check import check, check_equal, eventually
from kit.made_definitions import KEY, OPERATORS

# What cloud-init leaves in /run of each release after `"packages": ["jq", "no-such-package"]`.
STAGES = ("init-local", "init", "modules-config", "modules-final")
FAILED = {
    "bookworm": "('package-update-upgrade-install', ProcessExecutionError(\"Unexpected error while running command.\\n"
        "Command: ['apt-get', 'install', 'jq', 'no-such-package']\\nExit code: 100\"))",
    "trixie": "('package-update-upgrade-install', PackageInstallerError(\"Failed to install the following packages: "
        "{'no-such-package'}. See associated package manager logs for more details.\"))",
}
WARNING = "Failure when attempting to install packages: ['jq', 'no-such-package']"
LOG = """2026-01-01 00:00:00,000 - util.py[WARNING]: of an earlier boot
2026-01-01 00:00:01,000 - util.py[DEBUG]: Cloud-init v. 22.4.2 running 'init-local' at Thu, 01 Jan 2026 00:00:01 +0000.
2026-01-01 00:00:02,000 - util.py[WARNING]: """ + WARNING + """
2026-01-01 00:00:03,000 - handlers.py[WARNING]: Failed posting event: {}. This was caused by: x
"""
WHO = """
import json, sys
from cloudinit.distros import ug_util
class Distro:
    name = "debian"
    def get_default_user(self):
        return {"name": "debian"}
users, _ = ug_util.normalize_users_groups(json.load(sys.stdin), Distro())
print(json.dumps([sorted(users), ug_util.extract_default(users)[0]]))
"""


def test_users_of_whom_none_can_have_a_key_cloud_init_makes_no_other_and_the_api_names_none(lab, releases):
    lab.define("closed", mac="52:54:00:c5:00:01", users=[{"name": "node", "system": True}])
    vm = lab.wait_vm("closed", 5)
    check_equal(vm["user"], None, "user")
    problem = eventually(lambda: lab.problems("closed.json"), 3, "a problem")[0]
    check(problem["warning"] and "nobody who can have SSH keys" in problem["text"], str(problem))
    text = lab.get("/cloud-init/closed/user-data", from_lab=True).text
    for release in cloud_init.SUITES:
        check_equal(cloud_init.judge(release, WHO, json.loads(text.split("\n", 1)[1])), [["node"], None],
            f"{release}: users, and who gets the keys of public-keys")
    lab.undefine("closed.json")


def guest_files(release, errors):
    """As at the end of a boot."""
    stages = {name: {"start": 10.0 + i, "finished": 11.0 + i, "errors": []} for i, name in enumerate(STAGES)}
    stages["modules-final"]["errors"] = errors
    files = {"/run/cloud-init/result.json": {"v1": {"errors": errors}},
        "/run/cloud-init/instance-data.json": {"v1": {"public_ssh_keys": [OPERATORS + " operator"]}}}
    if release == "trixie":
        for stage in stages.values():
            stage["recoverable_errors"] = {}
        stages["modules-final"]["recoverable_errors"] = {"WARNING": [WARNING, "Failed posting event: {}"]} if errors else {}
    else:
        files["/var/log/cloud-init.log"] = LOG if errors else ""
    files["/run/cloud-init/status.json"] = {"v1": dict(stages, datasource="x", stage=None)}
    return files


def put(root, path, content, mode=0o644):
    os.makedirs(os.path.dirname(root + path), exist_ok=True)
    with open(root + path, "w") as f:
        f.write(content if isinstance(content, str) else json.dumps(content))
    os.chmod(root + path, mode)


def boot(lab, release, root, script, errors):
    """Both runs of cloud-init: the vendor's script once, then what is there for each boot."""
    for path, content in guest_files(release, errors).items():
        put(root, path, content)
    put(root, "/proc/sys/kernel/random/boot_id", str(uuid.uuid4()) + "\n")
    vendor = "/var/lib/cloud/instance/scripts/vendor/vmlab-ready"
    put(root, vendor, script, 0o700)
    with lab.inside():
        for path in (vendor, "/var/lib/cloud/scripts/per-boot/vmlab-ready"):
            done = subprocess.run(["chroot", root, path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                timeout=60)
            check_equal((done.returncode, done.stdout), (0, ""), path)


def clean(root):
    for path in ("/run/cloud-init", "/var/lib/cloud/instance", "/var/lib/cloud/scripts", "/home/debian", "/proc/sys"):
        shutil.rmtree(root + path, ignore_errors=True)
    for path in ("/var/log/cloud-init.log", "/etc/passwd"):
        if os.path.exists(root + path):
            os.unlink(root + path)


@pytest.mark.parametrize("release", cloud_init.SUITES)
def test_each_boots_call_says_what_cloud_init_met_and_whom_the_keys_let_in(lab, releases, release):
    name = "call-" + release
    mac = f"52:54:00:c3:00:{cloud_init.SUITES.index(release):02x}"
    lab.define(name, mac=mac, users=["default"])
    lab.wait_vm(name, 10)
    for phase in ("network", "report"):
        body = json.dumps({"phase": phase, "status": "done"}).encode()
        check_equal(lab.get(f"/report/{mac}", from_lab=True, method="POST", body=body).status, 204, phase)
    archive = lab.get(f"/cloud-init/{name}/vendor-data", from_lab=True).text
    script = json.loads(archive.split("\n", 1)[1])[1]["content"]
    root = cloud_init.unpacked(release)
    lab.scope.cleanup(clean, root)
    clean(root)
    put(root, "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\ndebian:x:1000:1000::/home/debian:/bin/sh\n")
    put(root, "/home/debian/.ssh/authorized_keys", f"# mine\nno-pty {OPERATORS} operator\n")
    put(root, "/etc/ssh/ssh_host_ed25519_key.pub", KEY + " root@guest\n")

    boot(lab, release, root, script, [FAILED[release]])
    vm = lab.wait_vm(name, 20, lambda vm: vm["state"] == "ready", "is ready")
    told = vm["cloud_init"]
    check_equal((told["status"], told["recoverable_errors"]), ("error", {"WARNING": [WARNING]}), "status and warnings")
    check(len(told["errors"]) == 1 and told["errors"][0].startswith("modules-final: package-update-upgrade-install: ")
        and "no-such-package" in told["errors"][0] and "Error(" not in told["errors"][0], f"errors: {told['errors']}")
    check_equal((vm["user"], vm["ssh_host_keys"]), ("debian", [KEY]), "user and host keys")

    ipxe = lab.get(f"/ipxe?mac={mac}", from_lab=True)
    check("boots from its disk" in ipxe.text, f"what it boots: {ipxe.text}")
    vm = lab.vm(name)
    check_equal((vm["state"], vm["cloud_init"]["status"], vm["user"]), ("installed", "booting", "debian"), "while it boots")
    boot(lab, release, root, script, [])
    told = lab.wait_vm(name, 20, lambda vm: vm["state"] == "ready", "is ready again")["cloud_init"]
    check_equal((told["status"], told["errors"], len(told["first_boot_errors"])), ("done", [], 1), "the second boot")
