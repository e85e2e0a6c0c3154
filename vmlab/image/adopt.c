#include "vmlab/image/adopt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/image/image_name.h"
#include "vmlab/lab/command.h"
#include "lib/base/human.h"
#include "vmlab/image/list.h"
#include "vmlab/image/manifest.h"
#include "vmlab/lab/readable.h"

#define LOOK_MS 2000
/* A tarball is whole when it has kept still for this long; at once when its last change is older
 * than any pull pauses. */
#define STILL_MS 10000
#define OLD_S 60
/* What failed through no fault of the tarball (a full disk) is tried again. */
#define AGAIN_MS 120000
#define IMAGES_MAX 1024

struct one {
	char *distro;
	enum vm_arch arch;
	bool present; /* in this look */
	struct adopted source;
	int64_t still_since_ms; /* 0: not seen yet */
	bool failed;
	int64_t again_at_ms; /* 0: only when it changes */
	char said[1600];
};

struct adopter {
	const struct image_adopt *a;
	struct one *all;
	size_t count;
	struct image_adopt_read read;
	struct one *reading; /* NULL: none is read */
	int64_t began_ms;
};

/* ---- what is told ------------------------------------------------------------------------- */

static bool made_path(const struct adopter *w, const struct one *o, const char *tail, char *out)
{
	int n = snprintf(
	    out, PATH_MAX, "%s/%s/%s%s", w->a->made_dir, o->distro, vm_arch_name(o->arch), tail);

	return n > 0 && n < PATH_MAX;
}

/* For boot_handler: why there is no image yet. */
static void say(const struct adopter *w, struct one *o, const char *missing, const char *advice)
{
	char path[PATH_MAX], folder[PATH_MAX];
	struct err e = ERR_INIT;
	json_t *doc = json_pack("{s:s, s:s}", "missing", missing, "advice", advice);
	_cleanup_free_ char *text = doc ? json_dumps(doc, JSON_INDENT(1)) : NULL;

	json_decref(doc);
	if (!text || strcmp(text, o->said) == 0 || !made_path(w, o, ".json", path))
		return;
	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	if (readable_mkdir(folder, &e) < 0 ||
	    atomic_file_replace(path, text, strlen(text), 0644, &e) < 0)
		log_warn("%s", e.msg);
	else
		snprintf(o->said, sizeof(o->said), "%s", text);
}

static void say_of(const struct adopter *w, struct one *o, const char *fmt, const char *advice)
{
	char text[160];

	snprintf(text, sizeof(text), "its %s %s", o->source.file, fmt);
	say(w, o, text, advice);
}

static void unsay(const struct adopter *w, struct one *o)
{
	char path[PATH_MAX];

	if (made_path(w, o, ".json", path))
		unlink(path);
	o->said[0] = '\0';
}

/* ---- one folder --------------------------------------------------------------------------- */

static bool is_made(const struct adopter *w, const struct one *o)
{
	_cleanup_image_manifest_ struct image_manifest m = {0};
	struct err e = ERR_INIT;

	return image_manifest_load(w->a->made_dir, o->distro, o->arch, &m, &e) == 0 &&
	       adopted_made_of(m.adopted, &o->source);
}

static bool is_still(const struct one *o, int64_t now)
{
	int64_t age_s = (int64_t)time(NULL) - o->source.st.st_mtim.tv_sec;

	return o->source.st.st_size > 0 &&
	       (now - o->still_since_ms >= STILL_MS || (age_s >= OLD_S && now > o->still_since_ms));
}

static void begin(struct adopter *w, struct one *o, int64_t now)
{
	struct err e = ERR_INIT;

	say_of(w, o, "is being read, to make an image of it",
	    "it goes on by itself, in a minute or two");
	if (image_adopt_read_start(&w->read, w->a, o->distro, o->arch, &o->source, &e) < 0) {
		log_warn("%s", e.msg);
		return;
	}
	w->reading = o;
	w->began_ms = now;
	log_info("reading distro=%s arch=%s file=%s/%s", o->distro, vm_arch_name(o->arch),
	    o->source.folder, o->source.file);
}

static void look_at(struct adopter *w, struct one *o, const struct adopted *found, int64_t now)
{
	static const char wait[] = "it goes on by itself as soon as the file is whole";

	o->present = true;
	if (!o->still_since_ms || !adopted_same(found, &o->source)) {
		o->source = *found;
		o->still_since_ms = now;
		o->failed = false;
		if (w->reading == o) {
			image_adopt_read_stop(&w->read);
			w->reading = NULL;
		}
	}
	if (w->reading == o)
		return;
	if (is_made(w, o)) {
		unsay(w, o);
		return;
	}
	if (o->failed && (!o->again_at_ms || now < o->again_at_ms))
		return;
	if (!is_still(o, now))
		say_of(w, o, "is being written, or was until just now", wait);
	else if (w->reading)
		say_of(w, o, "is to be read after that of another image", wait);
	else
		begin(w, o, now);
}

