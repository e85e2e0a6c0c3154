"""Who reaches the operator's API: the owner of the lab's folder through a unix socket,
and over TCP, only where that was asked for, who has the token.

Needs the image pxeboot_stack:latest and setpriv(1). Run as root.
"""
import hashlib
import os
import resource
import socket
import ssl
import stat
import subprocess
import sys

from kit import http_client
from kit.check import check, check_equal, eventually, fail
from kit.command import docker
from kit.lab import DAEMONS, OPERATOR_PORT, SERVER, STACK_IMAGE, Lab
from kit.scope import Scope, needs

scope = Scope("operator")
local = Lab(scope, "local")
OWNER, OTHER = 4711, 4712
state = {}


def listeners(lab):
    """(address, port) of every listening TCP socket in the lab's namespace."""
    lines = lab.exec("ss", "-Hltn").stdout.splitlines()
    return {tuple(line.split()[3].rsplit(":", 1)) for line in lines}


def as_user(uid, path, method="GET", target="/healthz"):
    """What curl as this user gets from a socket: its exit status and the HTTP status."""
    done = subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", sys.executable, "-c",
        "import os, socket, sys\n"
        "os.chdir(os.path.dirname(sys.argv[1]))\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        "s.connect(os.path.basename(sys.argv[1]))\n"
        "s.sendall(f'{sys.argv[2]} {sys.argv[3]} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n'.encode())\n"
        "print(s.recv(100).split()[1].decode())\n", path, method, target], text=True, capture_output=True)
    return done.returncode, done.stdout.strip() or done.stderr.strip().splitlines()[-1]


# ---- the socket ----------------------------------------------------------------------------------

def test_without_settings_the_stack_starts_and_serves_the_api_through_its_socket():
    os.chown(local.api_dir, OWNER, OWNER)
    # Everybody may come as far as the folder: what is refused below, the socket itself refuses.
    for path in (local.dir, local.api_dir):
        os.chmod(path, 0o755)
    local.make_image()
    local.define("alpha", mac="52:54:00:7e:58:01", ip="192.168.100.10")
    local.start()
    check_equal(local.operator("/api/v1/vms/alpha").status, 200, "the VM: status")


UP = test_without_settings_the_stack_starts_and_serves_the_api_through_its_socket


@needs(UP)
def test_there_is_no_tcp_port_for_the_operator_inside_or_published():
    found = listeners(local)
    check({port for _, port in found} <= {"53", "80"}, f"listening: {sorted(found)}")
    published = docker("inspect", "-f", "{{.HostConfig.PortBindings}}{{.HostConfig.PublishAllPorts}}",
        local.net).stdout.strip()
    check_equal(published, "map[]false", "published ports")


@needs(UP)
def test_the_socket_is_its_folders_owners_mode_0600_the_daemon_that_serves_it_is_another_users():
    st = os.stat(local.socket)
    check_equal((stat.S_ISSOCK(st.st_mode), stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid),
        (True, 0o600, OWNER, OWNER), "socket, mode, owner, group")
    with open(f"/proc/{local.pids()['boot_handler'][0]}/status") as f:
        uids = [line.split()[1:] for line in f if line.startswith("Uid:")][0]
    check("0" not in uids and str(OWNER) not in uids, f"boot_handler runs as {uids}")


@needs(UP)
def test_the_kernel_refuses_other_users_the_owner_gets_an_answer():
    check_equal(as_user(OWNER, local.socket), (0, "200"), "the owner")
    code, said = as_user(OTHER, local.socket)
    check(code != 0 and "PermissionError" in said, f"another user: {code} {said}")
    code, said = as_user(65534, local.socket, "POST", "/api/v1/vms/alpha/reinstall")
    check(code != 0 and "PermissionError" in said, f"nobody: {code} {said}")


@needs(UP)
def test_a_killed_daemon_and_a_killed_container_leave_a_socket_that_the_next_one_replaces():
    before = local.pids()["boot_handler"]
    os.kill(before[0], 9)
    eventually(lambda: local.pids()["boot_handler"] not in ([], before)
        and local.operator("/readyz").status == 200, 10, "it answers again")
    docker("kill", local.stack)
    try:
        local.operator("/healthz")
        fail("the killed stack answers")
    except ConnectionRefusedError:
        pass
    docker("start", local.stack)
    local.wait_serving()
    check_equal(as_user(OWNER, local.socket), (0, "200"), "the owner")
    for name in DAEMONS:
        check(local.pids()[name], f"{name} does not run")


