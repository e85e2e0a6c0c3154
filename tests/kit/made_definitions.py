"""made_definitions.py - some hundred generated definitions, the same ones each time."""
import random

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3qNw6yT0aBQ0Qdl4f2mTm7aK1r5wD3sXj8oZ9pV7bT"
OPERATORS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0Vg4s1Xb0mT2aYQf8kq3mJrRr1hR0e1m9s8Xb2Jb0x"
COUNT = 520


def some(rng, *choices):
    return rng.choice(choices)


def a_user(rng, name):
    user = {"name": name}
    optional = {
        "gecos": ["Ann, Room 3", "Ännchen ☃", ""],
        "groups": ["adm", "adm,sudo", ["adm", "users"], [], ""],
        "primary_group": ["users"],
        "homedir": [f"/srv/{name}", f"/home/{name}/"],
        "shell": ["/bin/bash", "/bin/sh"],
        "sudo": ["ALL=(ALL) NOPASSWD:ALL", ["ALL=(ALL) NOPASSWD:/bin/ls", "ALL=(root) /bin/df"], [], False, None, ""],
        "uid": [1500 + rng.randrange(500), str(2000 + rng.randrange(500)), 0],
        "lock_passwd": [True, False],
        "passwd": ["$6$abc$def"],
        "hashed_passwd": ["$6$abc$def"],
        "plain_text_passwd": ["secret: #1 \"x\""],
        "no_user_group": [True, False],
        "no_log_init": [True],
        "create_groups": [False],
        "expiredate": ["2030-12-31"],
        "inactive": [5, "5"],
        "selinux_user": ["staff_u"],
        "ssh_import_id": [["gh:someone"], "lp:someone", []],
        "ssh_authorized_keys": [[], [KEY], [KEY + " a comment", 'no-pty ' + KEY]],
    }
    for key in rng.sample(sorted(optional), rng.randrange(7)):
        user[key] = rng.choice(optional[key])
    if rng.random() < 0.15:
        for key in ("ssh_import_id", "ssh_authorized_keys"):
            user.pop(key, None)
        user[some(rng, "system", "no_create_home", "ssh_redirect_user")] = True
    return user


def some_users(rng):
    users = [a_user(rng, name) for name in rng.sample(["ann", "bob", "eve", "x_y-1", "root", "default"], rng.randrange(4))]
    users = [u if rng.random() < 0.8 else u["name"] for u in users]
    if rng.random() < 0.4 and not any(u == "default" or u["name"] == "default" for u in users if not isinstance(u, str)):
        users.insert(rng.randrange(len(users) + 1), "default")
    return users


def a_file(rng):
    file = {"path": some(rng, "/etc/motd", "/srv/a b/ü", "/home/ann/.profile", "/etc/x.conf")}
    optional = {
        "content": ["", "a: b\n#cloud-config\n{{ x }} ${y} \\n", "MIME-Version: 1.0\nContent-Type: text/plain\n\nx", "äöü ☃\n\n"],
        "owner": ["root", "root:root", "ann:ann", "www-data", "postgres:adm", ""],
        "permissions": ["0644", "0o600", "600", ""],
        "append": [True, False],
        "defer": [True, False],
        "encoding": ["text/plain", ""],
    }
    for key in rng.sample(sorted(optional), rng.randrange(5)):
        file[key] = rng.choice(optional[key])
    if rng.random() < 0.1:
        file.update(content="aGVsbG8K", encoding=some(rng, "b64", "base64"))
    return file


