#include <errno.h>
#include <stdio.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/base/bytes.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "os_installer/agent/named_disk.h"
#include "os_installer/agent/order.h"
#include "os_installer/backup/deploy.h"
#include "os_installer/backup/source.h"
#include "os_installer/fetch/http.h"

#define URL_SIZE 2048
#define TIMEOUT_S 30
#define AUTHORITIES "/tls/ca-certificates.crt"
#define AUTHORITIES_MAX_BYTES (1U << 20)
#define DIRECTORY "/run/deploy"
#define NOT_VERIFIED "no SHA-256 was given: nobody has verified what is on the disk now"

struct source {
	char url[URL_SIZE];
	struct image_contents contents;
	struct image_manifest manifest; /* has the contents of an image by name */
	bool verified;
};

/* ---- from where ---------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* The one for this machine's architecture. */
static int manifest_get(const char *base, const json_t *image, struct source *s, struct err *e)
{
	char url[URL_SIZE + 64];
	struct http_response got;
	struct image_where where;
	enum vm_arch arch;

	if (vm_arch_parse(VMLAB_ARCH, &arch) < 0)
		return err_set(e, EINVAL, "this machine's architecture is not known");
	snprintf(url, sizeof(url), "%s/" VMLAB_ARCH "/" IMAGE_MANIFEST_FILE, base);
	int r = http_get_patiently(url, IMAGE_MANIFEST_MAX_BYTES, TIMEOUT_S, 1, &got, e);
	if (r == 0 && got.status != 200)
		r = err_set(e, EPROTO, "%s: the server answered %ld", url, got.status);
	if (r == 0) {
		r = image_manifest_parse(got.body, got.len, text_of(image, "image"), arch, true,
		    &s->manifest, &where, e);
		if (r < 0)
			err_wrap(e, "%s:%d:%d", url, where.line, where.column);
	}
	http_response_clear(&got);
	return r;
}

static int by_name(const json_t *image, struct source *s, struct err *e)
{
	const char *base = text_of(image, "url");
	int r;

	if (!base[0] || strlen(base) > URL_SIZE - 128)
		return err_set(e, EINVAL, "the order does not say where the image is");
	if ((r = manifest_get(base, image, s, e)) < 0)
		return r;
	if (!image_format_is_disk(s->manifest.rootfs.format))
		return err_set(e, EINVAL,
		    "%s is no image of a whole disk: it is installed, by order \"install\"",
		    text_of(image, "image"));
	s->contents = s->manifest.rootfs;
	s->contents.sector_bytes = image_sector_bytes(&s->manifest.rootfs);
	s->verified = true;
	snprintf(s->url, sizeof(s->url), "%s/" VMLAB_ARCH "/%s", base, s->contents.file);
	return 0;
}

/* The server tells whom to trust, as it tells all else; for the rest of this process. Also an http
 * server may lead to one that is asked over TLS. */
static int trust_get(const struct server *server, struct err *e)
{
	static struct http_response authorities;
	char url[SERVER_URL_SIZE + sizeof(AUTHORITIES)];

	snprintf(url, sizeof(url), "%s" AUTHORITIES, server->url);
	int r = http_get_patiently(url, AUTHORITIES_MAX_BYTES, TIMEOUT_S, 1, &authorities, e);
	if (r < 0)
		return r;
	if (authorities.status != 200)
		return err_set(e, EPROTO, "%s: the server answered %ld", url, authorities.status);
	http_trust(authorities.body, authorities.len);
	return 0;
}

static int by_url(const struct order_run *o, struct source *s, struct err *e)
{
	const json_t *args = o->args;
	const char *url = text_of(args, "url"), *sum = text_of(args, "sha256");

	if (strlen(url) >= sizeof(s->url))
		return err_set(e, EINVAL, "the address of the image is too long");
	snprintf(s->url, sizeof(s->url), "%s", url);
	int r = trust_get(o->server, e);
	if (r < 0 && http_is_tls(url))
		return r;
	if ((r = source_look(url, &s->contents, e)) < 0)
		return r;
	s->verified = sum[0] != '\0';
	if (s->verified && !hex_decode(sum, s->contents.sha256.byte, DIGEST_BYTES))
		return err_set(e, EINVAL, "the SHA-256 of the order is none");
	return 0;
}

/* ---- the order ----------------------------------------------------------------------------- */

struct progress_to {
	struct order_run *o;
	uint64_t total_bytes;
};

static void tick(void *ctx, const struct unpack_progress *p)
{
	struct progress_to *to = ctx;

	order_progress(to->o, "deploy", p->received_bytes, to->total_bytes);
}

static void tell(struct order_run *o, const struct source *s, const struct disk *disk,
    const struct deployed *done, int64_t began_ms)
{
	const struct unpack_progress *p = &done->progress;
	double seconds = (double)(monotonic_ms() - began_ms) / 1000;

	order_figure(o, "disk", json_string(disk->name));
	order_figure(o, "seeded", json_boolean(done->seeded));
	order_figure(o, "verified", json_boolean(s->verified));
	order_figure(o, "received_bytes", json_integer((json_int_t)p->received_bytes));
	order_figure(o, "image_bytes", json_integer((json_int_t)p->unpacked_bytes));
	order_figure(o, "retries", json_integer(p->fetch.retries));
	order_figure(o, "seconds", json_real(seconds));
}

static int find_source(struct order_run *o, struct source *s, struct err *e)
{
	const json_t *image = json_object_get(o->args, "image");
	int r = image ? by_name(image, s, e) : by_url(o, s, e);

	if (r == 0 && !s->verified) {
		log_warn("deploying %s: " NOT_VERIFIED, s->url);
		order_hint(o,
		    "give the image's SHA-256 in the order, or import it and deploy it by its name");
	}
	return r;
}

/* What the server has for this machine, before anything is written. */
static int find_seed(const struct order_run *o, struct seed *seed, bool *has, struct err *e)
{
	const char *url = text_of(o->args, "cloud_init_url");

	*has = url[0] != '\0';
	if (!*has)
		return 0;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(e, "no mounts of its own can be had");
	return seed_fetch(url, seed, e);
}

static int deploy(struct order_run *o, struct source *s, struct seed *seed, struct err *e)
{
	struct progress_to to = {.o = o};
	struct deployed done = {.seeded = false};
	int64_t began_ms = monotonic_ms();
	struct disk disk;
	bool seeds;
	int r;

	if ((r = order_disk(o, true, &disk, e)) < 0 || (r = find_source(o, s, e)) < 0 ||
	    (r = find_seed(o, seed, &seeds, e)) < 0)
		return r;
	to.total_bytes = s->contents.size_bytes;
	order_progress(o, "deploy", 0, to.total_bytes);
	struct deploy d = {.disk = &disk,
	    .url = s->url,
	    .contents = &s->contents,
	    .mac = o->server->as.mac,
	    .tick = tick,
	    .ctx = &to,
	    .seed = seeds ? seed : NULL,
	    .directory = DIRECTORY};
	r = deploy_run(&d, &done, e);
	tell(o, s, &disk, &done, began_ms);
	if (r == 0)
		order_text(o, "%s has the image%s%s", disk.path,
		    s->verified ? ", verified" : "; " NOT_VERIFIED,
		    done.seeded ? "; cloud-init will make it this machine's" : "");
	return r;
}

static int run(struct order_run *o, struct err *e)
{
	struct source s = {.verified = false};
	struct seed seed = {0};
	int r = deploy(o, &s, &seed, e);

	seed_clear(&seed);
	image_manifest_clear(&s.manifest);
	return r;
}

extern const struct order order_deploy;
const struct order order_deploy = {.run = run};