@needs(UP)
def test_a_token_without_a_port_and_other_settings_that_make_no_sense_are_refused():
    for env, words in ((["OPERATOR_LISTEN=8080"], "OPERATOR_LISTEN"),
            (["OPERATOR_LISTEN=0.0.0.0:80"], "where guests are served"),
            (["OPERATOR_HOSTS=lab.example"], "OPERATOR_LISTEN is not"),
            (["OPERATOR_LISTEN=0.0.0.0:8080", "OPERATOR_HOSTS=lab example;x"], "no host name"),
            (["OPERATOR_LISTEN=0.0.0.0:8080", "OPERATOR_CERTIFICATE=/x"], "go together"),
            (["OPERATOR_LISTEN=0.0.0.0:8080", "OPERATOR_TOKEN=short"], "16 to 256"),
            (["OPERATOR_LISTEN=0.0.0.0:8080", "OPERATOR_TOKEN=0123456789 abcdef0"], "16 to 256"),
            (["OPERATOR_LISTEN=0.0.0.0:8080", "OPERATOR_TOKEN=0123456789abcdef0", "OPERATOR_TOKEN_FILE=/x"], "both"),
            (["OPERATOR_LISTEN=0.0.0.0:8080", "OPERATOR_TOKEN_FILE=/nosuch"], "No such file")):
        docker("rm", "-f", local.stack, check_rc=False)
        docker("run", "-d", *local.stack_args(local.stack, env), STACK_IMAGE)
        eventually(lambda: not local.running(), 15, f"{env}: the container ends by itself")
        done = docker("logs", local.stack)
        last = (done.stdout + done.stderr).strip().splitlines()[-1]
        check(words in last and len(last) < 400, f"{env}: {last!r}")
    docker("rm", "-f", local.stack)


# ---- TCP -----------------------------------------------------------------------------------------

