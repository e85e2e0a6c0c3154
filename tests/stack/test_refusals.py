"""What the stack refuses to start with: it ends by itself, saying why."""
import os
import signal
import socket

from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.lab import CONFINED, STACK_IMAGE


def refused(lab, name, wanted, env=(), drop_caps=False):
    """Starts a second stack in the (now free) namespace; it must end by itself, saying why."""
    docker("rm", "-f", lab.stack, check_rc=False)
    container = f"{lab.name}-refused-{name}"
    args = lab.stack_args(container, env)
    if drop_caps:
        args = [a for i, a in enumerate(args) if a != "--cap-add" and args[i - 1] != "--cap-add"]
    docker("run", "-d", *args, STACK_IMAGE)
    ends(container, name, wanted)


def ends(container, name, wanted):
    try:
        eventually(lambda: docker("inspect", "-f", "{{.State.Running}}", container).stdout.strip() == "false",
            15, f"{name}: the container ends by itself")
        code = int(docker("inspect", "-f", "{{.State.ExitCode}}", container).stdout)
        done = docker("logs", container)
    finally:
        docker("rm", "-f", container, check_rc=False)
    lines = [l for l in (done.stdout + done.stderr).splitlines() if l.strip()]
    check(code != 0, f"{name}: ended with 0: {lines}")
    check(lines, f"{name}: says nothing")
    for word in wanted:
        check(word in lines[-1], f"{name}: the last line lacks {word!r}: {lines[-1]!r}")
    check(len(lines) <= 3, f"{name}: more than one sentence: {lines}")
    check(len(lines[-1]) < 400 and "Traceback" not in lines[-1], f"{name}: {lines[-1]!r}")


def test_refuses_a_state_that_another_stack_uses_until_that_one_is_killed(lab):
    container = f"{lab.name}-second"
    second = ["run", "-d", "--name", container, *lab.labels("stack"), *CONFINED, "--sysctl", "net.ipv4.ip_forward=1",
        "-v", f"{lab.vms}:/vms:ro", "-v", f"{lab.state_volume}:/state", STACK_IMAGE]
    docker(*second)
    ends(container, "state", ["cannot start: /state is in use by another stack", "stop that one, or mount another volume"])
    # Past the entrypoint, the file itself is the first one's, too.
    done = docker("run", "--rm", *lab.labels("stack"), "-v", f"{lab.state_volume}:/state", "--user", "0", STACK_IMAGE,
        "boot_handler", "--vms", "/vms", "--listen", "unix:/run/g.sock", "--operator-listen", "unix:/run/o.sock",
        "--base-url", "http://192.168.100.1", check_rc=False)
    check_equal(done.returncode, 1, f"a second boot_handler: {done}; status")
    check("/state/vmlab.db: another server uses this state file" in done.stderr + done.stdout, done)
    check("0 problems" in (done := lab.exec("boot_handler", "--check", "--vms", "/vms", "--images", "/srv/images",
        check_rc=False)).stderr + done.stdout, done)
    before = lab.pids()["boot_handler"]
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: lab.pids()["boot_handler"] not in ([], before), 10, "boot_handler is started anew")
    lab.wait_serving()
    docker("kill", lab.stack)
    docker(*second)
    try:
        eventually(lambda: "serving guests=" in docker("logs", container).stdout, 20, "the second one serves what the killed one left")
    finally:
        docker("rm", "-f", container)


def test_refuses_an_interface_that_is_not_there(lab):
    refused(lab, "interface", ["nosuch0"], env=["INTERFACE=nosuch0", "PROVISIONER_IP=192.168.100.1"])


def test_refuses_an_address_that_the_interface_does_not_have(lab):
    refused(lab, "address", ["10.9.8.7"], env=["INTERFACE=eth0", "PROVISIONER_IP=10.9.8.7"])


def test_refuses_settings_that_make_no_sense(lab):
    refused(lab, "cidr", ["LAB_CIDR"], env=["LAB_CIDR=192.168.100.1/99"])
    refused(lab, "cidr-text", ["LAB_CIDR"], env=["LAB_CIDR=192.168.100.1/24; reboot"])
    refused(lab, "half", ["PROVISIONER_IP"], env=["INTERFACE=eth0"])


def test_refuses_to_start_where_a_port_is_taken_and_says_which(lab):
    for port, kind in ((80, socket.SOCK_STREAM), (8088, socket.SOCK_STREAM), (67, socket.SOCK_DGRAM),
            (69, socket.SOCK_DGRAM), (53, socket.SOCK_DGRAM)):
        with lab.inside():
            holder = socket.socket(socket.AF_INET, kind)
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
            holder.bind(("0.0.0.0", port))
            if kind == socket.SOCK_STREAM:
                holder.listen(1)
        try:
            refused(lab, f"port-{port}", [str(port)], env=["OPERATOR_LISTEN=0.0.0.0:8088"])
        finally:
            holder.close()


def test_without_net_admin_it_says_what_is_missing(lab):
    refused(lab, "caps", ["NET_ADMIN"], drop_caps=True)
