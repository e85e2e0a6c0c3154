/* format.h - files by which other systems' installers install without a question, made from the
 * same fields of a definition that our own installer and cloud-init obey. Pure.
 *
 * A format is a file with its row, and a line in UNATTENDED_FORMATS. Each has one emitter; each
 * value is written by the one function of its language: shell_word() (shell.h), yaml_text()
 * (lib/json/yaml_text.h), and preseed's, whose values need none (preseed.c).
 *
 * What users, files, hooks and runcmd mean is the same in all: the file fetches /stage4/<mac>
 * (stage4.h), runs it as root in the new system, then calls /done/<mac>.
 */
#ifndef LIB_UNATTENDED_FORMAT_H
#define LIB_UNATTENDED_FORMAT_H

#include <jansson.h>
#include <stdio.h>

#include "lib/base/err.h"
#include "lib/definition/menu_choice.h"
#include "lib/definition/vm.h"
#include "lib/machine/machine.h"

/* What is not in the definition. Borrowed. */
struct unattended_source {
	const struct vm *vm;
	const char *base;   /* "http://192.168.100.1"; see boot_url_valid() */
	const json_t *keys; /* array of the operator's public keys; NULL: none */
	struct mac nic;     /* of the card that the machine asked with */
	const char *domain; /* the lab's; NULL or "": none */
	const char *dns;    /* this server's address in the lab; NULL or "": not known */
};

/* Told of what a format cannot say: the field's name, and a sentence that can follow it. */
struct unattended_teller {
	void (*gap)(void *ctx, const char *field, const char *sentence);
	void *ctx;
};

/* What a line of the installer's syslog tells: it has begun with the phase, or (PHASE_NONE)
 * stopped. */
struct unattended_sign {
	const char *program; /* whose line it is */
	const char *begins,
	    *names; /* with what its text begins; and what stands in it, NULL: whatever */
	enum machine_phase phase;
};

struct unattended_format {
	const char *name;   /* "preseed" */
	const char *suffix; /* of such a file's name */
	/* What images of this format's systems are called, as their names begin; NULL-terminated.
	 */
	const char *const *images;
	/* 0, or -errno. */
	int (*emit)(const struct unattended_source *s, FILE *f, struct err *e);
	/* Of this format alone; NULL: none. */
	void (*gaps)(const struct vm *vm, const struct unattended_teller *t);
	/* In the order in which an installation comes by them, to one without a program; NULL: it
	 * sends no syslog. */
	const struct unattended_sign *signs;
	uint64_t memory_bytes; /* the least that its systems' documentation asks for */
};

#define UNATTENDED_FORMATS(FORMAT)                                                                 \
	FORMAT(unattended_preseed)                                                                 \
	FORMAT(unattended_kickstart)                                                               \
	FORMAT(unattended_autoinstall)

#define UNATTENDED_DECLARED(format) extern const struct unattended_format format;
UNATTENDED_FORMATS(UNATTENDED_DECLARED)

/* NULL from the last on. */
const struct unattended_format *unattended_format_at(size_t i);
/* By its name; NULL: none. */
const struct unattended_format *unattended_format_find(const char *name);
/* Which an image's system takes: what its manifest says, or else what its name tells; NULL: neither
 * does. `said` may be NULL. */
const struct unattended_format *unattended_format_of_image(const char *said, const char *image);

/* The image whose installer its definition means: "image", what its menu does by itself, or else
 * "distro". Borrowed from `vm` or `buf`. */
const char *unattended_image(const struct vm *vm, char buf[MENU_NAME_MAX + 1]);

/* Which the machine's "unattended": true means, with that image; `said` is what its manifest says,
 * or NULL. NULL with a sentence. */
const struct unattended_format *unattended_format_of(
    const char *image, const char *said, struct err *e);

/* Whether the definition wants a file, and of which kind. */
enum unattended_kind { UNATTENDED_NONE, UNATTENDED_MADE, UNATTENDED_OWN };
enum unattended_kind unattended_kind(const struct vm *vm, const char **file);

/* The file for the machine; *out is malloc'ed. */
must_check int unattended_make(const struct unattended_format *format,
    const struct unattended_source *s, char **out, struct err *e);

/* Tells each field of the definition that would have no effect, or another than with our own
 * installer. */
void unattended_gaps(
    const struct unattended_format *format, const struct vm *vm, const struct unattended_teller *t);

/* The sign that such a line of the machine's installer is; NULL: none, or one of a phase that is
 * not later than `now`. */
const struct unattended_sign *unattended_sign_of(const struct unattended_format *format,
    const char *program, const char *text, enum machine_phase now);

/* ---- for formats ------------------------------------------------------------------------- */

/* What the new system is called, whatever its lease says. */
struct unattended_names {
	char full[520];   /* with the lab's domain, unless the definition's host name has one */
	char host[256];   /* its first label */
	char domain[520]; /* what follows that; "": nothing does */
};
void unattended_names(const struct unattended_source *s, struct unattended_names *out);

/* "<base>/<path>/<mac>"; returns buf. */
#define UNATTENDED_URL_SIZE 512
const char *unattended_url(
    const struct unattended_source *s, const char *path, char buf[UNATTENDED_URL_SIZE]);

/* Calls one() for each of "packages" as apt-get takes it: "nginx", "nginx=1.22.1-9". */
void unattended_each_package(
    const struct vm *vm, void (*one)(void *ctx, const char *word), void *ctx);

#endif
