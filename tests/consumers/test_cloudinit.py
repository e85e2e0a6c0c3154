"""What we emit for cloud-init, judged by cloud-init itself: its schema and its code, of Debian 12's and
Debian 13's versions, over some hundred generated definitions.
"""
import json
import os

import pytest

from kit import cloud_init, http_client
from kit.check import check, check_equal, eventually
from kit.lab import SERVER
from kit.made_definitions import MADE, NETWORKS, OPERATORS, full_name
from kit.scope import needs

DOCUMENTS = ("user-data", "vendor-data", "meta-data", "network-config")


def test_the_stack_starts_with_some_hundred_generated_definitions(lab):
    for name, fields in MADE.items():
        lab.define(name, **fields)
    eventually(lambda: len(lab.api("/api/v1/vms")["vms"]) == len(MADE), 20, "all of them are known")


def test_cloud_init_of_both_releases_can_be_run(releases):
    print(releases)
    check(len(set(releases)) == 2, f"versions: {releases}")


@needs(test_the_stack_starts_with_some_hundred_generated_definitions)
def test_every_definition_is_accepted_and_its_documents_are_served(lab):
    refused = [p for p in lab.problems() if not p["warning"]]
    check(not refused, f"{len(refused)} refused: {json.dumps(refused[:5], indent=1)}")
    served = []
    for name, fields in MADE.items():
        entry = {"name": name, "own": "user_data" in fields, "mac": fields["mac"], "fqdn": full_name(name),
            "definition": fields}
        with lab.inside():
            for document in DOCUMENTS:
                answer = http_client.request(SERVER, f"/cloud-init/{name}/{document}")
                check_equal(answer.status, 200, f"{name}/{document}: status")
                entry[document] = answer.text
        served.append(entry)
    with open(os.path.join(lab.scope.tempdir(), "served.json"), "w") as f:
        json.dump(served, f)


def judged(lab, release):
    with open(os.path.join(lab.scope.tempdir(), "served.json")) as f:
        served = json.load(f)
    with open(os.path.join(os.path.dirname(cloud_init.__file__), "cloud_init_judge.py")) as f:
        program = f.read()
    verdict = cloud_init.judge(release, program, served)
    check(verdict["networks"] >= len(NETWORKS), f"only {verdict['networks']} networks were looked at")
    problems = verdict["problems"]
    check(not problems, f"{len(problems)} of {len(served)}: " + "\n".join(problems[:12]))
    return verdict["logins"]


def lets_the_lab_in(name, user, keys):
    """The operator's key, at the user whom the API names or the guest's own default."""
    holders = [u for u, list_ in keys.items() if OPERATORS in {" ".join(k.split()[:2]) for k in list_}]
    capable = [u for u in MADE[name].get("users", ["lab"]) if isinstance(u, str) or not any(
        u.get(k) is True for k in ("system", "no_create_home", "ssh_redirect_user"))]
    wanted = capable[:1] + [u for u in capable if not isinstance(u, str) and u["name"] == "root" and (
        u.get("ssh_authorized_keys") or u.get("ssh_import_id"))]
    roots = "root" in [u if isinstance(u, str) else u["name"] for u in wanted]
    check_equal("root" in holders, roots, f"{name}: our key lets root in, of {MADE[name].get('users')}")
    if capable:
        check(holders and (user is None or user in holders), f"{name}: {user} has no key of ours: {holders} do")


@pytest.mark.parametrize("release", cloud_init.SUITES)
@needs(test_every_definition_is_accepted_and_its_documents_are_served)
def test_its_schema_and_code_find_nothing_wrong_and_the_keys_arrive(lab, releases, release):
    users = {vm["name"]: vm["user"] for vm in lab.api("/api/v1/vms")["vms"]}
    for name, keys in judged(lab, release).items():
        lets_the_lab_in(name, users[name], keys)
