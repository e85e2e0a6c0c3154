#!/usr/bin/python3
"""settings.py - the stack's environment variables, validated, and the daemons' configuration.

    settings.py check             prints shell assignments for entrypoint.sh, or one sentence
                                  (what is wrong, where, what to do) and exits with 1
    settings.py help              prints the image's help
    settings.py render DIR [FLAG...]
                                  writes dnsmasq.conf, dns.conf, tftp.conf, nginx.conf, supervisord.conf, nftables.conf, ports.nft
                                  and health.json into DIR. Flags: ipv6 (the lab has it), noroute6
                                  (but no way out), keys (the operator gave public keys), notices
                                  (there are some in DIR/notices, for the operator)

Reads the environment and the templates beside this file, and nothing else. No VM data passes
through here: the configuration is made of the operator's settings only, each of them parsed first.
"""

import ipaddress
import json
import os
import re
import subprocess
import sys
import textwrap

# Every variable that the image reads: (name, what holds without it, what it says). The image's help
# is made from this; Settings refuses to read any other.
VARIABLES = (
    ("INTERFACE", "the one that has PROVISIONER_IP",
     "host-interface mode: the interface that is there already and is to be served"),
    ("PROVISIONER_IP", "",
     "host-interface mode: its address, at which machines reach the stack. With neither of these two "
     "the stack makes a bridge of its own"),
    ("LAB_BRIDGE", "lab0", "bridge mode: the bridge's name"),
    ("LAB_CIDR", "192.168.100.1/24", "bridge mode: the stack's address in the lab, with the prefix"),
    ("LAB_CIDR6", "fd56:6d6c:6162::1/64; host-interface mode: off",
     "the stack's IPv6 address in the lab, a /64, or 'off'. Host-interface mode with "
     "DHCP_RANGE_V6_START: the interface's own"),
    ("LAB_DOMAIN", "pvmlab.local", "the lab's DNS domain"),
    ("LAB_MTU", "the uplink's", "bridge mode: the lab's MTU"),
    ("DHCP_MODE", "server", "host-interface mode: 'proxy': beside the network's own DHCP server, which gives the "
     "addresses, this one says only what to boot"),
    ("DHCP_RANGE", "the upper half of the network; host-interface mode: static",
     "addresses for machines without \"ip\", as in 10.0.0.100,10.0.0.200, or 'static': none"),
    ("DHCP_RANGE_START", "", "the first of them, with DHCP_RANGE_END in place of DHCP_RANGE"),
    ("DHCP_RANGE_END", "", "the last of them"),
    ("DHCP_RANGE_V6_START", "::1:0", "the first IPv6 address, in full or as its last 64 bits (::64)"),
    ("DHCP_RANGE_V6_END", "::1:ffff", "the last IPv6 address"),
    ("ROUTER", "self; host-interface mode: none",
     "the default router that machines are told: 'self' (the stack), 'none', or an address in the "
     "network"),
    ("LAB_REACH", "internet",
     "bridge mode: what machines reach outside the lab: internet, all, none, or networks joined by "
     "commas"),
    ("GUEST_ACCESS", "own; DHCP_MODE=proxy: any",
     "'own': a machine's configuration only for that machine's address; 'any': where its address is "
     "not to be known here"),
    ("STRANGERS", "wait",
     "what a machine without a definition gets: 'wait' (it asks again until there is one), 'local' (it "
     "boots from its disk), 'off' (its firmware goes on to its next boot device), 'menu' (its screen offers the "
     "boot images, the disk, the agent and to ask again) or 'agent' (it takes inventory and waits for orders)"),
    ("STALL_LIMITS", "", "how long a stage may go without getting on before its machine is said to be "
     "stalled, in seconds (0: for ever): boot=600,rootfs=300,first-boot=7200; installer=7200 is for installers "
     "of other systems that tell nothing of how they get on"),
    ("OPERATOR_LISTEN", "", "where the operator's API is to listen besides its socket in /run/operator, as "
     "in 127.0.0.1:8080; every request then needs the token"),
    ("OPERATOR_TLS", "on where that is not a loopback address", "'on' or 'off': TLS there, with the certificate of "
     "OPERATOR_CERTIFICATE and OPERATOR_KEY or, without these, one that is made and kept in /state; 'off' behind a "
     "proxy that speaks it, or where the port is published to this machine alone"),
    ("OPERATOR_CERTIFICATE", "", "a file in the container with the certificate, and those above it, in PEM"),
    ("OPERATOR_KEY", "", "the file with its key"),
    ("OPERATOR_HOSTS", "", "more host names by which the API is reached there, joined by commas"),
    ("OPERATOR_TOKEN", "a new one, in /run/operator/token", "the token"),
    ("OPERATOR_TOKEN_FILE", "", "the file the token is in"),
)
# What entrypoint.sh finds out.
FOUND = ("UPLINK_NETS", "UPLINK_GATEWAYS", "VMS_DIR", "IMAGES_DIR")