NETWORKS = [
    {"version": 2, "ethernets": {"lan": {"match": {"name": "e*"}, "dhcp4": True}}},
    {"version": 2, "ethernets": {"lan": {"match": {"macaddress": "52:54:00:aa:bb:cc"}, "set-name": "lan0", "dhcp4": True,
        "dhcp6": True, "dhcp4-overrides": {"use-dns": False}, "dhcp6-overrides": {"use-dns": False}, "mtu": 1400}}},
    {"version": 2, "ethernets": {"lan": {"match": {"name": "e*"}, "addresses": ["10.9.0.2/24", "fd00:9::2/64"],
        "routes": [{"to": "default", "via": "10.9.0.1"}, {"to": "10.1.0.0/16", "via": "10.9.0.3", "metric": 50}],
        "nameservers": {"addresses": ["10.9.0.1"], "search": ["lan"]}}}},
    {"version": 2, "ethernets": {"lan": {"match": {"name": "e*"}}},
        "vlans": {"v7": {"id": 7, "link": "lan", "addresses": ["10.7.0.2/24"]}}},
    {"version": 2, "ethernets": {"a": {"match": {"name": "enp1*"}}, "b": {"match": {"name": "enp2*"}}},
        "bonds": {"bond0": {"interfaces": ["a", "b"], "dhcp4": True, "parameters": {"mode": "active-backup"}}}},
    {"version": 2, "ethernets": {"lan": {"match": {"name": "e*"}}},
        "bridges": {"br0": {"interfaces": ["lan"], "dhcp4": True, "parameters": {"stp": False}}}},
    {"network": {"version": 2, "ethernets": {"lan": {"match": {"name": "e*"}, "dhcp4": True}}}},
    {"version": 1, "config": [{"type": "physical", "name": "eth0", "subnets": [{"type": "dhcp4"}]},
        {"type": "nameserver", "address": ["10.9.0.1"], "search": ["lan"]}]},
    {"version": 1, "config": [{"type": "physical", "name": "eth0", "mac_address": "52:54:00:aa:bb:cc",
        "subnets": [{"type": "static", "address": "10.9.0.2/24", "gateway": "10.9.0.1"}]},
        {"type": "vlan", "name": "eth0.7", "vlan_link": "eth0", "vlan_id": 7, "subnets": [{"type": "static", "address": "10.7.0.2/24"}]}]},
]


def a_definition(rng):
    fields = {}
    if rng.random() < 0.6:
        fields["users"] = some_users(rng)
    if rng.random() < 0.5:
        fields["write_files"] = [a_file(rng) for _ in range(rng.randrange(5))]
    if rng.random() < 0.4:
        fields["packages"] = rng.sample(["jq", "vim", ["nginx", "1.22.1-9"], "libc6:amd64", "g++"], rng.randrange(4))
    if rng.random() < 0.4:
        fields["runcmd"] = rng.sample(["echo $HOME", ["printf", "%s\n", "a b"], "x: y # z", ["true"], ""], rng.randrange(4))
    if rng.random() < 0.5:
        fields["ssh_keys"] = rng.sample([KEY + " one", KEY, OPERATORS], rng.randrange(3))
    if rng.random() < 0.3:
        fields["hostname"] = some(rng, "short", "long.example.org", "a.b")
    if rng.random() < 0.3:
        fields["network_config"] = rng.choice(NETWORKS)
    if rng.random() < 0.3:
        fields["ipv6"] = f"fd56:6d6c:6162::{rng.randrange(0x1000, 0xffff):x}"
    if rng.random() < 0.1:
        fields["user_data"] = some(rng, {"timezone": "UTC"}, "#cloud-config\ntimezone: UTC\n", "#!/bin/sh\ntrue\n")
    return fields


def definitions():
    rng = random.Random(7)
    made = {"bare": {}, "typical": {"ssh_key": KEY, "packages": ["jq"]}, "rootonly": {"users": [{"name": "root"}]},
        "roottoo": {"users": ["ann", {"name": "root", "ssh_authorized_keys": [KEY]}]}, "rootlast": {"users": ["ann", "root"]}}
    for i, config in enumerate(NETWORKS):
        made[f"net{i}"] = {"network_config": config}
    while len(made) < COUNT:
        made[f"m{len(made)}"] = a_definition(rng)
    return {name: dict(fields, mac=f"52:54:00:c1:{i >> 8:02x}:{i & 255:02x}") for i, (name, fields) in enumerate(made.items())}


MADE = definitions()


def full_name(name):
    hostname = MADE[name].get("hostname", name)
    return hostname if "." in hostname else hostname + ".pvmlab.local"
