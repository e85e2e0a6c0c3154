#include "vmlab/simulate/stage.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "vmlab/image/manifest.h"
#include "vmlab/lab/keys.h"
#include "vmlab/lab/lab_network.h"
#include "vmlab/lab/start.h"
#include "vmlab/simulate/machine.h"
#include "vmlab/simulate/stage_image.h"
#include "vmlab/ui/interrupt.h"

#define HEALTHY_TIMEOUT_MS 90000
#define KNOWN_TIMEOUT_MS 120000
#define FIRST_HOST 256 /* of the network: what is below is for the stack */

/* Each has room for SIMULATE_MACHINES_MAX in its lower half; the upper one is given to strangers.
 */
static const char *const networks[] = {
    "10.213.0.1/16", "172.30.0.1/16", "10.86.0.1/16", "192.168.0.1/16"};

/* ---- its folder ---------------------------------------------------------------------------- */

static int make_folder(const char *path, struct err *e)
{
	return mkdir(path, 0755) < 0 && errno != EEXIST ? err_errno(e, "cannot make %s", path) : 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

static int remove_folder(const char *path, struct err *e)
{
	if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
		return err_errno(e, "cannot remove %s", path);
	return 0;
}

static int set_path(char **slot, const char *folder, const char *name, struct err *e)
{
	char *path;

	if (asprintf(&path, "%s%s%s", folder, *name ? "/" : "", name) < 0)
		return err_set(e, ENOMEM, "out of memory");
	free(*slot);
	*slot = path;
	return 0;
}

/* The lab that is there for it, whatever the environment says of the user's. Images may be his. */
static int take_folder(struct stage *s, struct err *e)
{
	struct lab *lab = s->lab;

	int r = set_path(&s->folder, lab->home, "simulate", e);
	if (r == 0 && s->image && !lab->images_given) {
		_cleanup_free_ char *here = getcwd(NULL, 0);
		r = set_path(&lab->images_dir, here ? here : "", "images", e);
	} else if (r == 0 && !s->image) {
		r = set_path(&lab->images_dir, s->folder, "images", e);
	}
	lab->images_given = true;
	if (r == 0 && s->image)
		r = lab_need_images(lab, e);
	if (r == 0)
		r = set_path(&lab->vms_dir, s->folder, "vms", e);
	if (r == 0)
		r = set_path(&lab->home, s->folder, "", e);
	lab->vms_given = true;
	lab->port = LAB_PORT_NONE;
	lab->port_given = true;
	return r;
}

static int make_folders(struct stage *s, struct err *e)
{
	const char *slash = strrchr(s->folder, '/');
	_cleanup_free_ char *parent = strndup(s->folder, (size_t)(slash - s->folder));

	/* The user's, on first use. */
	if (!parent)
		return err_set(e, ENOMEM, "out of memory");
	for (char *p = strchr(parent + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(parent, 0755) < 0 && errno != EEXIST)
			return err_errno(e, "cannot make %s", parent);
		*p = '/';
	}
	if (mkdir(parent, 0700) < 0 && errno != EEXIST)
		return err_errno(e, "cannot make %s", parent);
	int r = make_folder(s->folder, e);
	return r < 0 ? r : make_folder(s->lab->vms_dir, e);
}

/* ---- definitions --------------------------------------------------------------------------- */

static int write_definition(struct stage *s, int folder, unsigned number, struct err *e)
{
	char name[32], mac[MAC_TEXT_SIZE], ip[INET_ADDRSTRLEN];
	uint32_t net = ntohl(s->lab->cidr.addr.s_addr) & ~cidr4_host_bits(s->lab->cidr.prefix);
	struct in_addr address = {htonl(net + FIRST_HOST + number)};
	struct mac m = machine_mac(number, false);

	snprintf(name, sizeof(name), "sim%05u.json", number);
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	_cleanup_fclose_ FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		return err_errno(e, "%s/%s", s->lab->vms_dir, name);
	fprintf(f,
	    "{\"name\": \"sim%05u\", \"mac\": \"%s\", \"ip\": \"%s\", \"arch\": \"amd64\", \"distro\": \"%s\"}\n",
	    number, mac_format(&m, mac), inet_ntop(AF_INET, &address, ip, sizeof(ip)),
	    s->image ? s->image : STAGE_IMAGE_NAME);
	return fclose(steal_ptr(f)) == 0 ? 0 : err_errno(e, "%s/%s", s->lab->vms_dir, name);
}

static int write_definitions(struct stage *s, struct err *e)
{
	_cleanup_close_ int folder = open(s->lab->vms_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = folder < 0 ? err_errno(e, "%s", s->lab->vms_dir) : 0;

	for (unsigned i = 1; r == 0 && i <= s->machines; i++)
		r = write_definition(s, folder, i, e);
	return r;
}

/* ---- its network --------------------------------------------------------------------------- */

static int set_text(char **slot, const char *value, struct err *e)
{
	return set_path(slot, value, "", e);
}

/* The first that hides nothing of this machine; or the one asked for. */
static int choose_network(struct stage *s, struct err *e)
{
	struct lab *lab = s->lab;
	char what[64] = "", sentence[600];
	size_t count = lab->cidr_given ? 1 : sizeof(networks) / sizeof(*networks);

	for (size_t i = 0; i < count; i++) {
		int r = 0;
		if (!lab->cidr_given)
			r = set_text(&lab->cidr_text, networks[i], e);
		if (r == 0)
			r = lab_network_parse(lab->cidr_text, &lab->cidr, e);
		if (r < 0)
			return r;
		enum net_clash clash = start_clash(lab, &s->session.engine, what, sizeof(what));
		if (clash == NET_CLASH_NONE)
			return 0;
		net_clash_sentence(clash, what, lab->cidr_text, sentence, sizeof(sentence));
	}
	return err_set(e, EADDRINUSE, "%s", sentence);
}

/* Half of it is the machines'. */
static int check_room(const struct stage *s, struct err *e)
{
	uint64_t room = ((uint64_t)cidr4_host_bits(s->lab->cidr.prefix) + 1) / 2;

	return FIRST_HOST + s->machines < room
		   ? 0
		   : err_set(e, ENOSPC,
			 "the network %s has no room for %u machines: leave VMLAB_CIDR unset, or give a larger one such as 10.213.0.1/16",
			 s->lab->cidr_text, s->machines);
}

/* ---- containers ---------------------------------------------------------------------------- */

/* Of this lab, whoever made them. */
static int remove_all(struct stage *s, struct err *e)
{
	_cleanup_argv_ struct argv containers = ARGV_INIT, volumes = ARGV_INIT;
	_cleanup_free_ char *list = NULL;
	const struct engine *en = &s->session.engine;

	int r = session_refresh(&s->session, e);
	for (size_t i = 0; r == 0 && i < s->session.containers.count; i++)
		argv_add(&containers, s->session.containers.items[i].name);
	if (r == 0)
		r = engine_remove_containers(en, &containers, e);
	if (r == 0)
		r = engine_volumes(en, "vmlab.lab", s->lab->name, &list, e);
	char *rest = list, *line;
	while (r == 0 && (line = strsep(&rest, "\n")))
		if (*line)
			argv_add(&volumes, line);
	return r < 0 ? r : engine_remove_volumes(en, &volumes, e);
}

static int start(struct stage *s, struct err *e)
{
	struct start st = {.s = &s->session, .out = s->out};

	int r = start_images(&st, e);
	if (r == 0)
		r = start_network(&st, e);
	if (r == 0)
		r = start_stack(&st, e);
	if (r == 0)
		r = start_wait_healthy(&st, HEALTHY_TIMEOUT_MS, e);
	start_clear(&st);
	return r;
}

/* ---- what the server knows ----------------------------------------------------------------- */

static int count_machines(struct stage *s, const char *state, unsigned *out, struct err *e)
{
	_cleanup_json_ json_t *answer = NULL;
	const json_t *vm;
	size_t i;

	int r = api_get(s->session.api, &answer, e, "/vms");
	if (r < 0)
		return r;
	*out = 0;
	json_array_foreach(json_object_get(answer, "vms"), i, vm) {
		const char *its = json_string_value(json_object_get(vm, "state"));
		*out += !state || (its && strcmp(its, state) == 0);
	}
	return 0;
}

static int wait_known(struct stage *s, struct err *e)
{
	int64_t deadline = monotonic_ms() + KNOWN_TIMEOUT_MS;
	unsigned known = 0;

	for (;;) {
		int r = count_machines(s, NULL, &known, e);
		if (r < 0 || known == s->machines)
			return r;
		if (interrupt_pending())
			return err_set(e, EINTR, "interrupted");
		if (monotonic_ms() > deadline)
			return err_set(e, ETIMEDOUT,
			    "the server knows %u of %u definitions after two minutes", known,
			    s->machines);
		interrupt_sleep_ms(100);
	}
}

int stage_ready(struct stage *s, unsigned *ready, struct err *e)
{
	return count_machines(s, "ready", ready, e);
}

/* ---- all of it ----------------------------------------------------------------------------- */

static int check_image(const struct stage *s, struct err *e)
{
	_cleanup_image_manifest_ struct image_manifest m = {0};

	int r = image_manifest_load(s->lab->images_dir, s->image, VM_ARCH_AMD64, &m, e);
	if (r == -ENOENT)
		return err_set(e, ENOENT, "there is no image %s for amd64 in %s", s->image,
		    s->lab->images_dir);
	return r;
}

/* One that a killed simulation has left goes first. */
static int prepare(struct stage *s, struct err *e)
{
	bool created;

	int r = s->image ? check_image(s, e) : 0;
	if (r == 0)
		r = remove_all(s, e);
	if (r == 0)
		r = session_refresh(&s->session, e);
	if (r == 0)
		r = set_text(&s->lab->reach, "none", e);
	if (r == 0)
		r = set_text(&s->lab->strangers, "wait", e);
	if (r == 0)
		r = choose_network(s, e);
	if (r == 0)
		r = check_room(s, e);
	if (r == 0)
		r = keys_ensure(s->lab, &created, e);
	if (r == 0 && !s->image)
		r = stage_image_make(s->lab->images_dir, s->profile, e);
	return r < 0 ? r : write_definitions(s, e);
}

int stage_open_own(struct stage *s, struct err *e)
{
	int r = take_folder(s, e);

	if (r == 0)
		r = make_folders(s, e);
	if (r == 0)
		r = session_open(&s->session, s->lab, e);
	if (r == 0)
		r = session_lock(&s->session, true, e);
	if (r == 0)
		r = prepare(s, e);
	if (r == 0 && interrupt_pending())
		r = err_set(e, EINTR, "interrupted");
	if (r == 0)
		r = start(s, e);
	return r < 0 ? r : wait_known(s, e);
}

int stage_open_users(struct stage *s, struct err *e)
{
	int r = session_open(&s->session, s->lab, e);

	return r < 0 ? r : session_need_stack(&s->session, e);
}

static void tell(const struct err *e)
{
	fprintf(stderr, "vmlab: of the simulation's lab something is left: %s\n", e->msg);
}

void stage_close(struct stage *s)
{
	struct err e = ERR_INIT;

	if (s->folder && s->session.lock >= 0) {
		if (remove_all(s, &e) < 0)
			tell(&e);
		else if (remove_folder(s->folder, &e) < 0)
			tell(&e);
	}
	session_clear(&s->session);
	free(s->folder);
	s->folder = NULL;
}
