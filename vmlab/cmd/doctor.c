/* doctor.c - `vmlab doctor`: what this machine has and lacks, and what to do about each lack. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/process.h"
#include "lib/base/size.h"
#include "vmlab/image/list.h"
#include "vmlab/lab/command.h"
#include "vmlab/lab/host.h"
#include "lib/base/human.h"
#include "vmlab/lab/lab_settings.h"
#include "vmlab/lab/mounts.h"
#include "vmlab/lab/net_clash.h"
#include "vmlab/engine/engine_ops.h"
#include "vmlab/lab/readable.h"
#include "vmlab/lab/start.h"

#define DISK_WANTED_BYTES (UINT64_C(10) << 30)

enum verdict {
	OK,
	NOTE,    /* works, but less well, or only needed for some things */
	MISSING, /* nothing goes without it */
};

struct doctor {
	json_t *list; /* NULL: print */
	size_t missing;
	bool no_image;
};

/* One line: what was looked at, what was found, and what to do (NULL: nothing). */
__attribute__((format(printf, 5, 6))) static void tell(struct doctor *d, enum verdict verdict,
    const char *what, const char *advice, const char *fmt, ...)
{
	static const char *const words[] = {[OK] = "ok", [NOTE] = "note", [MISSING] = "missing"};
	char found[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(found, sizeof(found), fmt, ap);
	va_end(ap);
	d->missing += verdict == MISSING;
	if (d->list) {
		json_array_append_new(
		    d->list, json_pack("{s:s, s:s, s:s, s:s?}", "check", what, "result",
				 words[verdict], "found", found, "advice", advice));
		return;
	}
	printf("%-8s %-14s %s\n", words[verdict], what, found);
	if (advice)
		printf("%-23s -> %s\n", "", advice);
}

static void check_images(struct doctor *d, const struct lab *lab, const struct engine *en)
{
	const struct {
		const char *reference, *tar, *usual, *variable;
	} images[] = {{lab->stack_image, "pxeboot_stack", LAB_STACK_IMAGE, "VMLAB_STACK_IMAGE"},
	    {lab->vm_image, "vmlab_vm", LAB_VM_IMAGE, "VMLAB_VM_IMAGE"}};

	for (size_t i = 0; i < sizeof(images) / sizeof(*images); i++) {
		_cleanup_free_ char *id = NULL;
		struct err e = ERR_INIT;
		char advice[160];
		int r = engine_image_id(en, images[i].reference, &id, &e);
		if (strcmp(images[i].reference, images[i].usual) != 0)
			snprintf(advice, sizeof(advice), "load %.60s, or unset %s",
			    images[i].reference, images[i].variable);
		else
			snprintf(advice, sizeof(advice),
			    "%s load -i %s_%s.tar, or build it: make load", en->ops->program,
			    images[i].tar, vm_arch_name(host_arch()));
		if (r == 0)
			tell(d, OK, images[i].tar, NULL, "%.19s", id);
		else
			tell(d, MISSING, images[i].tar, advice, "%s",
			    r == ENGINE_ABSENT ? "the image is not loaded" : e.msg);
	}
}

static void check_engine(struct doctor *d, const struct lab *lab, const struct session *s,
    bool found, const struct err *e)
{
	const struct engine_ops *ops = s->engine.ops;

	if (!found) {
		char advice[160];
		if (e->code == EACCES && ops->group)
			snprintf(advice, sizeof(advice), "sudo adduser $USER %s, then log in again",
			    ops->group);
		else
			snprintf(advice, sizeof(advice), "%s%s%s%s", ops->install,
			    ops->daemon ? ", and see that " : "", ops->daemon ? ops->daemon : "",
			    ops->daemon ? " runs" : "");
		tell(d, MISSING, "engine", advice, "%s", e->msg);
		return;
	}
	tell(d, OK, "engine", NULL, "%s, version %s", s->engine.client, s->engine.version);
	check_images(d, lab, &s->engine);
}

static void check_devices(struct doctor *d)
{
	const char *why;

	if (access("/dev/net/tun", F_OK) == 0)
		tell(d, OK, "/dev/net/tun", NULL, "there");
	else
		tell(d, MISSING, "/dev/net/tun",
		    "modprobe tun (as root); inside a container or VM its host must allow it",
		    "VMs have no network without it");
	if (host_kvm_usable(host_arch(), &why))
		tell(d, OK, "kvm", NULL, "VMs of this machine's architecture run at full speed");
	else
		tell(d, NOTE, "kvm", NULL, "%s: VMs are emulated, which works and is slower", why);
}

static void check_programs(struct doctor *d)
{
	if (process_available("ssh") && process_available("ssh-keygen"))
		tell(d, OK, "ssh", NULL, "ssh and ssh-keygen are there");
	else
		tell(d, MISSING, "ssh", "apt-get install openssh-client",
		    "`vmlab up` makes the lab's key with ssh-keygen, `vmlab ssh` runs ssh");
	if (process_available("mmdebstrap"))
		tell(d, OK, "mmdebstrap", NULL, "`vmlab image build` can make Debian images");
	else
		tell(d, NOTE, "mmdebstrap", "apt-get install mmdebstrap",
		    "only `vmlab image build` needs it; `vmlab image import` works without");
}

static void check_binfmt(struct doctor *d)
{
	for (int i = 0; i < VM_ARCH_COUNT; i++) {
		const char *foreign = arches[i].name;
		if ((enum vm_arch)i == host_arch())
			continue;
		if (host_binfmt((enum vm_arch)i))
			tell(d, OK, "binfmt", NULL, "%s programs run here", foreign);
		else
			tell(d, NOTE, "binfmt",
			    "apt-get install qemu-user-static, and see that binfmt_misc is mounted",
			    "only to build images for %s; running %s VMs needs nothing", foreign,
			    foreign);
	}
}

static void check_space(
    struct doctor *d, const struct lab *lab, const struct session *s, bool engine)
{
	_cleanup_free_ char *root = NULL;
	struct err ignored = ERR_INIT;
	char text[SIZE_TEXT_SIZE];

	if (engine && engine_storage(&s->engine, &root, &ignored) < 0)
		root = NULL;
	const char *const paths[] = {root, lab->images_dir ? lab->images_dir : "/"};
	const char *const names[] = {"disk: VMs", "disk: images"};
	for (size_t i = 0; i < 2; i++) {
		uint64_t bytes = paths[i] && *paths[i] == '/' ? host_free_bytes(paths[i]) : 0;
		if (!paths[i])
			continue;
		tell(d, bytes >= DISK_WANTED_BYTES ? OK : NOTE, names[i],
		    bytes >= DISK_WANTED_BYTES
			? NULL
			: "free some: an image takes about 0.3 GiB, a VM as much as it writes, 1 GiB and more",
		    "%s free in %s", size_text_short(bytes, text), paths[i]);
	}
}

static void check_lab(struct doctor *d, const struct lab *lab, const struct session *s)
{
	const struct container *net = container_list_role(&s->containers, "net");
	char complaint[PATH_MAX + 200], what[64] = "", stale[PATH_MAX + 200];
	struct err e = ERR_INIT;

	tell(d, OK, "lab", NULL, "\"%s\" %s", lab->name,
	    net && net->running ? "is up" : "is not up");
	if (lab->port == LAB_PORT_NONE || lab->port == LAB_PORT_AUTO || (net && net->running))
		;
	else if (host_port_free(lab->port))
		tell(d, OK, "port", NULL, "127.0.0.1:%d is free for the lab's API", lab->port);
	else
		tell(d, MISSING, "port", "choose another with --port or VMLAB_PORT",
		    "127.0.0.1:%d is taken by another program", lab->port);
	enum net_clash clash = s->engine.client ? start_clash(lab, &s->engine, what, sizeof(what))
						: net_clash_look(&lab->cidr, what, sizeof(what));
	net_clash_sentence(clash, what, lab->cidr_text, complaint, sizeof(complaint));
	tell(d,
	    clash == NET_CLASH_NONE  ? OK
	    : clash == NET_CLASH_LAN ? NOTE
				     : MISSING,
	    "network", NULL, "%s", *complaint ? complaint : lab->cidr_text);
	lab_settings_describe(lab, complaint, sizeof(complaint));
	if (*complaint)
		tell(d, OK, "settings", NULL, "%s", complaint);
	if (lab_need_vms(lab, &e) < 0)
		tell(d, NOTE, "definitions", NULL, "%s", e.msg);
	else if (readable_folder_complaint(lab->vms_dir, complaint, sizeof(complaint)))
		tell(d, MISSING, "definitions", "chmod -R a+rX the folder", "%s", complaint);
	else
		tell(d, OK, "definitions", NULL, "%s", lab->vms_dir);
	if (mounts_complaint(s, stale, sizeof(stale)))
		tell(d, MISSING, "folders", "vmlab up", "%s", stale);
	if (lab_need_images(lab, &e) < 0)
		tell(d, MISSING, "images", NULL, "%s", e.msg);
	else if (lab->images_dir &&
		 readable_images_complaint(lab->images_dir, complaint, sizeof(complaint)))
		tell(d, MISSING, "images", "chmod -R a+rX the folder", "%s", complaint);
	else if (!lab->images_dir || !image_list_any(lab->images_dir)) {
		d->no_image = true;
		tell(d, NOTE, "images", "vmlab image build debian-13",
		    "there is nothing to install yet in %s",
		    lab->images_dir ? lab->images_dir : "images/");
	}
}

static int run(struct lab *lab, int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
	_cleanup_session_ struct session s = SESSION_INIT;
	struct doctor d = {0};
	struct err e = ERR_INIT;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == '?')
			return command_wrong_option(&doctor_command, argv);
		json_decref(d.list);
		d.list = json_array();
	}
	bool engine = session_open(&s, lab, &e) == 0;
	if (!engine) {
		struct err ignored = ERR_INIT;
		struct container_list none = CONTAINER_LIST_INIT;
		if (lab_adopt(lab, &none, &ignored) < 0)
			return command_fail(&ignored);
	}
	check_engine(&d, lab, &s, engine, &e);
	check_devices(&d);
	check_programs(&d);
	check_binfmt(&d);
	check_space(&d, lab, &s, engine);
	check_lab(&d, lab, &s);
	if (d.list) {
		_cleanup_json_ json_t *doc =
		    json_pack("{s:b, s:o}", "usable", d.missing == 0, "checks", d.list);
		json_dumpf(doc, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (d.missing == 0) {
		printf("\nThis machine can run the lab%s.\n",
		    d.no_image ? ", and needs an image to install" : "");
	} else {
		printf("\n%zu thing%s missing.\n", d.missing, d.missing == 1 ? " is" : "s are");
	}
	return d.missing == 0 ? STATUS_OK : STATUS_FAILED;
}

const struct command doctor_command = {
    .name = "doctor",
    .args = "[--json]",
    .summary = "what this machine lacks, and what to do about it",
    .help =
	"Looks at everything the lab needs: container engine, images, /dev/net/tun, KVM, programs,\n"
	"disk space, port. Changes nothing. \"note\" marks what the lab runs without.\n"
	"\n"
	"Exit status: 0 the lab can run here, 1 something is missing.\n",
    .run = run,
};