HELP = """The stack that installs machines over the network: DHCP, DNS, TFTP and HTTP in one container.

    docker run -d --cap-add NET_ADMIN --cap-add NET_RAW \\
      -v "$PWD/vms:/vms:ro" -v "$PWD/images:/srv/images:ro" -v state:/state IMAGE

Folders: /vms (definitions; else /mnt/host/vms), /srv/images (images; else /www/images; those
that pvmlab's tool pulled are taken as they are), /state (what happened to each machine, and what
is made of such images: a named volume or a folder of the host), /etc/vmlab/authorized_keys (public
SSH keys for every machine).
With another first argument than --help, the container runs that program instead.

Environment variables:
"""

TEMPLATES = os.path.dirname(os.path.abspath(__file__))
KEYS = "/run/vmlab/authorized_keys"
OPERATOR_SOCKET = "/run/operator/api.sock"
TOKEN = "/run/boot_handler/token"
CERTIFICATE, CERTIFICATE_KEY = "/run/boot_handler/certificate.pem", "/run/boot_handler/key.pem"
NOTICES = "/run/vmlab/notices"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
MTU_MIN, MTU_MAX = 1280, 9216
# One port a transfer, out of the way of the kernel's own choice, and all transfers at once: who waits for
# another's end gives up meanwhile.
TFTP_MAX = 3900
TFTP_PORTS = 20000, 23999
# Leases that dnsmasq holds at once, by each protocol.
LEASES_MAX = 16384
# Loaders that a machine gets also where its firmware's PXE is an iPXE, since the one they start has the script.
OVER_IPXE = ("lpxelinux",)
# Firmware's codes (option 93) as dnsmasq's pxe-service calls them.
PXE_SYSTEMS = {"0": "x86PC", "7": "BC_EFI", "9": "X86-64_EFI", "11": "ARM64_EFI"}
# Where images are made of what other tools put into the folder of images, and who makes them: a uid that
# no package of the image uses.
MADE_ROOT = "/state"
BACKUP_ROOT = "/state/backups"
ADOPT_UID = 64200

