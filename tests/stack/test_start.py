"""The stack's image, and what stands once it started."""
import json

from kit.check import check, check_equal, fail
from kit.command import docker, have_image
from kit.lab import DAEMONS, STACK_IMAGE


def test_the_image_has_what_a_registry_shows_and_no_root_shell_of_its_own(lab):
    if not have_image(STACK_IMAGE):
        fail(f"there is no image {STACK_IMAGE}: `make all` builds it, `docker load` brings it in")
    image = json.loads(docker("image", "inspect", STACK_IMAGE).stdout)[0]
    labels = image["Config"].get("Labels") or {}
    for key in ("title", "description", "version", "licenses"):
        check(labels.get(f"org.opencontainers.image.{key}"),
            f"label org.opencontainers.image.{key} is missing: {sorted(labels)}")
    check(image["Config"].get("Healthcheck", {}).get("Test"), "the image has no HEALTHCHECK")


def test_the_stack_starts_and_is_ready(lab):
    for name in DAEMONS:
        check(lab.started[name], f"{name} does not run; `docker top` shows {lab.started}")


def test_daemons_that_need_no_root_have_none(lab):
    users = {}
    for line in docker("top", lab.stack, "-eo", "pid,uid,comm").stdout.splitlines()[1:]:
        pid, uid, comm = line.split(None, 2)
        users.setdefault(comm, set()).add(int(uid))
    for name in ("boot_handler", "vm_watcher", "image_adopt"):
        check(0 not in users.get(name, {0}), f"{name} runs as uid {users.get(name)}")
    for name in ("dnsmasq", "nginx"):
        check(users.get(name, {0}) != {0}, f"{name} has only root processes")
    check_equal([n for n in users if users[n] & users["image_adopt"]], ["image_adopt"], "who has image_adopt's uid")
    check(users["vm_watcher"] <= users["dnsmasq"], f"vm_watcher may not signal dnsmasq: uids {users}")
