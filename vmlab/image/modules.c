#include "vmlab/image/modules.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/machine/file_system.h"

#define NAME_MAX_BYTES 128

/* What an installer can need: to find its disk and its network card, to write the file systems it
 * makes, and a keyboard for the shell it leaves behind. A pattern with a slash is matched with the
 * path below kernel/, others with the module's name. A kernel need not have all of them. */
static const char *const wanted[] = {
    /* buses */
    "virtio_pci",
    "virtio_mmio",
    "virtio_rng",
    "virtio_console",
    "hv_vmbus",
    "pci_hyperv",
    "vmd",
    /* disks */
    "virtio_blk",
    "virtio_scsi",
    "sd_mod",
    "sr_mod",
    "ahci",
    "ahci_platform",
    "ahci_*",
    "ata_piix",
    "ata_generic",
    "nvme",
    "mpt3sas",
    "mptsas",
    "mptspi",
    "megaraid_sas",
    "megaraid_mbox",
    "aacraid",
    "hpsa",
    "smartpqi",
    "mpi3mr",
    "isci",
    "pm80xx",
    "mvsas",
    "arcmsr",
    "3w_sas",
    "3w_9xxx",
    "sym53c8xx",
    "vmw_pvscsi",
    "hv_storvsc",
    "xen_blkfront",
    "xen_scsifront",
    "hisi_sas_*",
    "mmc_block",
    "sdhci_pci",
    "sdhci_acpi",
    "dw_mmc_*",
    "sdhci_iproc",
    "bcm2835",
    /* USB: disks, keyboards */
    "xhci_pci",
    "xhci_hcd",
    "xhci_plat_hcd",
    "reset_raspberrypi",
    "dwc2",
    "ehci_pci",
    "ohci_pci",
    "uhci_hcd",
    "usb_storage",
    "uas",
    "usbhid",
    "hid_generic",
    "hid_hyperv",
    "hyperv_keyboard",
    "atkbd",
    "i8042",
    /* network cards */
    "virtio_net",
    "e100",
    "e1000",
    "e1000e",
    "igb",
    "igbvf",
    "igc",
    "ixgb",
    "ixgbe",
    "ixgbevf",
    "i40e",
    "iavf",
    "ice",
    "idpf",
    "fm10k",
    "mlx4_core",
    "mlx4_en",
    "mlx5_core",
    "bnxt_en",
    "bnx2",
    "bnx2x",
    "tg3",
    "be2net",
    "cxgb4",
    "enic",
    "qede",
    "qlcnic",
    "nfp",
    "sfc",
    "ionic",
    "atlantic",
    "r8169",
    "realtek",
    "8139cp",
    "8139too",
    "pcnet32",
    "ne2k_pci",
    "forcedeth",
    "sky2",
    "skge",
    "alx",
    "atl1c",
    "vmxnet3",
    "hv_netvsc",
    "xen_netfront",
    "ena",
    "gve",
    "mana",
    "nicvf",
    "nicpf",
    "hns3",
    "hclge",
    "hns_enet_drv",
    "amd_xgbe",
    "xgene_enet",
    "bcmgenet",
    "genet",
    "broadcom",
    "macb",
    "mvneta",
    "mvpp2",
    "dwmac_*",
    "fsl_dpaa2_eth",
    "r8152",
    "cdc_ether",
    "rndis_host",
    "cdc_ncm",
    "asix",
    "ax88179_178a",
    "lan78xx",
    "smsc95xx",
    /* what restarts a board that has nothing else for it */
    "bcm2835_wdt",
    /* file systems, and what they ask for by alias at run time */
    FILE_SYSTEMS(FS_WORD, FS_COMMA),
    "nls_ascii",
    "nls_cp437",
    "nls_iso8859_1",
    "nls_utf8",
    "efivarfs",
    "crc32c_generic",
    "crc32c_intel",
    "crc32c",
    "libcrc32c",
    "crc32c_cryptoapi",
    "crc32_pclmul",
    "crct10dif_*",
};

struct module {
	char *path; /* relative to lib/modules/<version>/ */
	char *deps; /* the rest of its line in modules.dep */
	char name[NAME_MAX_BYTES];
	bool chosen;
};

struct image_modules {
	struct module *all; /* ordered by name */
	size_t all_count;
	struct module **chosen; /* ordered by path */
	size_t chosen_count;
};

size_t image_modules_plain_length(const char *path)
{
	static const char *const suffixes[] = {".xz", ".zst", ".gz"};
	size_t len = strlen(path);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		size_t n = strlen(suffixes[i]);
		if (len > n && !strcmp(path + len - n, suffixes[i]))
			return len - n;
	}
	return len;
}

