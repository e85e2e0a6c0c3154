"""closed_lab.py - a lab with two guests, web and db, and a container beside it on the engine's bridge; who reaches whom."""
import os
import socket

from kit import http_client, netns
from kit.check import check, check_equal, eventually, fail
from kit.command import docker, have_image, run
from kit.lab import SERVER, STACK_IMAGE, Lab

WEB, DB, CARD = "52:54:00:c1:05:01", "52:54:00:c1:05:02", "52:54:00:c1:05:77"
OUTSIDE = "203.0.113.5"  # stands for the Internet: an address of the container beside


class ClosedLab(Lab):
    def __init__(self, scope):
        super().__init__(scope, access="own")
        self.web = self.db = self.beside = self.beside_ip = None

    def begin(self):
        if not have_image(STACK_IMAGE):
            fail(f"there is no image {STACK_IMAGE}: `make all` builds it, `docker load` brings it in")
        self.make_image()
        self.define("web", mac=WEB, ip="192.168.100.10", ipv6="fd56:6d6c:6162::10", serial="CLOSED-1",
            user_data="#cloud-config\npassword_of: web\n")
        self.define("db", mac=DB, ip="192.168.100.11", ipv6="fd56:6d6c:6162::11")
        self.start()
        for name, last in (("web", 10), ("db", 11)):
            guest = self.client(name, cidr=f"192.168.100.{last}/24")
            guest.run(["ip", "addr", "add", f"fd56:6d6c:6162::{last}/64", "dev", "eth0", "nodad"])
            guest.run(["ip", "route", "replace", "default", "via", SERVER])
            setattr(self, name, guest)
            eventually(lambda: connects(guest.path, SERVER, 80) == "open", 5, f"{name} reaches the stack")
        self.beside = self.start_beside()
        self.beside_ip = address_of(self.beside)
        with netns.inside(space_of(self.beside)):
            for address in (OUTSIDE, "169.254.169.254"):
                run(["ip", "addr", "add", f"{address}/32", "dev", "eth0"])
            run(["ip", "route", "add", "192.168.100.0/24", "via", address_of(self.net)])
        with self.inside():
            for address in (OUTSIDE, "169.254.169.254"):
                run(["ip", "route", "add", f"{address}/32", "via", self.beside_ip])
        eventually(lambda: connects(self.space(), self.beside_ip, 8000) == "open", 10, "the container beside serves")

    def start_beside(self):
        """A container on the engine's bridge that serves HTTP on port 8000, as anyone's might."""
        name = f"{self.name}-beside"
        docker("run", "-d", "--name", name, "--label", f"vmlab.lab={self.name}", "--no-healthcheck", "--entrypoint",
            "/usr/bin/python3", STACK_IMAGE, "-m", "http.server", "8000", "--directory", "/srv/tftp")
        self.scope.cleanup(lambda: docker("rm", "-f", "-v", name, check_rc=False))
        return name

    def space(self):
        return f"/proc/{self.net_pid()}/ns/net"


def guest(client, **kwargs):
    return lambda path, **more: inside(client, path, **dict(kwargs, **more))


def inside(client, path, host=SERVER, **kwargs):
    with client.inside():
        return http_client.request(host, path, timeout=kwargs.pop("timeout", 5), **kwargs)


def connects(space, host, port, timeout=0.8, source=None):
    """"open", or why not; `space`: a path of a network namespace."""
    with netns.inside(space):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
            s.settimeout(timeout)
            if source:
                s.bind((source, 0))
            try:
                s.connect((host, port))
            except socket.timeout:
                return "silence"
            except OSError as e:
                return os.strerror(e.errno)
            return "open"


def refused_from(client, path, what, **kwargs):
    answer = inside(client, path, **kwargs)
    check_equal(answer.status, 403, f"{what}: {answer.text[:200]!r}; status")
    check(answer.text.count("\n") == 1, f"{what}: not one sentence: {answer.text!r}")


def space_of(container):
    pid = docker("inspect", "-f", "{{.State.Pid}}", container).stdout.strip()
    return f"/proc/{pid}/ns/net"


def address_of(container):
    return docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container).stdout.strip()
