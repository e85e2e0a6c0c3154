#include "boot_handler/pages/images_page.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot_handler/pages/page.h"
#include "boot_handler/state/image_verified.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/size.h"
#include "lib/boot/boot.h"
#include "lib/image/image_name.h"

#define IMAGES_MAX 1000

struct image {
	char name[IMAGE_NAME_SIZE];
	enum vm_arch arch;
	bool there; /* its folder is */
	unsigned users;
	const char *user; /* one of them; the snapshot's */
};

struct images_shown {
	struct image *list;
	size_t count;
};

static struct image *find(struct images_shown *shown, const char *name, enum vm_arch arch)
{
	for (size_t i = 0; i < shown->count; i++)
		if (shown->list[i].arch == arch && strcmp(shown->list[i].name, name) == 0)
			return &shown->list[i];
	return NULL;
}

/* NULL: there are too many. */
static struct image *add(struct images_shown *shown, const char *name, enum vm_arch arch)
{
	struct image *image = find(shown, name, arch);

	if (image || shown->count == IMAGES_MAX || strlen(name) >= IMAGE_NAME_SIZE)
		return image;
	image = &shown->list[shown->count++];
	*image = (struct image){.arch = arch};
	memcpy(image->name, name, strlen(name) + 1);
	return image;
}

static bool has_folder(const char *dir, const char *name, enum vm_arch arch)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s/%s", dir, name, vm_arch_name(arch));

	return n > 0 && n < (int)sizeof(path) && access(path, F_OK) == 0;
}

static void add_folders(struct images_shown *shown, const char *dir)
{
	_cleanup_closedir_ DIR *d = dir ? opendir(dir) : NULL;
	const struct dirent *entry;

	while (d && (entry = readdir(d)))
		for (enum vm_arch arch = 0; arch < VM_ARCH_COUNT; arch++) {
			if (!image_name_valid(entry->d_name) ||
			    !has_folder(dir, entry->d_name, arch))
				continue;
			struct image *image = add(shown, entry->d_name, arch);
			if (image)
				image->there = true;
		}
}

static void add_wanted(struct images_shown *shown, const struct vm_snapshot *snapshot)
{
	for (size_t i = 0; i < vm_snapshot_count(snapshot); i++) {
		const struct vm *vm = vm_snapshot_at(snapshot, i);
		const char *name = boot_image_name(vm);
		struct image *image = name && *name ? add(shown, name, vm->arch) : NULL;

		if (!image)
			continue;
		image->users++;
		image->user = vm->name;
	}
}

/* Missing ones that are wanted first. */
static int compare(const void *a, const void *b)
{
	const struct image *x = a, *y = b;
	bool p = x->users && !x->there, q = y->users && !y->there;
	int by_name = strverscmp(x->name, y->name);

	if (p != q)
		return p ? -1 : 1;
	return by_name ? by_name : (int)x->arch - (int)y->arch;
}

static void put_files(struct html *h, const struct image_told *told)
{
	if (told->complete) {
		html_put(h, "<span class=\"state\" data-state=\"ready\">complete</span>");
		return;
	}
	html_put(h, "<span class=\"state\" data-state=\"failed\">cannot be used</span>"
		    "<span class=\"sub\">");
	html_text(h, told->missing.what);
	html_put(h, "</span><span class=\"sub\">");
	html_advice(h, told->missing.advice);
	html_put(h, "</span>");
}

static void put_users(struct html *h, const struct image *image)
{
	if (image->users == 1) {
		html_put(h, "<a");
		html_url(h, "href", "/machines/", image->user, "");
		html_put(h, ">");
		html_text(h, image->user);
		html_put(h, "</a>");
	} else if (image->users > 1) {
		html_put(h, "<a");
		html_url(h, "href", "/machines?q=", image->name, "");
		html_put(h, ">");
		html_number(h, image->users);
		html_put(h, " machines</a>");
	} else {
		html_put(h, "<span class=\"dim\">none</span>");
	}
}