bool image_modules_is_module(const char *path)
{
	size_t len = image_modules_plain_length(path);

	return len > 3 && !memcmp(path + len - 3, ".ko", 3);
}

/* "kernel/fs/nls/nls_iso8859-1.ko.xz" → "nls_iso8859_1"; also takes a bare name. False when it is
 * longer than any module's. */
static bool name_of(const char *text, size_t len, char *name)
{
	const char *slash = memrchr(text, '/', len);
	const char *dot;
	size_t n;

	if (slash) {
		len -= (size_t)(slash + 1 - text);
		text = slash + 1;
	}
	dot = memmem(text, len, ".ko", 3);
	n = dot ? (size_t)(dot - text) : len;
	if (n >= NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < n; i++)
		name[i] = text[i] == '-' ? '_' : text[i];
	name[n] = '\0';
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct module *)a)->name, ((const struct module *)b)->name);
}

static int by_path(const void *a, const void *b)
{
	return strcmp((*(struct module *const *)a)->path, (*(struct module *const *)b)->path);
}

static struct module *find(const struct image_modules *m, const char *text, size_t len)
{
	struct module key;

	if (!name_of(text, len, key.name))
		return NULL;
	return bsearch(&key, m->all, m->all_count, sizeof(*m->all), by_name);
}

/* One line of modules.dep: "path: dependency dependency". */
static int dep_line(struct image_modules *m, const char *line, size_t len, struct err *e)
{
	const char *colon = memchr(line, ':', len);
	struct module *mod = &m->all[m->all_count];

	if (!len)
		return 0;
	if (!colon || colon == line || !name_of(line, (size_t)(colon - line), mod->name))
		return err_set(e, EINVAL,
		    "modules.dep holds the line \"%.*s\", which names no module; run depmod in the rootfs and import it again",
		    len > 80 ? 80 : (int)len, line);
	mod->path = strndup(line, (size_t)(colon - line));
	mod->deps = strndup(colon + 1, len - (size_t)(colon + 1 - line));
	m->all_count++;
	if (!mod->path || !mod->deps)
		return err_set(e, ENOMEM, "out of memory");
	/* A path that climbs out of the directory would be written into the archive as it is. */
	if (mod->path[0] == '/' || strstr(mod->path, ".."))
		return err_set(e, EINVAL,
		    "modules.dep names \"%.80s\", which lies outside the kernel's module directory; run depmod in the rootfs",
		    mod->path);
	return 0;
}

static int dep_parse(struct image_modules *m, const char *text, struct err *e)
{
	size_t lines = 1;

	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	m->all = calloc(lines, sizeof(*m->all));
	m->chosen = calloc(lines, sizeof(*m->chosen));
	if (!m->all || !m->chosen)
		return err_set(e, ENOMEM, "out of memory");
	for (const char *p = text; *p;) {
		const char *end = strchrnul(p, '\n');
		int rc = dep_line(m, p, (size_t)(end - p), e);
		if (rc)
			return rc;
		p = *end ? end + 1 : end;
	}
	qsort(m->all, m->all_count, sizeof(*m->all), by_name);
	return 0;
}

static void choose(struct image_modules *m, struct module *mod)
{
	if (!mod || mod->chosen)
		return;
	mod->chosen = true;
	m->chosen[m->chosen_count++] = mod;
	/* depmod lists dependencies of dependencies too, but only its order promises that. */
	for (const char *p = mod->deps; *p;) {
		size_t len;

		p += strspn(p, " \t");
		len = strcspn(p, " \t");
		if (len)
			choose(m, find(m, p, len));
		p += len;
	}
}

static bool is_wanted(const struct module *mod)
{
	const char *below = strncmp(mod->path, "kernel/", 7) ? mod->path : mod->path + 7;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (!fnmatch(wanted[i], strchr(wanted[i], '/') ? below : mod->name, 0))
			return true;
	return false;
}

/* Calls fn for each "<keyword> <first> <rest>" line of an index file. */
static void each_line(const char *text, const char *keyword,
    void (*fn)(void *ctx, const char *first, size_t first_len, const char *rest, size_t rest_len),
    void *ctx)
{
	size_t klen = strlen(keyword);

	for (const char *p = text; p && *p;) {
		const char *end = strchrnul(p, '\n');
		const char *first = p + klen + 1, *space;

		if ((size_t)(end - p) > klen + 1 && !memcmp(p, keyword, klen) && p[klen] == ' ' &&
		    (space = memchr(first, ' ', (size_t)(end - first))))
			fn(ctx, first, (size_t)(space - first), space + 1,
			    (size_t)(end - space - 1));
		p = *end ? end + 1 : end;
	}
}

struct soft {
	struct image_modules *m;
	const struct image_module_index *index;
	const char *alias; /* looked for, normalised */
};

