#include "os_installer/bootloader/kexec_parts.h"

#include <errno.h>
#include <linux/kexec.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "os_installer/bootloader/kexec_tree.h"

/* For every size of page there is. */
#define PAGE (UINT64_C(64) << 10)
#define WINDOW (UINT64_C(32) << 30) /* in which kernel and initramfs are, from a whole GiB on */
#define GIB (UINT64_C(1) << 30)
#define TREE_MAX (UINT64_C(2) << 20)
#define IOMEM_MAX (4U << 20)

#ifdef __aarch64__
#define IS_ARM64 true
#else
#define IS_ARM64 false
#endif

static uint64_t paged(uint64_t bytes)
{
	return (bytes + PAGE - 1) & ~(PAGE - 1);
}

/* ---- places ---------------------------------------------------------------------------------- */

int kexec_places_find(struct memory_map *map, const struct kernel_image *kernel,
    uint64_t initrd_bytes, uint64_t tree_bytes, struct kexec_places *out, struct err *e)
{
	*out = (struct kexec_places){0};
	uint64_t base = memory_map_take(
	    map, kernel->offset + paged(kernel->bytes), KERNEL_IMAGE_ALIGN, UINT64_MAX);
	uint64_t end = (base & ~(GIB - 1)) + WINDOW;
	if (base && initrd_bytes)
		out->initrd = memory_map_take(map, paged(initrd_bytes), PAGE, end);
	/* Within one block of 2 MiB, by which a kernel that begins looks at it. */
	if (base && tree_bytes <= TREE_MAX)
		out->tree = memory_map_take(map, paged(tree_bytes), TREE_MAX, end);
	out->start = memory_map_take(map, PAGE, PAGE, end);
	if (!base || (initrd_bytes && !out->initrd) || !out->tree || !out->start)
		return err_set(e, ENOMEM,
		    "there is no place in this machine's memory for another kernel of %llu MiB and its initramfs of %llu MiB",
		    (unsigned long long)kernel->bytes >> 20,
		    (unsigned long long)initrd_bytes >> 20);
	out->kernel = base + kernel->offset;
	return 0;
}

void kexec_start_make(const struct kexec_places *places, uint32_t out[KEXEC_START_WORDS])
{
	const uint32_t program[KEXEC_START_WORDS] = {
	    0x580000c4, /* ldr x4, .+24 */
	    0x580000e0, /* ldr x0, .+28 */
	    0xaa1f03e1, /* mov x1, xzr */
	    0xaa1f03e2, /* mov x2, xzr */
	    0xaa1f03e3, /* mov x3, xzr */
	    0xd61f0080, /* br x4 */
	    (uint32_t)places->kernel,
	    (uint32_t)(places->kernel >> 32),
	    (uint32_t)places->tree,
	    (uint32_t)(places->tree >> 32),
	};

	memcpy(out, program, sizeof(program));
}

/* ---- what is read ---------------------------------------------------------------------------- */

struct mapped {
	void *data;
	size_t len;
};

static void cleanup_mapped(struct mapped *m)
{
	if (m->data)
		munmap(m->data, m->len);
}
#define _cleanup_mapped_ __attribute__((cleanup(cleanup_mapped)))

static int map_file(int fd, const char *what, struct mapped *out, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(e, "cannot look at %s", what);
	if (st.st_size <= 0)
		return err_set(e, EINVAL, "%s is empty", what);
	void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return err_errno(e, "cannot read %s", what);
	*out = (struct mapped){data, (size_t)st.st_size};
	return 0;
}

static int read_map(struct memory_map *out, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = file_read("/proc/iomem", IOMEM_MAX, &text, &len, e);

	return r < 0 ? r : memory_map_parse(text, out, e);
}

static int seed(struct kexec_chosen *c, struct err *e)
{
	if (getrandom(c->kaslr_seed, sizeof(c->kaslr_seed), 0) != sizeof(c->kaslr_seed) ||
	    getrandom(c->rng_seed, sizeof(c->rng_seed), 0) != sizeof(c->rng_seed))
		return err_errno(e, "this kernel has no random numbers");
	return 0;
}

/* ---- into the kernel ------------------------------------------------------------------------- */

struct parts {
	struct kernel_image kernel;
	struct mapped initrd; /* data is NULL where there is none */
	void *tree;
	size_t tree_len;
	struct kexec_places at;
	uint32_t start[KEXEC_START_WORDS];
};

static int load(const struct parts *p, struct err *e)
{
	struct kexec_segment all[4] = {
	    {p->kernel.data, p->kernel.len, (void *)p->at.kernel, paged(p->kernel.bytes)},
	    {p->tree, p->tree_len, (void *)p->at.tree, paged(p->tree_len)},
	    {p->start, sizeof(p->start), (void *)p->at.start, PAGE},
	    {p->initrd.data, p->initrd.len, (void *)p->at.initrd, paged(p->initrd.len)},
	};

	if (syscall(SYS_kexec_load, p->at.start, p->initrd.data ? 4 : 3, all, KEXEC_ARCH_AARCH64) ==
	    0)
		return 0;
	if (errno == ENOSYS)
		return err_set(e, ENOSYS,
		    "this kernel does not start another one: it was built without kexec_load(2) and kexec_file_load(2)");
	if (errno == EPERM)
		return err_set(e, EPERM,
		    "this kernel does not start another one: it is locked down (Secure Boot), or its kernel.kexec_load_disabled is set");
	return err_errno(e, "this kernel does not start another one (kexec)");
}

/* The device tree says where the initramfs is; it is no longer than one that says it of none. */
static int make(struct parts *p, const char *cmdline, struct err *e)
{
	static struct memory_map map;
	_cleanup_free_ char *tree = NULL;
	_cleanup_free_ void *first = NULL;
	struct kexec_chosen chosen = {.cmdline = cmdline, .initrd = PAGE, .initrd_bytes = 0};
	size_t len, first_len;
	int r = file_read("/sys/firmware/fdt", TREE_MAX, &tree, &len, e);

	if (r < 0)
		return err_wrap(e, "this kernel does not start another one");
	r = seed(&chosen, e);
	if (r == 0)
		r = kexec_tree_make(tree, len, &chosen, &first, &first_len, e);
	if (r == 0)
		r = read_map(&map, e);
	if (r == 0)
		r = kexec_places_find(&map, &p->kernel, p->initrd.len, first_len, &p->at, e);
	if (r < 0)
		return r;
	chosen.initrd = p->at.initrd;
	chosen.initrd_bytes = p->initrd.len;
	kexec_start_make(&p->at, p->start);
	return kexec_tree_make(tree, len, &chosen, &p->tree, &p->tree_len, e);
}

int kexec_parts_load(int kernel, int initramfs, const char *cmdline, struct err *e)
{
	_cleanup_mapped_ struct mapped file = {.data = NULL};
	struct parts p = {.tree = NULL};

	if (!IS_ARM64)
		return err_set(e, ENOSYS,
		    "this kernel does not start another one: it was built without kexec_file_load(2)");
	int r = map_file(kernel, "the kernel", &file, e);
	if (r == 0)
		r = kernel_image_read(file.data, file.len, &p.kernel, e);
	if (r == 0 && initramfs >= 0)
		r = map_file(initramfs, "the initramfs", &p.initrd, e);
	if (r == 0)
		r = make(&p, cmdline, e);
	if (r == 0)
		r = load(&p, e);
	cleanup_mapped(&p.initrd);
	kernel_image_clear(&p.kernel);
	free(p.tree);
	return r;
}
