#include "os_installer/system/seed.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "os_installer/fetch/http.h"
#include "os_installer/system/tree.h"

#define DOCUMENT_MAX_BYTES (1U << 20)
#define TIMEOUT_S 10
#define BELIEVED 4 /* times that the server does not have what it must */

static const struct {
	const char *name;
	bool required;
} documents[SEED_DOCUMENTS] = {
    {"meta-data", true},
    {"user-data", true},
    {"vendor-data", false},
    {"network-config", false},
};

/* Returns 0 with the document, or with none where it may be missing. */
static int document_fetch(const char *url, bool required, char **text, size_t *len, struct err *e)
{
	struct http_response answer;
	int r = http_get_patiently(
	    url, DOCUMENT_MAX_BYTES, TIMEOUT_S, required ? BELIEVED : 1, &answer, e);

	if (r < 0)
		return r;
	if (answer.status == 200) {
		*text = answer.body;
		*len = answer.len;
		return 0;
	}
	if (answer.status != 404 || required)
		r = err_set(e, EPROTO, "%s: the server answered %ld", url, answer.status);
	http_response_clear(&answer);
	return r;
}

int seed_fetch(const char *url, struct seed *seed, struct err *e)
{
	memset(seed, 0, sizeof(*seed));
	for (size_t i = 0; i < SEED_DOCUMENTS; i++) {
		char *full = NULL;
		if (asprintf(&full, "%s/%s", url, documents[i].name) < 0)
			return err_set(e, ENOMEM, "out of memory");
		int r = document_fetch(full, documents[i].required, &seed->document[i].text,
		    &seed->document[i].len, e);
		free(full);
		if (r < 0)
			return r;
	}
	return 0;
}

int seed_write(int tree, const struct seed *seed, struct err *e)
{
	/* With one source named, nothing is probed on the network at first boot. */
	static const char only[] =
	    "# Written by the installer.\ndatasource_list: [ NoCloud, None ]\n";
	int r = tree_mkdirs(tree, SEED_DIRECTORY, 0700, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < SEED_DOCUMENTS; i++) {
		char path[128];
		snprintf(path, sizeof(path), SEED_DIRECTORY "/%s", documents[i].name);
		r = seed->document[i].text ? tree_write(tree, path, seed->document[i].text,
						 seed->document[i].len, 0600, e)
					   : tree_remove(tree, path, e);
		if (r < 0)
			return r;
	}
	if (!tree_exists(tree, "/etc/cloud/cloud.cfg.d")) {
		log_warn(
		    "the image has no cloud-init: users, keys and packages will not be set up");
		return 0;
	}
	return tree_write(
	    tree, "/etc/cloud/cloud.cfg.d/90-installer.cfg", only, sizeof(only) - 1, 0644, e);
}

void seed_clear(struct seed *seed)
{
	for (size_t i = 0; i < SEED_DOCUMENTS; i++)
		free(seed->document[i].text);
	memset(seed, 0, sizeof(*seed));
}