/* What an installer has seen of it, and whether it is the same still. */
static void put_verified(struct html *h, const struct image_told *told, const json_t *seen)
{
	const char *sha256 = page_text(seen, "sha256");

	if (!json_is_object(seen)) {
		html_put(h, "<span class=\"dim\">not yet</span>");
		return;
	}
	if (strcmp(sha256, told->sha256) == 0)
		html_put(h, "<span class=\"state\" data-state=\"ready\">verified</span>");
	else
		html_put(h,
		    "<span class=\"state\" data-state=\"waiting\">not since it is another</span>");
	html_put(h, "<span class=\"sub\">");
	html_time(h, page_time(seen, "at"), wall_ms());
	html_put(h, ", installing ");
	html_text(h, page_text(seen, "vm"));
	html_put(h, "</span><span class=\"sub mono\">");
	html_text(h, sha256);
	html_put(h, "</span>");
}

static const json_t *seen_of(const json_t *verified, const struct image *image)
{
	char name[IMAGE_NAME_SIZE + 16];

	snprintf(name, sizeof(name), "%s/%s", image->name, vm_arch_name(image->arch));
	return json_object_get(verified, name);
}

static void put_image(
    struct html *h, struct services *services, const struct image *image, const json_t *verified)
{
	char size[SIZE_TEXT_SIZE];
	struct image_told told;

	images_tell(services->images, image->name, image->arch, &told);
	html_put(h, "<tr><th scope=\"row\" class=\"name\">");
	html_text(h, image->name);
	html_put(h, "<span class=\"sub\">");
	html_text(h, vm_arch_name(image->arch));
	html_put(h, "</span></th><td>");
	put_files(h, &told);
	html_put(h, "</td><td class=\"mid\">");
	if (!told.form[0] && told.size_bytes)
		put_verified(h, &told, seen_of(verified, image));
	html_put(h, "</td><td class=\"num\">");
	if (told.size_bytes)
		html_text(h, size_text_short(told.size_bytes, size));
	html_put(h, "</td><td class=\"wide\">");
	if (told.form[0]) {
		html_put(h, "boots: ");
		html_text(h, told.form);
	} else {
		html_text(h, told.kernel);
	}
	html_put(h, "</td><td class=\"mid\">");
	html_moment(h, time_parse(told.created));
	html_put(h, "</td><td class=\"name\">");
	put_users(h, image);
	html_put(h, "</td></tr>\n");
}

static void put_table(struct html *h, struct services *services, const struct images_shown *shown,
    const json_t *verified)
{
	html_put(h,
	    "<div class=\"scroll\" role=\"region\" aria-label=\"Images\" tabindex=\"0\">"
	    "<table><thead><tr><th scope=\"col\">Image</th><th scope=\"col\">Files</th>"
	    "<th scope=\"col\" class=\"mid\">Contents</th>"
	    "<th scope=\"col\" class=\"num\">Size</th><th scope=\"col\" class=\"wide\">Kernel</th>"
	    "<th scope=\"col\" class=\"mid\">Made (UTC)</th><th scope=\"col\">Used by</th></tr></thead>"
	    "<tbody>\n");
	for (size_t i = 0; i < shown->count; i++)
		put_image(h, services, &shown->list[i], verified);
	html_put(h, "</tbody></table></div><p class=\"dim\">Complete: every file that the manifest "
		    "names is there with its size. Verified: an installer has compared every slice "
		    "of the root file system with the manifest's sums while it wrote it; the "
		    "SHA-256 is that of the whole, as the manifest had it then.</p>");
}

int images_page(const struct call *c, struct server_answer *a, struct err *e)
{
	struct image *list = calloc(IMAGES_MAX, sizeof(*list));
	_cleanup_html_ struct html h = HTML_INIT;
	struct images_shown shown = {list, 0};

	if (!list)
		return err_set(e, ENOMEM, "out of memory");
	add_folders(&shown, c->services->images_dir);
	add_folders(&shown, backups_images(c->services->backups));
	add_wanted(&shown, c->snapshot);
	qsort(list, shown.count, sizeof(*list), compare);
	struct err unread = ERR_INIT;
	json_t *verified = image_verified_list(c->services->state, &unread);
	page_begin(&h, c, "Images", PAGE_IMAGES);
	html_put(&h, "<div class=\"head\"><h1>Images</h1></div>");
	if (shown.count > 0)
		put_table(&h, c->services, &shown, verified);
	else
		html_put(&h,
		    "<p class=\"notice\">There is no image yet: <code>vmlab image build</code> "
		    "makes one.</p>");
	json_decref(verified);
	free(list);
	return page_end(&h, a, e);
}
