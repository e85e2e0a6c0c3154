"""Addresses, boot files and names, asked for by real DHCP and DNS clients."""
import os

from kit import dhcp, dns, netns
from kit.check import check, check_equal, eventually, skip
from kit.command import run
from kit.lab import SERVER
from kit.stack_lab import ALPHA, GAMMA, STRANGER


def test_busybox_udhcpc_gets_the_reserved_address_name_server_and_domain(lab):
    c = lab.client("udhcpc")
    run(["ip", "netns", "exec", c.name, "ip", "link", "set", "eth0", "address", ALPHA])
    script = os.path.join(lab.scope.tempdir(), "udhcpc.sh")
    with open(script, "w") as f:
        f.write("#!/bin/sh\n[ \"$1\" = bound ] && env > \"$0.env\"\nexit 0\n")
    os.chmod(script, 0o755)
    c.run(["busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "5", "-T", "1", "-s", script])
    with open(script + ".env") as f:
        lease = dict(l.rstrip("\n").split("=", 1) for l in f if "=" in l)
    check_equal(lease.get("ip"), "192.168.100.10", "address")
    check_equal(lease.get("dns"), SERVER, "name server")
    check_equal(lease.get("router"), SERVER, "router")
    check_equal(lease.get("domain"), "pvmlab.local", "domain")
    check_equal(lease.get("hostname"), "alpha", "host name")
    c.close()


def test_each_client_architecture_gets_its_boot_file_option_93(lab):
    for arch, wanted in ((0, "undionly.kpxe"), (7, "ipxe-x86_64.efi"), (9, "ipxe-x86_64.efi"),
            (11, "ipxe-arm64.efi")):
        offer = lab.offer(lab.machine, ALPHA, arch=arch)
        check(offer, f"no offer for architecture {arch}")
        check_equal(offer.yiaddr, "192.168.100.10", f"architecture {arch}: address")
        check_equal(offer.file, wanted, f"architecture {arch}: boot file")
        check_equal(offer.siaddr, SERVER, f"architecture {arch}: next server")


def test_an_ipxe_that_is_there_already_is_sent_on_to_a_script_not_to_another_ipxe(lab):
    offer = lab.offer(lab.machine, ALPHA, arch=7, user_class="iPXE")
    check(offer, "no offer")
    check(offer.file.endswith(".ipxe"), f"boot file {offer.file!r}: wanted a .ipxe script")
    if not offer.file.startswith("http"):
        check("#!ipxe" in lab.tftp(offer.file).decode(), f"{offer.file} is no iPXE script")


def test_an_unknown_machine_gets_an_address_from_the_range_so_that_it_can_wait(lab):
    offer = lab.offer(lab.machine, STRANGER, arch=7, timeout=8)
    check(offer, "no offer")
    check(128 <= int(offer.yiaddr.split(".")[3]) <= 254, f"{offer.yiaddr} is not in the upper half")
    check_equal(offer.file, "ipxe-x86_64.efi", "boot file")


def test_a_machine_without_ip_shows_its_lease_to_the_operator(lab):
    with lab.machine.inside():
        c = dhcp.Client()
        reply = c.acquire(GAMMA, timeout=8)
        c.close()
    check(reply, "no lease")
    check_equal(reply.hostname, "gamma", "host name in the lease")
    vm = lab.wait_vm("gamma", 3, lambda vm: vm["ip"] == reply.yiaddr, f"shows {reply.yiaddr}")
    check(vm["last_seen"], "last_seen is empty")
    with lab.machine.inside():
        eventually(lambda: dns.ask(SERVER, "gamma.pvmlab.local") == (0, [reply.yiaddr]), 3,
            f"gamma.pvmlab.local is {reply.yiaddr}")


def test_an_address_given_out_is_an_event_of_the_machine(lab):
    with lab.machine.inside():
        c = dhcp.Client()
        check(c.acquire(ALPHA), "no lease")
        c.close()
    eventually(lambda: [e for e in lab.api("/api/v1/events?vm=alpha")["events"]
        if e["kind"] == "dhcp" and "192.168.100.10" in e["text"]], 3, "a dhcp event of alpha")


def test_a_clients_own_idea_of_its_host_name_takes_nobodys_place(lab):
    for name in ("alpha", "wpad", b"a\nb", b"evil\",\"x", b"$(reboot)", b"a" * 200):
        with lab.machine.inside():
            c = dhcp.Client()
            reply = c.acquire(STRANGER, hostname=name, timeout=8)
            check(reply, f"no lease when calling itself {name!r}")
            c.close()
    with lab.machine.inside():
        check_equal(dns.ask(SERVER, "alpha.pvmlab.local"), (0, ["192.168.100.10"]), "alpha's address")
    check_equal(lab.vm("alpha")["ip"], "192.168.100.10", "alpha's address in the API")
    check(lab.api("/api/v1/events")["events"] is not None, "the event list is broken")


def test_ipv6_the_reservation_is_in_the_hosts_file_and_dhcpv6_offers_it(lab):
    if not os.path.exists("/proc/net/if_inet6"):
        skip("this machine's kernel has no IPv6")
    hosts = lab.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout
    check("[fd56:6d6c:6162::10]" in hosts, f"no IPv6 reservation in:\n{hosts}")
    with lab.inside():
        addresses = run(["ip", "-6", "addr", "show", "dev", "lab0"]).stdout
    if "fd56:6d6c:6162::1/" not in addresses:
        skip("lab0 has no IPv6 address: the container's kernel has IPv6 disabled")
    c = netns.Client("six", mac=ALPHA)
    lab.scope.cleanup(c.close)
    c.plug(lab.net_pid())
    eventually(lambda: "tentative" not in (o := c.run(["ip", "-6", "addr", "show", "dev", "eth0"]).stdout)
        and "fe80" in o, 8, "the client has a link-local address")
    with c.inside():
        address = dhcp.solicit6(ALPHA, timeout=8)
    c.close()
    check_equal(address, "fd56:6d6c:6162::10", "DHCPv6 address")


def test_dns_forward_ipv6_reverse_and_no_for_who_is_not_there(lab):
    with lab.machine.inside():
        check_equal(dns.ask(SERVER, "alpha.pvmlab.local"), (0, ["192.168.100.10"]), "A")
        check_equal(dns.ask(SERVER, "alpha"), (0, ["192.168.100.10"]), "A of the bare name")
        check_equal(dns.ask(SERVER, dns.reverse("192.168.100.10"), dns.PTR),
            (0, ["alpha.pvmlab.local"]), "PTR")
        check_equal(dns.ask(SERVER, "alpha.pvmlab.local", dns.AAAA), (0, ["fd56:6d6c:6162::10"]), "AAAA")
        rcode, answers = dns.ask(SERVER, "nobody.pvmlab.local")
    check_equal((rcode, answers), (dns.NXDOMAIN, []), "an unknown name of our domain")


def test_every_daemon_is_still_the_process_that_it_was(lab):
    lab.same_processes()
