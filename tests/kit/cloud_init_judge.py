"""cloud_init_judge.py - run inside a release's root, by its own Python: what its cloud-init finds wrong
with documents of ours. stdin: [{"name", "mac", "fqdn", "own", "definition", and each document by its
name}]; stdout: {"problems": ["name: what"], "logins": {name: {user: keys}}, "networks": count}.
"""
import copy
import json
import logging
import os
import subprocess
import sys
import tempfile
from unittest import mock

from cloudinit import helpers, util
from cloudinit.config import cc_ssh, cc_users_groups, schema
from cloudinit.distros.debian import Distro
from cloudinit.net import netplan, network_state, networkd
from cloudinit.sources import DataSource
from cloudinit.user_data import UserDataProcessor

logging.disable(logging.CRITICAL)
problems = []
logins = {}
SYSTEM = util.load_yaml(open("/etc/cloud/cloud.cfg").read())["system_info"]
PATHS = helpers.Paths({"cloud_dir": "/tmp/cloud", "run_dir": "/tmp/run"})
DISTRO = Distro("debian", SYSTEM, PATHS)
try:
    SCHEMA = schema.get_schema()
    NETWORK_SCHEMA = {1: schema.get_schema(schema.SchemaType.NETWORK_CONFIG_V1),
        2: schema.get_schema(schema.SchemaType.NETWORK_CONFIG_V2)}
except AttributeError: # 22.4 has none for networks
    SCHEMA, NETWORK_SCHEMA = schema.get_schema(), {}


def parts(text):
    message = UserDataProcessor(PATHS).process(text)
    return [(p.get_content_type(), util.fully_decoded_payload(p)) for p in message.walk() if not p.is_multipart()]


def valid(config):
    schema.validate_cloudconfig_schema(config, schema=SCHEMA, strict=True)


def created(config):
    """What users-groups asks the distribution to create: name -> its arguments."""
    made = {}
    cloud = mock.Mock()
    cloud.distro = DISTRO
    cloud.get_public_ssh_keys.return_value = []
    with mock.patch.object(DISTRO, "create_user", lambda name, **kw: made.update({name: kw})), \
            mock.patch.object(DISTRO, "create_group", lambda *a: None):
        arguments = ["users-groups", copy.deepcopy(config), cloud]
        if cc_users_groups.handle.__code__.co_argcount == 5:
            arguments.append(logging.getLogger())
        cc_users_groups.handle(*arguments, [])
    return made


def material(key):
    return next((word for word in key.split() if word.startswith("AAAA")), key)


def let_in(config, meta, keys):
    """What the module ssh adds to each user's keys, and takes away: with options in front, a key lets nobody in."""
    cloud = mock.Mock()
    cloud.distro = DISTRO
    cloud.get_public_ssh_keys.return_value = list(meta.get("public-keys", []))

    def set_up(more, user, options=None):
        have = [k for k in keys.get(user, []) if material(k) not in {material(k) for k in more}]
        keys[user] = have + ([] if options else sorted(more))

    config = dict(copy.deepcopy(config), ssh_deletekeys=False, ssh_genkeytypes=[], ssh_publish_hostkeys={"enabled": False})
    log = [logging.getLogger()] if cc_ssh.handle.__code__.co_argcount == 5 else []
    with mock.patch.object(cc_ssh.ssh_util, "setup_user_keys", set_up), \
            mock.patch.object(cc_ssh.util, "logexc", side_effect=AssertionError):
        cc_ssh.handle("ssh", config, cloud, *log, [])
    return keys


def names(config, meta):
    """The full name by the data source, and by the user's document."""
    ds = mock.Mock()
    ds.metadata = meta
    ds.get_hostname = lambda *args, **kw: DataSource.get_hostname(ds, *args, **kw)
    return ds.get_hostname(fqdn=True).hostname, util.get_hostname_fqdn(config, ds).fqdn


def says_what_was_said(config, definition):
    """What was written arrives as it was, however it looks."""
    contents = [[f["path"], f.get("content") or ""] for f in definition.get("write_files", [])]
    pairs = [(contents, [[f["path"], f["content"]] for f in config.get("write_files", [])])]
    for key in ("packages", "runcmd"):
        pairs.append((definition.get(key, []), config.get(key, [])))
    for wanted, got in pairs:
        if wanted != got:
            raise ValueError(f"it says {got!r} for {wanted!r}")


