"""user_data and contents of the user's own: taken exactly where cloud-init would take them."""
import random

from kit import cloud_init
from kit.check import check, check_equal


TEXTS = [
    "#cloud-config\na: 1\n", "\n\n#cloud-config\na: 1\n", " \t#cloud-config\n", "#Cloud-Config\n", "#cloud-config-archive\n- x\n",
    "#cloud-config-jsonp\n[]\n", "#cloudconfig\na: 1\n", "# cloud-config\na: 1\n", "#cloud_config\n", "cloud-config\n", "a: 1\n",
    "#!/bin/sh\ntrue\n", "\n#!/bin/sh\ntrue\n", "# !/bin/sh\n", "#include http://x/y\n", "#include-once\nhttp://x/y\n",
    "#cloud-boothook\ntrue\n", "#part-handler\nx\n", "#upstart-job\nx\n", "## template: jinja\n#cloud-config\na: 1\n",
    "\n## template: jinja\n#cloud-config\n", "## template: jinja\n#!/bin/sh\n", "## template: jinja\nx\n", "## template: basic\n#cloud-config\n",
    "##template: jinja\n#cloud-config\n", "Content-Type: multipart/mixed; boundary=\"x\"\nMIME-Version: 1.0\n\n--x\nContent-Type: "
    "text/cloud-config\n\na: 1\n--x--\n", "MIME-Version: 1.0\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n",
    "Content-Type: text/cloud-config\n\na: 1\n", "From me\n\nhello\n", "{\"a\": 1}\n", "\x1c#cloud-config\n", "#",
]
# What cloud-init makes of a text: true when a handler of it takes it.
TAKES = r'''
import json, logging, os, sys
logging.disable(logging.CRITICAL)
from cloudinit import handlers, helpers, util
from cloudinit.handlers import jinja_template
from cloudinit.user_data import UserDataProcessor
paths = helpers.Paths({"cloud_dir": "/tmp/cloud", "run_dir": "/tmp/run"})
os.makedirs("/tmp/run", exist_ok=True)
open("/tmp/run/data.json", "w").write("{}")
known = {v for v in handlers.INCLUSION_TYPES_MAP.values() if not v.startswith("text/x-shellscript-per")}
after_jinja = {"text/cloud-config", "text/x-shellscript", "text/cloud-boothook", "text/cloud-config-jsonp"}
def one(text):
    if text.lower().lstrip().startswith(("#include", "#cloud-config-archive")):
        return handlers.type_from_starts_with(text) in known
    kinds = [(p.get_content_type(), util.fully_decoded_payload(p)) for p in UserDataProcessor(paths).process(text).walk() if not p.is_multipart()]
    for kind, payload in kinds:
        if kind == "text/jinja2":
            try:
                rendered = jinja_template.render_jinja_payload_from_file(payload, "x", "/tmp/run/data.json")
            except Exception:
                continue
            if handlers.type_from_starts_with(rendered or "") in after_jinja:
                return True
        elif kind in known:
            return True
    return False
print(json.dumps([one(t) for t in json.load(sys.stdin)]))
'''


def test_user_data_is_taken_exactly_where_cloud_init_would_take_it_and_handed_on_as_it_is(lab, releases):
    for i, text in enumerate(TEXTS):
        lab.define(f"own{i}", mac=f"52:54:00:c2:00:{i:02x}", user_data=text)
    lab.wait_vm(f"own0", 10)
    verdicts = {r: cloud_init.judge(r, TAKES, TEXTS) for r in cloud_init.SUITES}
    check_equal(verdicts["bookworm"], verdicts["trixie"], "the two releases")
    refused = {p["file"] for p in lab.problems() if not p["warning"]}
    for i, (text, takes) in enumerate(zip(TEXTS, verdicts["trixie"])):
        check_equal(f"own{i}.json" not in refused, takes, f"{text!r} is taken")
        if takes:
            lab.wait_vm(f"own{i}", 10)
            check_equal(lab.get(f"/cloud-init/own{i}/user-data", from_lab=True).text, text, "what is served")


CONTENTS = [(c, e) for e in ("b64", "gz+base64", "gz", "text/plain") for c in (
    "aGVsbG8K", "aGVsbG8=", "aGVs\nbG8K\n", "aGVsbA", "a", "hello world", "hällo", "hello, you", "", "====", "aGVsbA==aGVsbA==", "a=GVsbA",
    "H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==", "H4sIAAAAAAAAA8tIzcnJBwCGphA3BQAAAA==", "H4sIAAAAAAAAA8tIzcnJBw==",
    "H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAB+LCAAAAAAAAAPLSM3JyQcAhqYQNgUAAAA=", "H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAAAAAAA=")]
