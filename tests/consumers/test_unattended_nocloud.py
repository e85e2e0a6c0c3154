"""Ubuntu's live server: the words of its image on the kernel's command line lead cloud-init, of both
releases, to the machine's autoinstall.
"""
import json
import shlex

import pytest

from kit import cloud_init
from kit.boot_image import add, stored
from kit.check import check, check_equal, eventually

MAC, ADDRESS = "52:54:00:c7:00:01", "192.168.100.33"
READ = r'''
import json, sys, time
from cloudinit import util
from cloudinit.sources import DataSourceNoCloud as nocloud
found = {}
taken = nocloud.parse_cmdline_data("ds=nocloud", found, json.load(sys.stdin))
began = time.monotonic()
meta, user, vendor, *network = util.read_seeded(found["seedfrom"], timeout=10)
took = time.monotonic() - began
user = user if isinstance(user, str) else user.decode()
json.dump({"taken": taken, "from": found["seedfrom"], "meta": meta, "user": user, "read": util.load_yaml(user),
    "more": bool(vendor or any(network)), "took": took}, sys.stdout)
'''


@pytest.mark.parametrize("release", cloud_init.SUITES)
def test_cloud_init_follows_the_kernels_words_to_the_autoinstall(lab, release):
    add(lab, "ubuntu-live/amd64", {"vmlinuz": "a kernel"}, {"format": 1, "kind": "boot", "distro": "ubuntu-live", "arch": "amd64",
        "boot": {"kernel": stored("vmlinuz", "a kernel"), "unattended_args": "autoinstall ds=nocloud;s={unattended_url}/"}})
    lab.define("live", mac=MAC, ip=ADDRESS, mode="boot", image="ubuntu-live", unattended=True, packages=["jq"])

    def words():
        script = lab.get(f"/ipxe?mac={MAC}", from_lab=True).text
        lines = [line for line in script.splitlines() if line.startswith("kernel ") and "autoinstall" in line]
        return lines and shlex.split(lines[0])[2:]
    line = " ".join(eventually(words, 5, "the image is booted"))
    with lab.inside():
        got = cloud_init.judge(release, READ, line)
    check_equal((got["taken"], got["from"]), (True, f"http://192.168.100.1/unattended/{MAC}/"), f"read of {line!r}")
    check(not got["more"] and got["took"] < 5, f"more than user-data and meta-data, or it waited: {got}")
    check_equal(got["meta"]["local-hostname"], "live", "host name")
    check(got["meta"]["instance-id"].startswith("live-unattended-"), json.dumps(got["meta"]))
    check(got["user"].startswith("#cloud-config\n"), got["user"][:80])
    check_equal(got["read"]["autoinstall"]["packages"], ["jq"], "packages")