def judge_user_data(name, given):
    found = parts(given["user-data"])
    if [kind for kind, _ in found] != ["text/cloud-config"]:
        raise ValueError(f"it is {[kind for kind, _ in found]}")
    config = util.load_yaml(found[0][1])
    valid(config)
    says_what_was_said(config, given["definition"])
    made = created(config)
    keys = {user: list(kw.get("ssh_authorized_keys") or []) for user, kw in made.items()}
    logins[name] = let_in(config, util.load_yaml(given["meta-data"]), keys)
    for file in config.get("write_files", []):
        owner = file.get("owner", "root:root").partition(":")[0]
        if owner not in ("root", "0") and not file.get("defer") and "defer" not in file:
            raise ValueError(f"{file['path']} of {owner} is written before {owner} exists")


def judge_vendor_data(given):
    found = parts(given["vendor-data"])
    if [kind for kind, _ in found] != ["text/cloud-config", "text/x-shellscript"]:
        raise ValueError(f"it is {[kind for kind, _ in found]}")
    valid(util.load_yaml(found[0][1]))
    compile(found[1][1], "vmlab-ready", "exec")


def render(config, renderer, root):
    state = network_state.parse_net_config_data(copy.deepcopy(config), renderer=renderer)
    renderer.render_network_state(state, target=root)


def by_netplan(config, root):
    """cloud-init's document, and then netplan's own opinion of it."""
    for folder in ("/etc/netplan", "/run/systemd/system/systemd-networkd.service.wants"):
        os.makedirs(root + folder)
    netplan.netplan_api_write_yaml_file = lambda content: False # that one knows no other root
    render(config, netplan.Renderer({"netplan_path": "etc/netplan/50-cloud-init.yaml", "postcmds": False}), root)
    os.chmod(root + "/etc/netplan/50-cloud-init.yaml", 0o600)
    generator = "/usr/libexec/netplan/generate" if os.path.exists("/usr/libexec/netplan/generate") else "/lib/netplan/generate"
    done = subprocess.run([generator, "--root-dir", root], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise ValueError("netplan: " + done.stdout.strip())


def by_networkd(config, root):
    os.makedirs(root + "/etc/systemd/network")
    with mock.patch("cloudinit.util.chownbyname"):
        render(config, networkd.Renderer({}), root)


seen_networks = {}


def judge_network(given):
    config = util.load_yaml(given["network-config"])
    key = json.dumps(config, sort_keys=True).replace(given["mac"], "MAC")
    if key in seen_networks:
        return
    seen_networks[key] = True
    if NETWORK_SCHEMA:
        inner = config.get("network", config)
        with mock.patch("cloudinit.net.netplan.available", lambda: False):
            schema.validate_cloudconfig_schema({"network": inner} if inner["version"] == 2 else inner,
                schema=NETWORK_SCHEMA[inner["version"]], strict=True)
    inner = config.get("network", config)
    with tempfile.TemporaryDirectory() as root:
        by_netplan(inner, root)
        if "lab" in inner.get("ethernets", {}): # ours has to work in an image without netplan, too
            by_networkd(inner, root)


def main():
    for given in json.load(sys.stdin):
        for what in ("user-data", "vendor-data", "meta-data", "network-config"):
            try:
                if what == "user-data" and not given["own"]:
                    judge_user_data(given["name"], given)
                elif what == "vendor-data":
                    judge_vendor_data(given)
                elif what == "meta-data":
                    meta = util.load_yaml(given["meta-data"])
                    for full in names({} if given["own"] else util.load_yaml(given["user-data"]), meta):
                        if full != given["fqdn"]:
                            raise ValueError(f"the full name is {full}, not {given['fqdn']}")
                elif what == "network-config":
                    judge_network(given)
            except Exception as e: # pylint: disable=broad-except
                problems.append(f"{given['name']}: {what}: {type(e).__name__}: {e}")
    print(json.dumps({"problems": problems, "logins": logins, "networks": len(seen_networks)}))


main()