DECODES = """
import json, sys
from cloudinit.config import cc_write_files as w
def one(content, encoding):
    try:
        w.extract_contents(content, w.canonicalize_extraction(encoding, *[__import__("logging")] * (w.canonicalize_extraction.__code__.co_argcount - 1)))
        return True
    except Exception:
        return False
print(json.dumps([one(*row) for row in json.load(sys.stdin)]))
"""


def test_content_is_refused_exactly_where_cloud_init_fails_to_decode_it(lab, releases):
    for i, (content, encoding) in enumerate(CONTENTS):
        lab.define(f"file{i}", mac=f"52:54:00:c7:00:{i:02x}", write_files=[{"path": "/a", "content": content, "encoding": encoding}])
    lab.wait_vm("file0", 10)
    lab.wait_vm(f"file{len(CONTENTS) - 1}", 10)
    refused = {p["file"] for p in lab.problems() if not p["warning"]}
    for release in cloud_init.SUITES:
        for i, decodes in enumerate(cloud_init.judge(release, DECODES, CONTENTS)):
            check_equal(f"file{i}.json" not in refused, decodes, f"{release}: {CONTENTS[i]} is taken")
    for i in range(len(CONTENTS)):
        lab.undefine(f"file{i}.json")


DOCUMENTS_OF_USERS = [
    "a: 1\n", "- a\n- b\n", "foo: [", "hello\n", "[1, 2]\n", "{\"a\": 1}\n", "a: b: c\n", "a: 1\nb\n", "a:\n\t- b\n", "a: \"x\n",
    "a: @x\n", "a: 1\n- b\n", "# nothing\n", "a: it's\nb: [x, 'y']\n", "a: |\n  [ {\n  '\nb: 1\n", "a: text\n  'tis more\nb: {c: d,\n  e: f}\n",
]
SEEDS = DOCUMENTS_OF_USERS + [
    "users:\n  - default\n  - name: ann\n    sudo: 'ALL=(ALL) NOPASSWD:ALL'\npackages: [jq, \"vim\"]\nruncmd:\n- [sh, -c, 'echo \"a: b\"']\n"
    "- echo it's # no\n- |\n  if [ x ]; then\n    echo '\n  fi\nwrite_files:\n- path: /a\n  content: |\n    {\n    key: [\n  permissions: '0644'\n",
    "a: >-\n  folded\n\n  text\nb:\n- - x\n  - y\n- z: 1\n  w: \"2\n    3\"\nc: &n [1]\nd: *n\ne: !!str 12\nf: http://h:80/p?q#r\ng:\n  -\n    h: i\n",
]
PIECES = list(" \n-:#'\"[]{},|>&*!?%@ab") + ["\n- ", "\n  ", ": ", " #", "\n", "- |\n", "a: b\n", "\t"]
VERDICTS = r'''
import json, logging, sys
logging.disable(logging.CRITICAL)
import yaml
from cloudinit import util
def one(text):
    try:
        kind = type(yaml.safe_load(text)).__name__
    except Exception:
        kind = "broken"
    return [kind, bool(util.load_yaml(text, default=None, allowed=(dict,)))]
print(json.dumps([one(t) for t in json.load(sys.stdin)]))
'''


def mutants(count):
    rng = random.Random(3)
    for _ in range(count):
        text = rng.choice(SEEDS)
        for _ in range(1 + rng.randrange(3)):
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(PIECES) + text[at:] if rng.random() < 0.6 else text[:at] + text[at + 1 + rng.randrange(3):]
        yield text


def test_a_user_data_that_cloud_inits_yaml_does_not_take_is_told_and_none_that_it_takes(lab, releases):
    texts = ["#cloud-config\n" + t for t in DOCUMENTS_OF_USERS + list(mutants(400))]
    for i, text in enumerate(texts):
        lab.define(f"doc{i}", mac=f"52:54:00:c6:{i >> 8:02x}:{i & 255:02x}", user_data=text)
    lab.wait_vm(f"doc{len(texts) - 1}", 20)
    said = {p["file"]: p["text"] for p in lab.problems() if "would ignore all of it" in p["text"]}
    for release in cloud_init.SUITES:
        told = 0
        for i, (text, (kind, taken)) in enumerate(zip(texts, cloud_init.judge(release, VERDICTS, texts))):
            says = said.get(f"doc{i}.json")
            check(not (says and taken), f"{release} takes {text!r}, and we say: {says}")
            if i < len(DOCUMENTS_OF_USERS):
                check_equal(bool(says), kind not in ("dict", "NoneType"), f"{release}: we say it of {text!r}, {kind}")
            told += bool(says)
        check(told > 100, f"only {told} were told")
    for i in range(len(texts)):
        lab.undefine(f"doc{i}.json")