def tcp(path="/api/v1/vms", method="GET", token=True, host=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        headers["Authorization"] = "Bearer " + (state["token"] if token is True else token)
    if host:
        headers["Host"] = host
    with local.inside():
        return http_client.request("127.0.0.1", path, method=method, port=OPERATOR_PORT, headers=headers,
            body=b"" if method == "POST" else None, tls=state["tls"])


def shown_certificate():
    """Whose authority is itself: nothing else is trusted from now on. Its SHA-256."""
    with local.inside():
        pem = ssl.get_server_certificate(("127.0.0.1", OPERATOR_PORT), timeout=5)
    state["tls"] = ssl.create_default_context(cadata=pem)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    return ":".join(digest[i:i + 2] for i in range(0, 64, 2))


@needs(UP)
def test_operator_listen_serves_it_over_tcp_as_well_and_makes_a_token():
    docker("rm", "-f", local.stack, check_rc=False)
    local.start_stack(env=[f"OPERATOR_LISTEN=0.0.0.0:{OPERATOR_PORT}", "OPERATOR_HOSTS=lab.example"])
    local.wait_serving()
    path = os.path.join(local.api_dir, "token")
    st = os.stat(path)
    check_equal((stat.S_IMODE(st.st_mode), st.st_uid), (0o600, OWNER), "the token's mode and owner")
    with open(path) as f:
        state["token"] = f.read().strip()
    check(len(state["token"]) >= 32, f"the token is short: {len(state['token'])} characters")
    made = shown_certificate()
    for name in ("certificate", "key"):
        docker("cp", f"{local.stack}:/state/vmlab.db.{name}.pem", os.path.join(local.api_dir, name))
    link = local.api("/api/v1/logins", method="POST", body={"role": "read"})
    check_equal(link["certificate_sha256"], made, "the fingerprint that is told with a link")
    check("; Secure" in tcp(link["path"], token=False).headers["set-cookie"], "the cookie would be sent without TLS")
    try:
        with local.inside():
            answer = http_client.raw("127.0.0.1", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", port=OPERATOR_PORT)
        check(not answer.startswith(b"HTTP"), f"it answers without TLS: {answer}")
    except ConnectionResetError:
        pass
    check_equal(tcp().status, 200, "with the token: status")
    check_equal(local.operator("/healthz").status, 200, "the socket: status")
    check(("0.0.0.0", str(OPERATOR_PORT)) in listeners(local), f"listeners: {listeners(local)}")
    docker("restart", local.stack, timeout=60)
    local.wait_serving()
    check_equal(tcp().status, 200, "with the same token after a restart: status")
    check_equal(shown_certificate(), made, "the certificate after a restart")
    check(state["token"] not in docker("logs", local.stack).stdout, "the log shows the token")


TCP = test_operator_listen_serves_it_over_tcp_as_well_and_makes_a_token


@needs(TCP)
def test_the_token_none_or_a_wrong_one_gets_401_and_a_sentence_for_every_path_and_method():
    for token in (False, "x", state["token"][:-1], state["token"] + "0", state["token"][::-1]):
        for method, path in (("GET", "/api/v1/vms"), ("GET", "/healthz"), ("GET", "/nosuch"), ("DELETE", "/healthz"),
                ("POST", "/api/v1/vms/alpha/reinstall")):
            answer = tcp(path, method, token=token)
            check_equal(answer.status, 401, f"{method} {path} with {token!r}: status")
            check("token" in answer.json["error"] and answer.headers["www-authenticate"].startswith("Bearer"),
                f"{method} {path}: {answer} {answer.headers}")
    check_equal(tcp("/api/v1/vms/alpha/reinstall", "POST").status, 200, "the right one: status")
    asked = local.api("/api/v1/events?kind=action")["events"][-1]
    check_equal((asked["text"], asked["source"], asked["address"]), ("reinstall", "operator", "127.0.0.1"), "who asked, from where")


@needs(TCP)
def test_a_foreign_host_or_origin_gets_403_although_the_token_is_right_named_ones_do_not():
    for host, status in (("localhost", 200), ("localhost:7480", 200), ("127.0.0.1:8080", 200), ("[::1]:8080", 200),
            ("lab.example", 200), ("LAB.example:80", 200), ("evil.example", 403), ("evil.example:8080", 403),
            ("lab.example.evil.example", 403), ("127.0.0.1.nip.io", 403), (SERVER, 403), ("0.0.0.0", 403)):
        answer = tcp(host=host)
        check_equal(answer.status, status, f"Host {host}: {answer}")
        check(status == 200 or "error" in answer.json, f"Host {host}: {answer}")
    for origin, status in (("http://localhost:8080", 200), ("https://lab.example", 200), ("http://evil.example", 403),
            ("http://localhost:3000", 403), ("null", 403)):
        for method, path in (("GET", "/api/v1/vms"), ("POST", "/api/v1/vms/alpha/local")):
            answer = tcp(path, method, host="localhost:8080", Origin=origin)
            check_equal(answer.status, status, f"{method} of a page of {origin}: {answer}")


@needs(TCP)
def test_what_an_html_form_can_send_orders_nothing():
    tcp("/api/v1/vms/alpha/reinstall", "POST")
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"):
        for origin in ("http://evil.example", "null", None):
            headers = {"Content_Type": kind, **({"Origin": origin} if origin else {})}
            answer = tcp("/api/v1/vms/alpha/local", "POST", token=False, **headers)
            check(answer.status in (401, 403), f"{kind} from {origin}: {answer}")
    check(not local.vm("alpha")["local"], "a form has sent the machine to its disk")


def is_refused(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
    except BlockingIOError:
        return False


@needs(TCP)
def test_who_opens_all_the_connections_that_one_may_keeps_no_other_out():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held = []
    try:
        with local.inside():
            while len(held) < 4200 and (len(held) % 100 or not held or not is_refused(held[-50])):
                held.append(socket.create_connection(("127.0.0.1", OPERATOR_PORT), timeout=5, source_address=("127.0.0.2", 0)))
        check_equal(tcp().status, 200, "from another address: status")
    finally:
        for connection in held:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@needs(TCP)
def test_no_machine_of_the_lab_reaches_the_port_the_engines_network_does():
    client = local.client("client", cidr="192.168.100.99/24")
    address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", local.net).stdout.strip()
    check(address, "the lab has no address outside")
    anyone = ssl._create_unverified_context()
    check_equal(http_client.request(address, "/healthz", port=OPERATOR_PORT, timeout=5, tls=anyone).status, 403,
        "/healthz from outside by a name that is not allowed: status")
    client.run(["ip", "route", "replace", "default", "via", SERVER])
    for target in (SERVER, address):
        with client.inside():
            try:
                answer = http_client.request(target, "/healthz", port=OPERATOR_PORT, timeout=2, tls=anyone)
            except OSError:
                continue
        fail(f"a lab machine reaches {target}:{OPERATOR_PORT}: {answer}")


@needs(TCP)
def test_the_token_can_be_given_as_a_variable_or_as_a_file_and_no_daemons_environment_has_it():
    given = "given-0123456789abcdef"
    state["tls"] = None # on loopback there is none
    path = os.path.join(local.dir, "my-token")
    with open(path, "w") as f:
        f.write("from-a-file-0123456789\n")
    os.chmod(path, 0o600)
    for env, token, extra in ((f"OPERATOR_TOKEN={given}", given, []),
            ("OPERATOR_TOKEN_FILE=/secret", "from-a-file-0123456789", ["-v", f"{path}:/secret:ro"])):
        docker("rm", "-f", local.stack, check_rc=False)
        args = local.stack_args(local.stack, ["OPERATOR_LISTEN=127.0.0.1:8080", env])
        docker("run", "-d", *extra, *args, STACK_IMAGE)
        local.wait_serving()
        check_equal(tcp(token=token).status, 200, f"{env}: status")
        check_equal(tcp().status, 401, f"{env}: status with the former token")
        for name, pids in local.pids().items():
            for pid in pids:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    check(token.encode() not in f.read(), f"{name}'s environment has the token")
        local.exec("/usr/lib/vmlab/healthcheck.py")


@needs(TCP)
def test_a_certificate_of_the_users_is_shown_and_tls_can_be_left_to_a_proxy():
    docker("rm", "-f", local.stack, check_rc=False)
    local.start_stack(env=[f"OPERATOR_LISTEN=0.0.0.0:{OPERATOR_PORT}", "OPERATOR_CERTIFICATE=/run/operator/certificate",
        "OPERATOR_KEY=/run/operator/key"])
    local.wait_serving()
    check("certificate is given sha256=" + shown_certificate() in docker("logs", local.stack).stdout, "the log tells another")
    docker("rm", "-f", local.stack)
    local.start_stack(env=[f"OPERATOR_LISTEN=0.0.0.0:{OPERATOR_PORT}", "OPERATOR_TLS=off"])
    local.wait_serving()
    state["tls"] = None
    check_equal(tcp(token=False).status, 401, "without TLS, as was asked for: status")
