"""Links in the folders that machines are served from: none leads to other files of the container, and what is
missing for that is told."""
import os
import shutil

from kit.boot_image import add, stored
from kit.check import check, check_equal, eventually
from kit.lab import SERVER

MACHINE = "52:54:00:7e:57:4c"
ADDRESS = "192.168.100.20"  # one that the client machine has
AWAY = "/etc/passwd"  # of the container, which everybody can read there
INSIDE = "a file of its own"


def folder(lab, *parts):
    where = os.path.join(lab.images, *parts)
    os.makedirs(where, exist_ok=True)
    return where


def gets(lab, path, status):
    answer = lab.ask(path, source=ADDRESS)
    check_equal(answer.status, status, f"GET {path}: {answer.text[:200]!r}; status")
    check("root:" not in answer.text, f"GET {path}: a file of the container's: {answer.text[:200]!r}")
    return answer.text


def tftp(lab, name, where):
    """What is got; None: nothing is."""
    if where.exists():
        where.unlink()
    done = lab.machine.run(["busybox", "tftp", "-g", "-r", name, "-l", str(where), SERVER], check_rc=False, timeout=30)
    return where.read_text() if done.returncode == 0 else None


def test_nginx_follows_no_link_out_of_the_images(lab):
    check("root:" in lab.exec("cat", AWAY).stdout, "there is nothing to lead to")
    where = folder(lab, "linked", "amd64")
    for name, target in (("out", AWAY), ("up", "../../../.." + AWAY), ("modules.cpio.zst", AWAY)):
        os.symlink(target, os.path.join(where, name))
    with open(os.path.join(where, "own"), "w") as f:
        f.write(INSIDE)
    os.symlink("/etc", folder(lab, "folders") + "/amd64")
    os.symlink("/etc", os.path.join(lab.images, "whole"))
    check_equal(gets(lab, "/images/linked/amd64/own", 200), INSIDE, "what is no link")
    check_equal(gets(lab, "/images/linked/x86_64/own", 200), INSIDE, "by the other name of its architecture")
    for path in ("linked/amd64/out", "linked/amd64/up", "linked/x86_64/out", "linked/amd64/modules.cpio.zst",
            "linked/x86_64/modules.cpio.gz", "folders/amd64/passwd", "whole/passwd", "whole/amd64/passwd"):
        gets(lab, "/images/" + path, 404)


def test_the_users_own_authorities_are_told_instead_of_mozillas_and_no_link(lab):
    path = "/tls/ca-certificates.crt"
    check(gets(lab, path, 200).count("BEGIN CERTIFICATE") > 50, "Mozilla's authorities")
    own = os.path.join(folder(lab, "_tls"), "ca-certificates.crt")
    os.symlink(AWAY, own)
    try:
        check("BEGIN CERTIFICATE" in gets(lab, path, 200), "Mozilla's still: a link is not followed")
        os.unlink(own)
        with open(own, "w") as f:
            f.write(INSIDE)
        check_equal(gets(lab, path, 200), INSIDE, "the user's own")
    finally:
        os.unlink(own)


def test_nor_out_of_the_users_own_loaders(lab):
    where = folder(lab, "_loaders")
    with open(os.path.join(where, "true.efi"), "w") as f:
        f.write(INSIDE)
    os.symlink(AWAY, os.path.join(where, "false.efi"))
    try:
        check_equal(gets(lab, "/loaders/own/true.efi", 200), INSIDE, "what is no link")
        gets(lab, "/loaders/own/false.efi", 404)
    finally:
        os.unlink(os.path.join(where, "false.efi"))
        os.unlink(os.path.join(where, "true.efi"))


