"""What the operator asks for while the state file cannot be written, on a full disk: refused, and nothing of it is there, then
or when there is room again."""
from kit import http_client
from kit.check import check, check_equal, eventually
from kit.lab import SERVER, Lab
from kit.scope import Scope, needs

scope = Scope("fullstate")
FILL = "/state/fill"


class SmallLab(Lab):
    """Its state is on a small file system of its own."""

    def stack_args(self, name, env=()):
        args = super().stack_args(name, env)
        at = args.index(f"{self.state_volume}:/state")
        args[at - 1:at + 1] = "--tmpfs", "/state:size=4m"
        args[args.index("/run")] = "/run:size=3m"
        return args


lab = SmallLab(scope, "fullstate", access="own")


def ask(path, **kwargs):
    with scope.known.inside():
        return http_client.request(SERVER, path, **kwargs)


def poll():
    return ask(f"/api/device-action-poll?mac={scope.known.mac}", timeout=70)


def call(path, method="POST", body=None):
    return lab.operator(f"/api/v1/{path}", method=method, body=body)


def orders():
    return [(o["id"], o["state"]) for o in call("machines/web1/orders", "GET").json["orders"]]


def events():
    return [(e["id"], e["kind"], e["text"]) for e in call("events?limit=1000", "GET").json["events"] if e["kind"] in ("order", "action")]


def hooks():
    return [h["name"] for h in call("webhooks", "GET").json["webhooks"]]


def facts():
    vm = lab.vm("web1")
    return orders(), vm["netboot"], vm["expected"], vm["recorded"], hooks()


def test_what_is_refused_is_not_there():
    lab.make_image()
    lab.start()
    scope.known = lab.client("known", cidr="192.168.100.20/24")
    lab.define("web1", mac=scope.known.mac, ip="192.168.100.20")
    lab.wait_vm("web1")
    check_equal(call("webhooks", body={"name": "bell", "url": "http://192.168.100.2/", "filter": "kind=order"}).status, 200, "a webhook: status")
    runs, failed = (call("machines/web1/orders", body={"action": "run", "args": {"script": "true"}}).json["id"] for _ in range(2))
    check_equal(call(f"machines/web1/orders/{failed}", "DELETE").status, 200, "taken back: status")
    check_equal(poll().json["id"], runs, "it is handed out")
    before = facts()
    lab.exec("sh", "-c", f"dd if=/dev/zero of={FILL} bs=4k; :")
    eventually(lambda: lab.operator("/readyz").status == 503, 10, "the state cannot be written")
    one = {"action": "inventory"}
    for path, method, body in (("machines/web1/orders", "POST", one), ("machines/web1/orders", "POST", [one, one]),
            (f"machines/web1/orders/{runs}", "DELETE", None), (f"machines/web1/orders/{failed}/resume", "POST", None),
            ("vms/web1/netboot/off", "POST", None), ("vms/web1/local", "POST", None), ("vms/web1/reinstall", "POST", None),
            ("webhooks/bell", "DELETE", None), ("webhooks", "POST", {"name": "more", "url": "http://192.168.100.2/"})):
        for _ in range(2):
            answer = call(path, method, body)
            check_equal(answer.status, 503, f"{method} {path}: {answer}; status")
        check_equal(facts(), before, f"after {method} {path}")
    check_equal(ask("/api/action-progress", method="POST", body={"mac": scope.known.mac, "id": runs, "phase": "x"}).status in (204, 503), True,
        "what goes on is not over")
    scope.before = before


@needs(test_what_is_refused_is_not_there)
def test_nor_is_it_there_when_there_is_room_again():
    lab.exec("rm", FILL)
    eventually(lambda: lab.operator("/readyz").status == 200, 10, "the state can be written")
    check_equal(facts(), scope.before, "after it")
    number = scope.before[0][-1][0]
    check_equal(ask("/api/action-done", method="POST", body={"mac": scope.known.mac, "id": number, "result": "ok"}).status, 204, "its end: status")
    check_equal(poll().status, 204, "nothing else is handed out: status")
    told = [text for _, kind, text in events()]
    check_equal([t for t in told if "inventory" in t or t in ("resumed", "reinstall", "local", "netboot off")], [], f"what is told; all: {told}")
    check_equal(call("machines/web1/orders", body={"action": "inventory"}).status, 200, "taken again: status")
    check_equal(poll().json["action"], "inventory", "the next")


@needs(test_nor_is_it_there_when_there_is_room_again)
def test_machines_are_served_with_a_full_run():
    lab.exec("sh", "-c", "dd if=/dev/zero of=/run/fill bs=1k; dd if=/dev/zero of=/run/fill2 bs=1; :")
    check_equal(ask(f"/ipxe?mac={scope.known.mac}").status, 200, "/ipxe: status")
    check_equal(ask(f"/report/{scope.known.mac}", method="POST", body={"phase": "rootfs", "status": "running", "log": "x" * 40000}).status, 204,
        "a report: status")
    check_equal(lab.offer(scope.known, scope.known.mac).yiaddr, "192.168.100.20", "the offer")
    answer = ask(f"/inventory/{scope.known.mac}", method="POST", body={"text": "x" * 500000})
    check(answer.status == 500 and "/run has no room" in answer.text and "<" not in answer.text, f"what does not fit: {answer}")
    lab.exec("rm", "/run/fill", "/run/fill2")
    check_equal(ask(f"/inventory/{scope.known.mac}", method="POST", body={"text": "x" * 500000}).status != 500, True, "there is room again")
