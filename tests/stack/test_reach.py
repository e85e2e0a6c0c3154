"""Whom guests reach beyond their lab, and who reaches them."""
import socket

from kit import dns, netns
from kit.check import check, check_equal, eventually, fail
from kit.closed_lab import OUTSIDE, address_of, connects, space_of
from kit.command import docker, run
from kit.lab import SERVER, Lab


def reach(closed, space=None):
    space = space or closed.web.path
    return {what: connects(space, host, 8000) for what, host in (("private", closed.beside_ip),
        ("link-local", "169.254.169.254"), ("Internet", OUTSIDE))}


def gateway(closed):
    with closed.inside():
        return run(["ip", "-4", "route", "show", "default"]).stdout.split()[2]


def shut(closed, space, what):
    """Neither the stack nor a guest answers whoever is in that namespace, which has a route here."""
    uplink = address_of(closed.net)
    for host in (SERVER, uplink):
        for port in (53, 80, 8080):
            check_equal(connects(space, host, port, timeout=0.4), "silence", f"{what}: TCP {host}:{port}")
        with netns.inside(space):
            try:
                answer = dns.ask(host, "db.pvmlab.local", timeout=0.5, tries=1)
            except OSError:
                continue
        fail(f"{what}: {host} answers DNS: {answer}")
    with closed.db.inside():
        listener = socket.create_server(("192.168.100.11", 7777))
    with listener:
        check_equal(connects(closed.web.path, "192.168.100.11", 7777), "open", "a neighbour's port")
        check_equal(connects(space, "192.168.100.11", 7777), "silence", f"{what}: a guest's port")


def test_guests_reach_the_internet_and_no_private_or_link_local_address_of_the_host_and_its(closed):
    """Guests reach the Internet, and no private or link-local address of the host and its neighbours."""
    found = reach(closed)
    check_equal(found.pop("Internet"), "open", "an address of the Internet")
    for what, how in found.items():
        check(how not in ("open", "silence"), f"{what}: {how}, wanted a refusal at once")
    done = closed.web.run(["busybox", "ping", "-c", "1", "-W", "1", gateway(closed)], check_rc=False)
    check(done.returncode != 0, "a guest pings the engine's gateway")
    check(connects(closed.web.path, gateway(closed), 22) not in ("open", "Connection refused"), "a guest reaches the host")
    # The lab itself, all the same: neighbours, and names of outside by the lab's DNS.
    check_equal(closed.web.run(["busybox", "ping", "-c", "1", "-W", "2", "192.168.100.11"]).returncode, 0, "a neighbour")
    with closed.web.inside():
        check_equal(dns.ask(SERVER, "db.pvmlab.local"), (0, ["192.168.100.11"]), "DNS")
    check_equal(connects(closed.web.path, SERVER, 8080), "silence", "the operator's port from the lab")


def test_lab_reach_one_private_address_besides_everything_nothing(closed):
    for setting, wanted in ((f"internet,{closed.beside_ip}", {"private": True, "link-local": False, "Internet": True}),
            ("all", {"private": True, "link-local": True, "Internet": True}),
            ("none", {"private": False, "link-local": False, "Internet": False})):
        docker("rm", "-f", closed.stack)
        closed.start_stack(env=[f"LAB_REACH={setting}"])
        closed.wait_serving()
        check_equal({k: v == "open" for k, v in reach(closed).items()}, wanted, f"LAB_REACH={setting}")
    docker("rm", "-f", closed.stack)
    closed.start_stack()
    closed.wait_serving()


def test_another_container_on_the_engines_bridge_reaches_neither_the_stack_nor_the_guests(closed):
    shut(closed, space_of(closed.beside), "the container beside")


def test_a_guest_of_another_lab_on_this_host_even_of_one_without_limits_reaches_nothing_here(closed):
    other = Lab(closed.scope, "other", access="own")
    other.start(env=["LAB_CIDR=192.168.101.1/24", "LAB_CIDR6=off", "LAB_REACH=all"])
    stranger = other.client("stranger", cidr="192.168.101.10/24")
    stranger.run(["ip", "route", "replace", "default", "via", "192.168.101.1"])
    with other.inside():
        run(["ip", "route", "add", "192.168.100.0/24", "via", address_of(closed.net)])
    eventually(lambda: connects(stranger.path, closed.beside_ip, 8000) == "open", 10, "its way out of its own lab")
    shut(closed, stranger.path, "the other lab's guest")
    check_equal(connects(closed.web.path, address_of(other.net), 80), connects(closed.web.path, "10.255.0.1", 80),
        "this lab's guest to the other lab")
    other.remove()
