"""What cannot be is said at once, before anything is started: settings, a pipe without a writer, a lab that is down."""
import os
import subprocess
import time

from kit import folder
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.folder import NAME
from kit.scope import Scope
from kit.vmlab_cli import STACK_IMAGE

scope = Scope("said")


def Folder(where):
    return folder.Folder(scope, where)


def engine_network():
    return docker("network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Subnet}}").stdout.strip()


def test_image_import_from_a_pipe_with_a_writer_it_reads_without_one_it_says_so():
    lab = Folder(f"pipe/p-{NAME}")
    pipe = os.path.join(lab.dir, "pipe.tar")
    os.mkfifo(pipe)
    began = time.monotonic()
    done = lab.vmlab("image", "import", "some", "--arch", "amd64", pipe, check_rc=False, timeout=40)
    check(done.returncode == 1 and "nobody writes" in done.stderr and time.monotonic() - began < 20, str(done))
    writer = subprocess.Popen(["sh", "-c", 'sleep 1; echo no archive >"$1"', "sh", pipe])
    done = lab.vmlab("image", "import", "some", "--arch", "amd64", pipe, check_rc=False, timeout=40)
    check(done.returncode == 1 and "nobody writes" not in done.stderr, str(done))
    check_equal(writer.wait(), 0, "the writer")


def test_wait_for_a_machine_of_a_lab_that_is_down_says_so_at_once_new_says_what_validate_would_say():
    lab = Folder(f"down/d-{NAME}")
    made = lab.vmlab("new", "small", "--memory", "128M", "--distro", "debain-13")
    told = lab.vmlab("validate", check_rc=False).stdout
    for line in told.splitlines():
        if "warning: " in line:
            sentence = line.split("warning: ", 1)[1]
            check(sentence in made.stderr, f"validate says {sentence!r}, new said {made.stderr!r}")
    check("debain-13" in made.stderr and "vmlab up small" in made.stdout, str(made))
    began = time.monotonic()
    done = lab.vmlab("wait", "--timeout", "30", "small", check_rc=False)
    check(done.returncode == 1 and "is down" in done.stderr and "`vmlab up small`" in done.stderr, str(done))
    check(time.monotonic() - began < 10, "wait took long")


def test_settings_with_which_the_stack_could_not_start_are_refused_in_one_sentence():
    """Settings with which the stack could not start are refused in one sentence, before anything is started."""
    lab = Folder(f"set/s-{NAME}")
    bad = [("DOMAIN", value) for value in ("10", "lab.7", "a..b", "-a", "Lab", "a_b", "x" * 64, "a." * 95 + "a")]
    bad += [("CIDR", value) for value in ("192.168.7.0/24", "192.168.7.255/24", "10.0.0.1/30", "127.0.0.1/8", "lab",
        "192.168.7.1", engine_network(), engine_network().replace(".0.0/16", ".3.1/24"))]
    bad += [("REACH", value) for value in ("foo", "internet,foo", "internet,all", "internet,", "10.0.0.0/33")]
    for name, value in bad:
        done = lab.vmlab("up", "--no-wait", check_rc=False, **{f"VMLAB_{name}": value})
        check(done.returncode in (1, 2) and f"VMLAB_{name}" in done.stderr and len(done.stderr.splitlines()) == 1
            and not done.stdout.startswith("lab: network"), f"VMLAB_{name}={value}: {done}")
        check_equal(lab.containers(), {}, f"containers after VMLAB_{name}={value}")


def test_the_stacks_container_refuses_them_too_at_its_start_and_ends():
    good = ["-e", "LAB_DOMAIN=7.lab", "-e", "LAB_REACH=10.1.2.3,fd00::/8", "-e", "STALL_LIMITS=boot=600,first-boot=7200"]
    for name, value in (("LAB_DOMAIN", "10"), ("LAB_DOMAIN", "lab.7"), ("LAB_REACH", "foo"), ("LAB_CIDR", "192.168.7.0/24"),
            ("LAB_CIDR", "127.0.0.1/8"), ("LAB_CIDR", engine_network().replace(".0.0/16", ".3.1/24")),
            ("STALL_LIMITS", "foo=1"), ("STALL_LIMITS", "boot=x"), ("STALL_LIMITS", "boot=1;foo=2"), (None, None)):
        one = docker("run", "-d", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", "--sysctl", "net.ipv4.ip_forward=1", *(
            ["-e", f"{name}={value}"] if name else good), STACK_IMAGE).stdout.strip()
        try:
            time.sleep(0 if name else 4)
            ended = eventually(lambda: docker("inspect", "-f", "{{.State.Running}}", one).stdout.strip() != str(bool(name)).lower(),
                20, f"{name}={value}: the container {'ends' if name else 'runs'}")
            log = docker("logs", one)
            lines = (log.stdout + log.stderr).strip().splitlines()
            check(ended and (not name or (f"cannot start: {name}={value!r}" in lines[-1] or f"cannot start: {name}={value}" in lines[-1])),
                f"{name}={value}: {lines[-3:]}")
            if name:
                check_equal(docker("inspect", "-f", "{{.State.ExitCode}}", one).stdout.strip(), "1", f"{name}={value}: status")
            else:
                check("refused" not in str(lines) and "exited" not in str(lines), f"good settings: {lines}")
        finally:
            docker("rm", "-f", "-v", one)