static void finish(struct adopter *w, int64_t now)
{
	struct one *o = w->reading;
	struct err e = ERR_INIT;
	char text[1200], took[HUMAN_TEXT_SIZE];

	if (!o)
		return;
	int r = image_adopt_read_poll(&w->read, &e);
	if (r > 0)
		return;
	w->reading = NULL;
	if (r == 0) {
		log_info("image ready distro=%s arch=%s file=%s/%s took=%s", o->distro,
		    vm_arch_name(o->arch), o->source.folder, o->source.file,
		    human_duration(now - w->began_ms, took));
		unsay(w, o);
		return;
	}
	if (r == -EAGAIN || r == -EINTR)
		return;
	bool its_fault = r == -EBADMSG || r == -EINVAL || r == -EFBIG || r == -ENOMEM;
	o->failed = true;
	o->again_at_ms = its_fault ? 0 : now + AGAIN_MS;
	snprintf(text, sizeof(text), "its %s cannot be used: %s", o->source.file, e.msg);
	say(w, o, text,
	    its_fault ? "put a good one in its place, which is then read by itself"
	    : r == -EACCES
		? "chmod -R a+rX the folder of images; it is tried again every two minutes"
		: "remove the cause; it is tried again every two minutes");
	log_warn("image not usable distro=%s arch=%s: %s", o->distro, vm_arch_name(o->arch), text);
}

/* ---- all of them -------------------------------------------------------------------------- */

static struct one *entry(struct adopter *w, const char *distro, enum vm_arch arch)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->all[i].arch == arch && strcmp(w->all[i].distro, distro) == 0)
			return &w->all[i];
	if (w->count == IMAGES_MAX)
		return NULL;
	struct one *o = &w->all[w->count];
	*o = (struct one){.distro = strdup(distro), .arch = arch};
	if (!o->distro)
		return NULL;
	w->count++;
	return o;
}

/* `made`: the name is of something that was made, which goes when it has no source. */
static void each_arch(struct adopter *w, const char *distro, bool made, int64_t now)
{
	for (int i = 0; image_name_valid(distro) && i < VM_ARCH_COUNT; i++) {
		struct adopted found;
		bool is = adopted_find(w->a->images_dir, distro, (enum vm_arch)i, &found);
		struct one *o = is || made ? entry(w, distro, (enum vm_arch)i) : NULL;
		if (o && is)
			look_at(w, o, &found, now);
	}
}

/* What was made of a folder that is gone, or that has become an image of ours. */
static void forget(struct adopter *w, struct one *o)
{
	struct err e = ERR_INIT;
	char path[PATH_MAX];

	if (w->reading == o) {
		image_adopt_read_stop(&w->read);
		w->reading = NULL;
	}
	unsay(w, o);
	if (!made_path(w, o, "", path))
		return;
	if (access(path, F_OK) == 0 &&
	    image_list_remove(w->a->made_dir, o->distro, vm_arch_name(o->arch), &e) < 0)
		log_warn("%s", e.msg);
	*strrchr(path, '/') = '\0';
	rmdir(path); /* stays when something else is in it */
}

static void forget_all_gone(struct adopter *w)
{
	for (size_t i = w->count; i-- > 0;) {
		struct one *o = &w->all[i], *last = &w->all[w->count - 1];
		if (o->present)
			continue;
		forget(w, o);
		free(o->distro);
		if (w->reading == last)
			w->reading = o;
		*o = *last;
		w->count--;
	}
}

static void names_of(struct adopter *w, const char *dir, bool made, int64_t now)
{
	_cleanup_closedir_ DIR *d = opendir(dir);

	for (const struct dirent *de; d && (de = readdir(d));)
		each_arch(w, de->d_name, made, now);
}

static void look(struct adopter *w)
{
	int64_t now = monotonic_ms();

	/* A share that is gone for a moment takes nothing with it. */
	if (access(w->a->images_dir, R_OK | X_OK) < 0)
		return;
	for (size_t i = 0; i < w->count; i++)
		w->all[i].present = false;
	finish(w, now);
	names_of(w, w->a->images_dir, false, now);
	names_of(w, w->a->made_dir, true, now); /* also what an earlier run left */
	forget_all_gone(w);
}

static int touch(const char *path, struct err *e)
{
	_cleanup_close_ int fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : -1;

	if (path && (fd < 0 || futimens(fd, NULL) < 0))
		return err_errno(e, "cannot touch %s", path);
	return 0;
}

int image_adopt_run(const struct image_adopt *a, const volatile sig_atomic_t *cancel, struct err *e)
{
	struct adopter w = {.a = a, .read = IMAGE_ADOPT_READ_INIT};
	int rc = 0;

	w.all = calloc(IMAGES_MAX, sizeof(*w.all));
	if (!w.all)
		return err_set(e, ENOMEM, "out of memory");
	if (access(a->made_dir, W_OK | X_OK) < 0)
		rc = err_errno(e, "the folder %s cannot be written", a->made_dir);
	while (!rc && !*cancel) {
		look(&w);
		rc = touch(a->alive, e);
		if (!rc && !*cancel)
			sleep_ms(LOOK_MS);
	}
	image_adopt_read_stop(&w.read);
	for (size_t i = 0; i < w.count; i++)
		free(w.all[i].distro);
	free(w.all);
	return rc;
}

/* ---- the program -------------------------------------------------------------------------- */

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

int image_adopt_main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct err e = ERR_INIT;

	log_init("image_adopt", LOG_LEVEL_INFO);
	prctl(PR_SET_NAME, "image_adopt");
	if (argc < 3 || argc > 4) {
		fprintf(stderr, "usage: vmlab __adopt IMAGES MADE [ALIVE]\n");
		return STATUS_USAGE;
	}
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	struct image_adopt a = {argv[1], argv[2], argc > 3 ? argv[3] : NULL};
	if (image_adopt_run(&a, &ended, &e) < 0) {
		log_error("%s", e.msg);
		return STATUS_FAILED;
	}
	return STATUS_OK;
}
