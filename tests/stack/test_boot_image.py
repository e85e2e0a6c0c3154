"""Mode boot: what a machine is told of a boot image, that nginx has each file of it, and /done."""
import re

from kit.boot_image import add, stored
from kit.check import check, check_equal, eventually
from kit.stack_lab import BASE, lines_of

MACHINE = "52:54:00:7e:57:40"
ADDRESS = "192.168.100.20"  # one that the client machine has


def define(lab, image, **fields):
    lab.define("boots", mac=MACHINE, ip=ADDRESS, mode="boot", image=image, **fields)
    eventually(lambda: (lab.vm("boots") or {}).get("mode") == "boot", 5, "the definition is served")


def script(lab):
    return lab.ask(f"/ipxe?mac={MACHINE}", source=ADDRESS).text


def names_files_that_are_there(lab, text, contents):
    found = 0
    for url in re.findall(rf"{BASE}(/images/\S+)", text):
        name = url.rsplit("/", 1)[1]
        if name in contents:
            answer = lab.ask(url, source=ADDRESS)
            check_equal(answer.status, 200, f"GET {url}: status")
            check_equal(answer.text, contents[name], url)
            found += 1
    return found


def test_a_kernel_with_initrds_is_booted_each_time_and_nginx_has_its_files(lab):
    contents = {"vmlinuz": "a kernel", "initrd-1": "first", "initrd-2": "second"}
    define(lab, "rescue+1")
    check("image add rescue+1" in script(lab), script(lab))
    add(lab, "rescue+1/amd64", contents, {"format": 1, "kind": "boot", "distro": "rescue+1", "arch": "amd64",
        "boot": {"kernel": stored("vmlinuz", contents["vmlinuz"]),
            "initrds": [stored(n, contents[n]) for n in ("initrd-1", "initrd-2")],
            "args": "fetch={image_url}/root.squashfs done={done_url}"}})
    eventually(lambda: lines_of(script(lab), "kernel"), 5, "the image is seen")
    for _ in range(2):
        text = script(lab)
        words = lines_of(text, "kernel")[0].split()
        check(f"fetch={BASE}/images/rescue+1/amd64/root.squashfs" in words, text)
        check(f"done={BASE}/done/{MACHINE}" in words, text)
        check_equal([line.split("/")[-1].split()[0] for line in lines_of(text, "initrd")], ["initrd-1", "initrd-2"], text)
        check_equal(names_files_that_are_there(lab, text, contents), 3, "files asked for")
    check_equal(lab.vm("boots")["expected"], {"does": "boot", "ends": "started"}, "what is expected")


def test_a_folder_of_netbootstudio_is_chained_as_it_is(lab):
    contents = {"stage2.ipxe": "#!ipxe\nshell\n", "auto.ipxe": "#!ipxe\nexit\n"}
    add(lab, "studio", dict(contents, **{"metadata.yaml": 'created: "2021-10-26_15:38:14"\n'
        'stage2_filename: "stage2.ipxe"\nsupports_unattended: "true"\n'
        'stage2_unattended_filename: "auto.ipxe"\narch: "amd64"\n'}))
    define(lab, "studio")
    eventually(lambda: "/images/studio/stage2.ipxe" in script(lab), 5, "its script is chained")
    text = script(lab)
    check_equal(names_files_that_are_there(lab, text, contents), 1, f"files asked for in {text}")
    check(f"set boot-images {BASE}/images\n" in text, text)


def test_done_is_refused_to_a_machine_that_nothing_installs_and_to_others(lab):
    define(lab, "studio")
    for method in ("GET", "POST"):
        answer = lab.ask(f"/done/{MACHINE}", method=method, source=ADDRESS)
        check_equal(answer.status, 409, f"{method} /done: {answer.text!r}; status")
        check_equal(lab.ask(f"/done/{MACHINE}", method=method, source="192.168.100.10").status, 403, "of another: status")
    check_equal(lab.ask("/done", source=ADDRESS).status, 404, "/done alone: status")


def test_after_done_the_disk_follows_until_a_reinstall_is_ordered(lab):
    define(lab, "studio", unattended=True)
    eventually(lambda: "/images/studio/auto.ipxe" in script(lab), 5, "its unattended script is chained")
    check_equal(lab.vm("boots")["state"], "booting", "state")
    check_equal(lab.vm("boots")["expected"]["ends"], "installed", "what is waited for")
    check_equal(lab.ask(f"/done/{MACHINE}", method="HEAD", source=ADDRESS).status, 204, "HEAD: status")
    check_equal(lab.vm("boots")["state"], "booting", "state after HEAD")
    for method in ("POST", "GET"):
        check_equal(lab.ask(f"/done/{MACHINE}", method=method, source=ADDRESS).status, 204, f"{method}: status")
        check_equal(lab.vm("boots")["state"], "installed", "state")
        check("sanboot" in script(lab) and "auto.ipxe" not in script(lab), script(lab))
    check_equal(lab.operator("/api/v1/vms/boots/reinstall", method="POST").status, 200, "reinstall: status")
    check_equal(lab.ask(f"/done/{MACHINE}", source=ADDRESS).status, 409, "a done that is too late: status")
    check("auto.ipxe" in script(lab), script(lab))
