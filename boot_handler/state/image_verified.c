#include "boot_handler/state/image_verified.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/image/image_name.h"

void image_verified_given(struct state *s, const struct mac *mac, const char *vm, const char *image,
    const char *arch, const char *sha256)
{
	json_t *json = json_pack(
	    "{s:s, s:s, s:s, s:s}", "vm", vm, "image", image, "arch", arch, "sha256", sha256);

	state_keep(s, mac, STATE_GIVEN, json ? json_dumps(json, JSON_COMPACT) : NULL);
	json_decref(json);
}

void image_verified_done(struct state *s, const struct mac *mac, int64_t now_ms)
{
	_cleanup_free_ char *text = NULL;
	char when[TIME_TEXT_SIZE];
	struct err e = ERR_INIT;

	if (state_kept(s, mac, STATE_GIVEN, &text, &e) < 0)
		log_warn("which image was verified is not known: %s", e.msg);
	json_t *json = text ? json_loads(text, 0, NULL) : NULL;
	if (json) {
		json_object_set_new(json, "at", json_string(time_format(now_ms, when)));
		state_keep(s, mac, STATE_VERIFIED, json_dumps(json, JSON_COMPACT));
	}
	json_decref(json);
}

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

/* Times in UTC sort as text. */
static void take(void *ctx, const char *mac, const char *text)
{
	json_t *list = ctx, *json = json_loads(text, 0, NULL);
	char name[IMAGE_NAME_SIZE + 16];

	(void)mac;
	snprintf(name, sizeof(name), "%s/%s", text_of(json, "image"), text_of(json, "arch"));
	if (json && strcmp(text_of(json, "at"), text_of(json_object_get(list, name), "at")) > 0)
		json_object_set(list, name, json);
	json_decref(json);
}

json_t *image_verified_list(struct state *s, struct err *e)
{
	json_t *list = json_object();

	if (list && state_each_kept(s, STATE_VERIFIED, take, list, e) == 0)
		return list;
	json_decref(list);
	return NULL;
}