static void soft_alias(void *ctx, const char *pattern, size_t plen, const char *module, size_t mlen)
{
	struct soft *s = ctx;
	char name[NAME_MAX_BYTES];

	if (name_of(pattern, plen, name) && !strcmp(name, s->alias))
		choose(s->m, find(s->m, module, mlen));
}

static void soft_line(void *ctx, const char *module, size_t mlen, const char *rest, size_t rlen)
{
	struct soft *s = ctx;
	const struct module *mod = find(s->m, module, mlen);
	const char *end = rest + rlen;

	if (!mod || !mod->chosen)
		return;
	while (rest < end) {
		size_t len = strcspn(rest, " \t\n");
		char name[NAME_MAX_BYTES];
		struct module *dep;

		if (len && rest[len - 1] != ':' && name_of(rest, len, name)) {
			dep = find(s->m, rest, len);
			s->alias = name;
			if (dep)
				choose(s->m, dep);
			else
				each_line(s->index->alias, "alias", soft_alias, s);
			s->alias = NULL;
		}
		rest += len + 1;
	}
}

int image_modules_choose(
    const struct image_module_index *index, struct image_modules **out, struct err *e)
{
	_cleanup_image_modules_ struct image_modules *m = calloc(1, sizeof(*m));
	struct soft soft = {m, index, NULL};
	size_t before;
	int rc;

	if (!m)
		return err_set(e, ENOMEM, "out of memory");
	if (!index->dep)
		return err_set(e, EINVAL,
		    "modules.dep is missing; run depmod in the rootfs and import it again");
	rc = dep_parse(m, index->dep, e);
	if (rc)
		return rc;
	for (size_t i = 0; i < m->all_count; i++)
		if (is_wanted(&m->all[i]))
			choose(m, &m->all[i]);
	do {
		before = m->chosen_count;
		each_line(index->softdep, "softdep", soft_line, &soft);
	} while (m->chosen_count != before);
	qsort(m->chosen, m->chosen_count, sizeof(*m->chosen), by_path);
	*out = steal_ptr(m);
	return 0;
}

void image_modules_free(struct image_modules *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->all_count; i++) {
		free(m->all[i].path);
		free(m->all[i].deps);
	}
	free(m->all);
	free(m->chosen);
	free(m);
}

size_t image_modules_count(const struct image_modules *m)
{
	return m->chosen_count;
}

const char *image_modules_path(const struct image_modules *m, size_t i)
{
	return m->chosen[i]->path;
}

char *image_modules_dep(const struct image_modules *m)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < m->chosen_count; i++) {
		const struct module *mod = m->chosen[i];

		fprintf(f, "%.*s:", (int)image_modules_plain_length(mod->path), mod->path);
		for (const char *p = mod->deps; *p;) {
			size_t n;
			const struct module *dep;

			p += strspn(p, " \t");
			n = strcspn(p, " \t");
			dep = n ? find(m, p, n) : NULL;
			if (dep)
				fprintf(f, " %.*s", (int)image_modules_plain_length(dep->path),
				    dep->path);
			p += n;
		}
		fputc('\n', f);
	}
	return fclose(f) ? NULL : steal_ptr(text);
}

/* Last word of an alias line is the module, second word of a softdep line is. */
char *image_modules_filter(const struct image_modules *m, const char *text)
{
	_cleanup_free_ char *kept = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&kept, &len);

	if (!f)
		return NULL;
	for (const char *p = text; p && *p;) {
		const char *end = strchrnul(p, '\n');
		const char *space = memrchr(p, ' ', (size_t)(end - p));
		const struct module *mod = NULL;

		if (!strncmp(p, "alias ", 6) && space)
			mod = find(m, space + 1, (size_t)(end - space - 1));
		else if (!strncmp(p, "softdep ", 8))
			mod = find(m, p + 8, strcspn(p + 8, " \n"));
		if (mod && mod->chosen)
			fprintf(f, "%.*s\n", (int)(end - p), p);
		p = *end ? end + 1 : end;
	}
	return fclose(f) ? NULL : steal_ptr(kept);
}

bool image_modules_provides(
    const struct image_modules *m, const struct image_module_index *index, const char *name)
{
	const struct module *mod = find(m, name, strlen(name));
	char wanted_name[NAME_MAX_BYTES], builtin[NAME_MAX_BYTES];

	if (mod)
		return mod->chosen;
	if (!name_of(name, strlen(name), wanted_name))
		return false;
	for (const char *p = index->builtin; p && *p;) {
		const char *end = strchrnul(p, '\n');

		if (name_of(p, (size_t)(end - p), builtin) && !strcmp(builtin, wanted_name))
			return true;
		p = *end ? end + 1 : end;
	}
	return false;
}