# What LAB_REACH=internet leaves out: the networks of the host, its neighbours and the machine
# itself, and multicast; in IPv6 also where translators and tunnels put IPv4 addresses.
NOT_INTERNET4 = [ipaddress.IPv4Network(n) for n in (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3")]
NOT_INTERNET6 = [ipaddress.IPv6Network(n) for n in (
    "::/96", "::ffff:0:0/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fc00::/7", "fe80::/9",
    "ff00::/8")] + [ipaddress.IPv6Network((int(ipaddress.IPv6Address("64:ff9b::"))
                                           | int(n.network_address), 96 + n.prefixlen))
                    for n in NOT_INTERNET4]
ALL4, ALL6 = ipaddress.IPv4Network("0.0.0.0/0"), ipaddress.IPv6Network("::/0")


class Refused(Exception):
    pass


class Settings(dict):
    """The environment; only what VARIABLES and FOUND list can be read."""

    def get(self, name, default=""):
        if name not in [row[0] for row in VARIABLES] and name not in FOUND:
            raise KeyError(f"{name} is in neither VARIABLES nor FOUND")
        return super().get(name, default)


def help_text():
    text = HELP
    for name, absent, what in VARIABLES:
        text += f"  {name}" + (f"  [{absent}]" if absent else "") + "\n"
        text += textwrap.fill(what, 96, initial_indent=" " * 6, subsequent_indent=" " * 6) + "\n"
    return text


def cidr(env, name, default, version):
    text = env.get(name, "") or default
    try:
        net = ipaddress.ip_interface(text)
    except ValueError:
        net = None
    if net is None or net.version != version or "/" not in text:
        raise Refused(f"{name}={text!r} is no IPv{version} address with prefix: "
                      f"give it as in {default or '192.168.100.1/24'}")
    if version == 4 and (net.ip.packed[0] in (0, 127) or net.ip.packed[0] >= 224):
        raise Refused(f"{name}={text} is no network for machines: give a private one, such as 192.168.100.1/24")
    if version == 4 and not 8 <= net.network.prefixlen <= 29:
        raise Refused(f"{name}={text}: a lab network has a prefix between /8 and /29")
    if version == 6 and (net.ip.is_link_local or net.ip.is_multicast or net.ip.is_loopback or
            net.ip.is_unspecified or net.ip.ipv4_mapped or not int(net.network.network_address)):
        raise Refused(f"{name}={text} is no network for machines: give a private one, such as fd56:6d6c:6162::1/64")
    if version == 6 and net.network.prefixlen != 64:
        raise Refused(f"{name}={text}: router advertisements need a /64")
    if net.ip == net.network.network_address or (
            version == 4 and net.ip == net.network.broadcast_address):
        raise Refused(f"{name}={text} is the network's own address: give the address the stack "
                      f"is to have in it, such as {net.network.network_address + 1}"
                      f"/{net.network.prefixlen}")
    return net


def dhcp_range(env, lab, host_mode):
    """Returns (first, last), or None when only declared machines get an address: the default on
    a network that was there before, whose other machines are none of ours."""
    text, name = env.get("DHCP_RANGE"), "DHCP_RANGE"
    ends = [env.get("DHCP_RANGE_START"), env.get("DHCP_RANGE_END")]
    net = lab.network
    if any(ends):
        if text:
            raise Refused("DHCP_RANGE and DHCP_RANGE_START are both set: unset one of them")
        if not all(ends):
            raise Refused("DHCP_RANGE_START and DHCP_RANGE_END belong together: set both, or "
                          "neither")
        text, name = ",".join(ends), "DHCP_RANGE_START,DHCP_RANGE_END"
    if text == "static" or (host_mode and not text):
        return None
    if not text:
        half = net.num_addresses // 2
        first, last = net.network_address + half, net.broadcast_address - 1
        if lab.ip == first:
            first += 1
        if lab.ip == last:
            last -= 1
        return first, last
    try:
        first, last = (ipaddress.IPv4Address(part.strip()) for part in re.split("[,-]", text))
    except ValueError:
        raise Refused(f"{name}={text!r} is no address range: give it as in "
                      f"{net.network_address + 100},{net.network_address + 200}, or 'static' to "
                      "serve only declared machines") from None
    if first > last:
        raise Refused(f"{name}={text}: the first address is above the last")
    for ip in first, last:
        if ip not in net or ip in (net.network_address, net.broadcast_address):
            raise Refused(f"{name}={text}: {ip} is not an address for machines in {net}")
    return first, last


def dhcp_range6(env, lab6):
    """Returns (first, last). An address below 2^64 is the part after the prefix."""
    ends = []
    for name, default in ("DHCP_RANGE_V6_START", "::1:0"), ("DHCP_RANGE_V6_END", "::1:ffff"):
        text = env.get(name) or default
        try:
            ip = ipaddress.IPv6Address(text)
        except ValueError:
            raise Refused(f"{name}={text!r} is no IPv6 address: give it in full, or its last 64 "
                          "bits as in ::64") from None
        if int(ip) < 1 << 64:
            ip = lab6.network.network_address + int(ip)
        if ip not in lab6.network:
            raise Refused(f"{name}={text} is not an address in {lab6.network}")
        ends.append(ip)
    if bool(env.get("DHCP_RANGE_V6_START")) != bool(env.get("DHCP_RANGE_V6_END")):
        raise Refused("DHCP_RANGE_V6_START and DHCP_RANGE_V6_END belong together: set both, or "
                      "neither")
    if ends[0] > ends[1]:
        raise Refused(f"DHCP_RANGE_V6_START={ends[0]} is above DHCP_RANGE_V6_END={ends[1]}")
    return ends


def router(env, lab, host_mode):
    """The address machines are told as their router; empty: none."""
    text = env.get("ROUTER") or ("none" if host_mode else "self")
    if text in ("none", "self"):
        return str(lab.ip) if text == "self" else ""
    try:
        ip = ipaddress.IPv4Address(text)
    except ValueError:
        ip = None
    if ip is None or ip not in lab.network or ip in (lab.network.network_address,
                                                     lab.network.broadcast_address):
        raise Refused(f"ROUTER={text!r} is no address of a machine in {lab.network}: give one, or "
                      "'self' or 'none'")
    return str(ip)


def listen(env, name, example):
    text = env.get(name, "")
    m = re.fullmatch(r"([0-9.]+):([0-9]{1,5})", text)
    try:
        host, port = ipaddress.IPv4Address(m[1]), int(m[2])
    except (TypeError, ValueError):
        host, port = None, 0
    if host is None or not 0 < port < 65536:
        raise Refused(f"{name}={text!r} is no address and port: give it as in {example}, or "
                      "leave it away to have no TCP port")
    return host, port


def without(nets, opened):
    """The networks `nets` less the networks `opened`."""
    for hole in opened:
        left = []
        for net in nets:
            if hole.version != net.version or not net.overlaps(hole):
                left.append(net)
            elif hole.prefixlen > net.prefixlen:
                left += net.address_exclude(hole)
        nets = left
    return nets


def lab_reach(env):
    """What machines may not reach outside the lab: two lists of networks, IPv4 and IPv6."""
    words = [w.strip() for w in (env.get("LAB_REACH", "") or "internet").split(",")]
    if words == ["all"]:
        return [], []
    if words == ["none"]:
        return [ALL4], [ALL6]
    # The engine's own networks count as the host's, whatever their addresses.
    uplink = networks(env, "UPLINK_NETS")
    closed = [ALL4, ALL6]
    if "internet" in words:
        closed = NOT_INTERNET4 + NOT_INTERNET6 + uplink
    opened = []
    for word in words:
        if word == "internet":
            continue
        try:
            opened.append(ipaddress.ip_network(word, strict=False))
        except ValueError:
            raise Refused(f"LAB_REACH={env['LAB_REACH']!r}: {word!r} is no network: give internet, "
                          "all or none, or networks joined by commas, as in internet,10.1.2.0/24 "
                          "or internet,192.168.1.5") from None
    return ([n for n in without(closed, opened) if n.version == 4],
            [n for n in without(closed, opened) if n.version == 6])


def networks(env, name):
    return [ipaddress.ip_network(n, strict=False) for n in env.get(name, "").split()]


def elements(nets, none):
    """For an nft set, which must not be written empty: `none` is a network nobody can ask for."""
    return ", ".join(str(n) for n in nets) or none


def dhcp_mode(env, host_mode):
    """'server' or 'proxy'. A proxy knows nothing of addresses: whatever would give or tell one is refused."""
    text = env.get("DHCP_MODE", "") or "server"
    if text not in ("server", "proxy"):
        raise Refused(f"DHCP_MODE={text!r}: give server (this is the network's DHCP server, or that of its own "
                      "machines) or proxy (the network has one, and this one says only what to boot)")
    if text == "server":
        return text
    if not host_mode:
        raise Refused("DHCP_MODE=proxy needs a network that has a DHCP server of its own: give PROVISIONER_IP, the "
                      "address at which machines of that network reach the stack")
    for name in ("DHCP_RANGE", "DHCP_RANGE_START", "DHCP_RANGE_END", "DHCP_RANGE_V6_START", "DHCP_RANGE_V6_END",
                 "ROUTER", "LAB_CIDR6"):
        if env.get(name) and not (name == "DHCP_RANGE" and env.get(name) == "static") and env.get(name) not in (
                "none", "off"):
            raise Refused(f"{name} is set with DHCP_MODE=proxy, where the network's own DHCP server gives addresses "
                          f"and routers: unset {name}, or DHCP_MODE to serve them here")
    return text


def guest_access(env, mode):
    text = env.get("GUEST_ACCESS", "") or ("any" if mode == "proxy" else "own")
    if text not in ("own", "any"):
        raise Refused(f"GUEST_ACCESS={text!r}: give own (a machine's configuration only for that "
                      "machine's address) or any (where its address is not to be known here)")
    return text


def refusal(option, text):
    """What boot_handler says against this value of an option; None: nothing. What is right stands there only."""
    asked = subprocess.run(["/usr/sbin/boot_handler", option, text, "--version"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
    if asked.returncode:
        why = asked.stderr.strip().rpartition(option + ": ")[2].splitlines()
        return why[0] if why else "boot_handler refuses it"
    return None


def strangers(env):
    text = env.get("STRANGERS", "")
    why = text and refusal("--strangers", text)
    if why:
        raise Refused(f"STRANGERS: {why}")
    return text or "wait"


def stall_limits(env):
    """boot_handler reads them from the environment."""
    text = env.get("STALL_LIMITS", "")
    why = text and refusal("--stall-limits", text)
    if why:
        raise Refused(f"STALL_LIMITS={text!r}: {why}")


def operator_hosts(env, operator):
    names = [n for n in re.split("[, ]+", env.get("OPERATOR_HOSTS", "").lower()) if n]
    for name in names:
        try:
            ipaddress.ip_address(name)
        except ValueError:
            if refusal("--domain", name):
                raise Refused(f"OPERATOR_HOSTS: {name!r} is no host name or address: give the names "
                              "by which the API is reached, without port, as in lab.example.org") from None
    if names and not operator:
        raise Refused("OPERATOR_HOSTS is set but OPERATOR_LISTEN is not: give the address and port "
                      "where the API is to be served over TCP, or unset it")
    return ",".join(names)


def settings(env):
    """Parses everything; returns a dict of plain strings, safe to write into any template."""
    env = Settings(env)
    host_mode = bool(env.get("INTERFACE"))
    interface = env.get("INTERFACE") or env.get("LAB_BRIDGE") or "lab0"
    if not NAME.fullmatch(interface):
        which = "INTERFACE" if host_mode else "LAB_BRIDGE"
        raise Refused(f"{which}={interface!r} is no interface name: at most 15 letters, digits, "
                      "'.', '_' and '-'")
    if host_mode and not env.get("PROVISIONER_IP"):
        raise Refused("INTERFACE is set but PROVISIONER_IP is not: give the address of "
                      f"{interface} that machines are to reach the stack at")
    if env.get("PROVISIONER_IP") and not host_mode:
        raise Refused("PROVISIONER_IP is set but no interface has it: give the interface that "
                      "carries it as INTERFACE, or unset both to have a bridge made")
    lab = cidr(env, "LAB_CIDR", "192.168.100.1/24", 4)
    for net in networks(env, "UPLINK_NETS"):
        if net.version == 4 and net.overlaps(lab.network):
            raise Refused(f"LAB_CIDR={lab} overlaps {net}, the engine's network that this container is in: "
                          "give another, such as 192.168.100.1/24")

    default6 = "" if host_mode else "fd56:6d6c:6162::1/64"
    text6 = env.get("LAB_CIDR6", default6)
    lab6 = cidr(env, "LAB_CIDR6", default6, 6) if text6 not in ("", "off") else None

    domain = env.get("LAB_DOMAIN", "").lower().rstrip(".") or "pvmlab.local"
    if domain != "pvmlab.local" and refusal("--domain", domain):
        raise Refused(f"LAB_DOMAIN={env.get('LAB_DOMAIN')!r} is no domain name: give one such as "
                      "pvmlab.local, whose last part is not of digits alone")
    mtu = env.get("LAB_MTU", "") or "0"
    if not re.fullmatch("[0-9]{1,5}", mtu) or (mtu != "0"
                                               and not MTU_MIN <= int(mtu) <= MTU_MAX):
        raise Refused(f"LAB_MTU={mtu!r} is no MTU: give a number from {MTU_MIN} to {MTU_MAX}")
    operator = listen(env, "OPERATOR_LISTEN", "127.0.0.1:8080") if env.get("OPERATOR_LISTEN") else None
    if operator and (operator[1] in (53, 67, 69, 80) or (host_mode and operator[0] == lab.ip)):
        raise Refused(f"OPERATOR_LISTEN={operator[0]}:{operator[1]} is where guests are served: "
                      "give another port, at an address that guests cannot reach")
    hosts = operator_hosts(env, operator)
    stall_limits(env)

    mode = dhcp_mode(env, host_mode)
    span = dhcp_range(env, lab, host_mode)
    base = lab6.network.network_address if lab6 else None
    closed4, closed6 = lab_reach(env)
    gateways = networks(env, "UPLINK_GATEWAYS")
    span6 = dhcp_range6(env, lab6) if lab6 else None
    return {
        "MODE": "host" if host_mode else "bridge",
        "LAB_IF": interface,
        "LAB_IP": str(lab.ip),
        "LAB_PREFIX": str(lab.network.prefixlen),
        "LAB_NET": str(lab.network),
        "LAB_CIDR": str(lab),
        "LAB_MAC": bridge_mac(lab).hex(":"),
        "OWN6": elements([own6(lab), *([lab6.ip] if lab6 else [])], "::"),
        "NEAR6": elements([lab6.network] if lab6 else [], "::") + ", fe80::/10, ff00::/8",
        "LAB_NETMASK": str(lab.netmask),
        "RANGE": f"{span[0]},{span[1]}" if span else f"{lab.network.network_address},static",
        "LEASES_MAX": str(min(lab.network.num_addresses, LEASES_MAX) + (LEASES_MAX if lab6 else 0)),
        "LAB_IP6": str(lab6.ip) if lab6 else "",
        "LAB_NET6": str(lab6.network) if lab6 else "",
        "LAB_NET6_FIRST": str(base) if lab6 else "",
        "RANGE6": f"{span6[0]},{span6[1]}" if lab6 else "",
        "VMS_DIR": env.get("VMS_DIR") or "/vms",
        "IMAGES_ROOT": os.path.dirname(env.get("IMAGES_DIR") or "/srv/images"),
        "MADE_ROOT": MADE_ROOT,
        "BACKUP_ROOT": BACKUP_ROOT,
        "ADOPT_UID": str(ADOPT_UID),
        "ROUTER": router(env, lab, host_mode),
        "LAB_DOMAIN": domain,
        "LAB_MTU": mtu,
        "OPEN_RANGE": "open" if span else "",
        "OPEN_RANGE6": "open" if span or env.get("DHCP_RANGE_V6_START") else "",
        "GUEST_ACCESS": guest_access(env, mode),
        "STRANGERS": strangers(env),
        "DHCP_MODE": mode,
        "LAB_NET_FIRST": str(lab.network.network_address),
        "CLOSED4": elements(closed4, "0.0.0.0"),
        "CLOSED6": elements(closed6, "::"),
        "GATEWAYS": elements(gateways, "127.0.0.1"),
        "TFTP_MAX": str(TFTP_MAX),
        "TFTP_PORTS": "%d-%d" % TFTP_PORTS,
        "TFTP_FIRST": str(TFTP_PORTS[0]),
        "TFTP_LAST": str(TFTP_PORTS[1]),
        "OPERATOR_HOST": str(operator[0]) if operator else "",
        "OPERATOR_PORT": str(operator[1] if operator else 8080),
        "OPERATOR_HOSTS": hosts,
        "OPERATOR_TLS_ARGS": operator_tls(env, operator),
    }


def bridge_mac(lab):
    return b"\x02\x56" + lab.ip.packed


def own6(lab):
    """The link-local address that a bridge with this MAC address makes itself (RFC 4291, appendix A)."""
    mac = bridge_mac(lab)
    return ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:])


def arches():
    """What the templates say of architectures, from the rows of arches.table."""
    with open(os.path.join(TEMPLATES, "arches.table"), encoding="ascii") as f:
        rows = [line.split() for line in f if line.strip() and not line.startswith("#")]
    both = {spelling: row for row in rows for spelling in row[:2]}
    return {
        "ARCH_NAMES": "|".join(both),
        "ARCH_OURS": " ".join(f"{spelling} {row[0]};" for spelling, row in both.items()),
        "ARCH_PVMLABS": " ".join(f"{spelling} {row[1]};" for spelling, row in both.items()),
    }


def loaders(ip, proxy):
    """dnsmasq's lines of loaders.table: who asks, and what that one is given."""
    with open(os.path.join(TEMPLATES, "loaders.table"), encoding="ascii") as f:
        rows = [line.split() for line in f if line.strip() and not line.startswith("#")]
    clients = {row[1]: (row[2].split(","), row[3]) for row in rows if row[0] == "client"}
    rows = [row[1:] for row in rows if row[0] == "loader"]
    lines = []
    for at, (word, client, file, _) in enumerate(rows):
        codes, how = clients[client]
        others = [row[0] for row in rows if row[1] == client and row[0] != word]
        default = at == [row[1] for row in rows].index(client)
        tags = [f"tag:!loader-{other}" for other in [*others, "own"]] if default else [f"tag:loader-{word}"]
        tags = "".join(tag + "," for tag in ["tag:!nonetboot", f"tag:{client}", *tags,
            *(["tag:!rpi"] if client == "bios" else []), *([] if word in OVER_IPXE else ["tag:!ipxe"])])
        lines.append(f"dhcp-boot={tags}" + (f"http://{ip}/loaders/{file}" if how == "http" else file)
                     + (f",,{ip}" if proxy else ""))
        if proxy:
            lines += [f"pxe-service={tags}{PXE_SYSTEMS[code]},vmlab,{file},{ip}" for code in codes
                      if code in PXE_SYSTEMS]
    return {
        "CLIENTS": "\n".join(f"dhcp-match=set:{name},option:client-arch,{code}"
                             for name, (codes, _) in clients.items() for code in codes),
        "LOADERS": "\n".join(lines),
    }


def expand(template, values, flags):
    """Replaces @NAME@; a line '?flag text' stays (as text) only when the flag is set, '?!flag
    text' only when it is not."""
    out = []
    for line in template.splitlines():
        m = re.match(r"\?(!?)(\w+) (.*)", line)
        if m:
            if (m[2] in flags) == bool(m[1]):
                continue
            line = m[3]
        out.append(re.sub(r"@([A-Z0-9_]+)@", lambda v: values[v[1]], line))
    return "\n".join(out) + "\n"


def render(directory, values, flags):
    for name in "dnsmasq.conf", "dns.conf", "tftp.conf", "nginx.conf", "supervisord.conf", "nftables.conf", "ports.nft":
        with open(os.path.join(TEMPLATES, name), encoding="ascii") as f:
            text = expand(f.read(), values, flags)
        with open(os.path.join(directory, name), "w", encoding="ascii") as f:
            f.write(text)
    health = {
        "address": values["LAB_IP"],
        "domain": values["LAB_DOMAIN"],
        "operator": OPERATOR_SOCKET,
    }
    with open(os.path.join(directory, "health.json"), "w", encoding="ascii") as f:
        json.dump(health, f)


def operator_tls(env, operator):
    word = env.get("OPERATOR_TLS", "")
    if word not in ("", "on", "off"):
        raise Refused(f"OPERATOR_TLS={word!r} is neither 'on' nor 'off'")
    given = [name for name in ("OPERATOR_CERTIFICATE", "OPERATOR_KEY") if env.get(name)]
    if len(given) == 1:
        raise Refused(f"{given[0]} is set alone: OPERATOR_CERTIFICATE and OPERATOR_KEY go together")
    if (word or given) and not operator:
        raise Refused("OPERATOR_TLS is set but OPERATOR_LISTEN is not: give the address and port where the API is to "
                      "be served over TCP, or unset it")
    return (f" --operator-tls {word}" if word else "") + (
        f" --operator-certificate {CERTIFICATE} --operator-key {CERTIFICATE_KEY}" if given else "")


def operator_tcp(values):
    if not values["OPERATOR_HOST"]:
        return ""
    hosts = " --operator-hosts " + values["OPERATOR_HOSTS"] if values["OPERATOR_HOSTS"] else ""
    return (f"--operator-tcp {values['OPERATOR_HOST']}:{values['OPERATOR_PORT']} "
            f"--operator-token-file {TOKEN}{hosts}{values['OPERATOR_TLS_ARGS']}")


def main(argv):
    if argv[1:] == ["help"]:
        print(help_text(), end="")
        return 0
    try:
        values = settings(os.environ)
    except Refused as e:
        print(e, file=sys.stderr)
        return 1
    if argv[1:] == ["check"]:
        for name, value in values.items():
            print(f"{name}='{value}'")
        return 0
    if len(argv) >= 3 and argv[1] == "render":
        flags = set(argv[3:]) | {values["MODE"]}
        flags.add(values["DHCP_MODE"])
        if values["OPEN_RANGE"]:
            flags.add("open")
        if "ipv6" in flags:
            flags.add("ipv6open" if values["OPEN_RANGE6"] or "bridge" in flags else "ipv6static")
        if values["LAB_MTU"] not in ("0", "1500"):
            flags.add("mtu")
        values["LAB6"] = f" --lab6 {values['LAB_IP6']}/64" if "ipv6" in flags else ""
        if values["ROUTER"]:
            flags.add("router")
        values["NOTICES"] = "--notices " + NOTICES if "notices" in flags else ""
        values["AUTHORIZED_KEYS"] = "--authorized-keys " + KEYS if "keys" in flags else ""
        values["OPERATOR_SOCKET"] = OPERATOR_SOCKET
        values["OPERATOR_TCP"] = operator_tcp(values)
        values.update(arches())
        values.update(loaders(values["LAB_IP"], values["DHCP_MODE"] == "proxy"))
        render(argv[2], values, flags)
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv))