def test_an_image_whose_file_is_a_link_waits_and_says_so(lab):
    add(lab, "tied/amd64", {"vmlinuz": INSIDE}, {"format": 1, "kind": "boot", "distro": "tied", "arch": "amd64",
        "boot": {"kernel": stored("vmlinuz", INSIDE)}})
    where = folder(lab, "tied", "amd64")
    lab.define("tied", mac=MACHINE, ip=ADDRESS, mode="boot", image="tied")
    eventually(lambda: "/images/tied/amd64/vmlinuz" in gets(lab, f"/ipxe?mac={MACHINE}", 200), 5, "it boots")
    os.rename(os.path.join(where, "vmlinuz"), os.path.join(where, "other"))
    os.symlink("other", os.path.join(where, "vmlinuz"))
    eventually(lambda: "its file vmlinuz is a link or behind one" in gets(lab, f"/ipxe?mac={MACHINE}", 200), 5, "it says why it waits")
    check("its file vmlinuz is a link or behind one" in lab.vm("tied")["outlook"]["reason"], lab.vm("tied")["outlook"])


def test_a_users_own_unattended_file_is_none_of_the_containers(lab):
    where = os.path.join(lab.vms, "_unattended")
    os.makedirs(where, exist_ok=True)
    os.symlink(AWAY, os.path.join(where, "out.cfg"))
    with open(os.path.join(where, "own.cfg"), "w") as f:
        f.write(INSIDE)
    for name, status in (("own.cfg", 200), ("out.cfg", 409)):
        lab.define("tied", mac=MACHINE, ip=ADDRESS, mode="boot", image="tied", unattended=name)
        eventually(lambda: lab.ask(f"/unattended/{MACHINE}", source=ADDRESS).status == status, 5, f"{name}: status {status}")
        text = gets(lab, f"/unattended/{MACHINE}", status)
        check(INSIDE in text if status == 200 else "is not followed" in text, text)
    lab.undefine("tied.json")


def test_dnsmasq_follows_no_link_out_of_the_users_own_loaders(lab, tmp_path):
    where = folder(lab, "_loaders")
    with open(os.path.join(where, "true.efi"), "w") as f:
        f.write(INSIDE)
    os.mkdir(os.path.join(where, "below"))
    links = {"within.efi": "true.efi", "false.efi": AWAY, "root": "/", "below/up": "../../linked"}
    for name, target in links.items():
        os.symlink(target, os.path.join(where, name))
    lab.define("secret", mac="52:54:00:7e:57:4d", kernel_args="secret=1")
    out = tmp_path / "got"
    try:
        check_equal(tftp(lab, "own/true.efi", out), INSIDE, "what is no link")
        check_equal(tftp(lab, "own/within.efi", out), INSIDE, "a link that stays inside")
        check(tftp(lab, "boot.ipxe", out).startswith("#!ipxe"), "the stack's own script")
        for name in ("own/false.efi", "own/root/etc/passwd", "own/root/vms/secret.json", "own/below/up/amd64/own"):
            check_equal(tftp(lab, name, out), None, f"{name}, which leads out")
        os.rename(where, where + ".away")
        os.symlink("/etc", where)
        check_equal(tftp(lab, "own/passwd", out), None, "where the whole folder is a link")
        os.unlink(where)
        os.rename(where + ".away", where)
        check_equal(tftp(lab, "own/true.efi", out), INSIDE, "and when it is none any more")
    finally:
        lab.undefine("secret.json")
        shutil.rmtree(where)


def test_nor_out_of_the_image_of_raspberry_pis(lab, tmp_path):
    where = folder(lab, "raspberrypi", "arm64")
    with open(os.path.join(where, "config.txt"), "w") as f:
        f.write(INSIDE)
    os.symlink(AWAY, os.path.join(where, "start4.elf"))
    lab.define("pi", serial="0a1b2c3d", arch="arm64", mode="shell")
    out = tmp_path / "got"
    try:
        eventually(lambda: tftp(lab, "0a1b2c3d/config.txt", out) == INSIDE, 10, "what is no link is served")
        for name in ("0a1b2c3d/start4.elf", "raspberrypi/start4.elf"):
            check_equal(tftp(lab, name, out), None, f"{name}, which leads out")
    finally:
        lab.undefine("pi.json")
        shutil.rmtree(where)
