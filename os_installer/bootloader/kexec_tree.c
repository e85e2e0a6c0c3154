#include "os_installer/bootloader/kexec_tree.h"

#include <errno.h>
#include <libfdt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"

#define NAMES_BYTES 1024 /* of all that is added, but for the command line */

static int chosen_node(void *tree)
{
	int at = fdt_path_offset(tree, "/chosen");

	return at == -FDT_ERR_NOTFOUND ? fdt_add_subnode(tree, 0, "chosen") : at;
}

static int forget(void *tree, int node, const char *name)
{
	int r = fdt_delprop(tree, node, name);

	return r == -FDT_ERR_NOTFOUND ? 0 : r;
}

static int set_initrd(void *tree, int node, const struct kexec_chosen *c)
{
	int r;

	if (c->initrd == 0) {
		r = forget(tree, node, "linux,initrd-start");
		return r < 0 ? r : forget(tree, node, "linux,initrd-end");
	}
	r = fdt_setprop_u64(tree, node, "linux,initrd-start", c->initrd);
	return r < 0 ? r
		     : fdt_setprop_u64(tree, node, "linux,initrd-end", c->initrd + c->initrd_bytes);
}

static int edit(void *tree, const struct kexec_chosen *c)
{
	int node = chosen_node(tree);
	int r = node < 0 ? node : fdt_setprop_string(tree, node, "bootargs", c->cmdline);

	if (r == 0)
		r = set_initrd(tree, node, c);
	if (r == 0)
		r = fdt_setprop(tree, node, "kaslr-seed", c->kaslr_seed, sizeof(c->kaslr_seed));
	if (r == 0)
		r = fdt_setprop(tree, node, "rng-seed", c->rng_seed, sizeof(c->rng_seed));
	return r < 0 ? r : fdt_pack(tree);
}

int kexec_tree_make(const void *tree, size_t len, const struct kexec_chosen *chosen, void **out,
    size_t *out_len, struct err *e)
{
	size_t room = len + strlen(chosen->cmdline) + NAMES_BYTES;
	_cleanup_free_ void *made = malloc(room);

	if (!made)
		return err_set(e, ENOMEM, "out of memory");
	int r = len > INT_MAX / 2 ? -FDT_ERR_BADSTRUCTURE : fdt_check_full(tree, len);
	if (r == 0)
		r = fdt_open_into(tree, made, (int)room);
	if (r == 0)
		r = edit(made, chosen);
	if (r < 0)
		return err_set(e, EINVAL,
		    "the device tree that this machine was started with cannot be passed on (%s)",
		    fdt_strerror(r));
	*out_len = fdt_totalsize(made);
	*out = steal_ptr(made);
	return 0;
}
