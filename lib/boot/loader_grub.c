/* GRUB's scripts, for what docker/stack/tftp/grub/grub.cfg runs by "source", again and again: who
 * has to wait comes to the end. Its language is a shell's; within single quotes nothing is special
 * but the quote itself. */
#include "lib/boot/script.h"

#include "lib/machine/arch.h"

static void put_quoted(struct text *t, const char *s)
{
	put(t, "'");
	for (const char *end; (end = strchr(s, '\'')); s = end + 1) {
		put_bytes(t, s, (size_t)(end - s));
		put(t, "'\\''");
	}
	put(t, s);
	put(t, "'");
}

static void put_line(struct text *t, const char *line)
{
	put(t, "echo 'vmlab: '");
	for (const char *end; (end = strchr(line, *BOOT_ITS_ARCH)); line = end + 1) {
		put(t, "'");
		put_bytes(t, line, (size_t)(end - line));
		put(t, "'$grub_cpu");
	}
	put_quoted(t, line);
	put(t, "\n");
}

/* A path below the base URL, as GRUB names files: "(http,192.168.100.1)/images/...". */
static void put_file(struct text *t, const struct boot_facts *f, const char *path)
{
	const char *host = strstr(f->urls->base, "://") + 3;
	size_t len = strcspn(host, "/");

	put(t, "'(http,");
	put_bytes(t, host, len);
	put(t, ")");
	put(t, host + len);
	put(t, path);
	put(t, "'");
}

/* Words that a kernel would not get as they are here: GRUB puts a backslash before each of these.
 */
static void put_words(struct text *t, const char *words)
{
	t->full |= strpbrk(words, "\"'\\") != NULL;
	while (*words) {
		size_t len = strcspn(words, " ");

		if (len > 0) {
			put(t, " '");
			put_bytes(t, words, len);
			put(t, "'");
		}
		words += len + (words[len] == ' ');
	}
}

static void put_again(struct text *t)
{
	put(t, "sleep ");
	put_number(t, BOOT_WAIT_S);
	put(t, "\n");
}

static void put_failed(struct text *t)
{
	put(t, "echo 'vmlab: loading failed, asking again in ");
	put_number(t, BOOT_WAIT_S);
	put(t, " s'\n");
	put_again(t);
}

static void put_wait(struct text *t, const struct boot_plan *plan, const struct boot_facts *f)
{
	(void)f;
	if (plan->renew)
		put(t, "net_dhcp\n");
	put_again(t);
}

/* Any local disk that has the removable-media loader of this architecture; that one is checked as
 * the firmware would, and takes what comes next from the device that is GRUB's root. Where there is
 * none the firmware's menu follows: GRUB ends with success only. */
static void put_disk(struct text *t, const struct boot_plan *plan, const struct boot_facts *f)
{
	(void)plan;
	(void)f;
	for (size_t i = 0; i < VM_ARCH_COUNT; i++) {
		put(t, "if [ \"$grub_cpu-$grub_platform\" = ");
		put(t, arches[i].grub_target);
		put(t, " ]; then set vmlab_file=/EFI/BOOT/");
		put(t, arches[i].removable);
		put(t, "; fi\n");
	}
	put(t, "unset vmlab_disk\n"
	       "search --no-floppy --set=vmlab_disk --file $vmlab_file\n"
	       "if [ -n \"$vmlab_disk\" ]; then\n"
	       "\tset root=$vmlab_disk\n"
	       "\tif chainloader $vmlab_file; then boot; fi\n"
	       "fi\n"
	       "exit\n");
}

static void put_kernel(struct text *t, const struct boot_plan *plan, const struct boot_facts *f)
{
	put(t, "if linux ");
	put_file(t, f, plan->kernel);
	put_words(t, plan->words);
	put(t, plan->initrds ? "; then\nif initrd" : "; then\nif true");
	for (unsigned i = 0; i < plan->initrds; i++) {
		put(t, " ");
		put_file(t, f, plan->initrd[i]);
	}
	put(t, "; then boot; fi\nfi\n");
	put_failed(t);
}

static void put_unable(struct text *t, const char *what)
{
	put(t, "echo 'vmlab: ");
	put(t, what);
	put(t, "'\n");
	put_again(t);
}

static void put_chain(struct text *t, const struct boot_plan *plan, const struct boot_facts *f)
{
	if (!plan->efi) {
		put_unable(
		    t, "this image is a script for iPXE, and this machine was started by GRUB");
		return;
	}
	put(t, "if chainloader ");
	put_file(t, f, plan->efi);
	put_words(t, plan->words);
	put(t, "; then boot; fi\n");
	put_failed(t);
}

static void put_san(struct text *t, const struct boot_plan *plan, const struct boot_facts *f)
{
	(void)plan;
	(void)f;
	put_unable(t, "this image is a disk for iPXE, and this machine was started by GRUB");
}

/* Shown when grub.cfg ends, for which it looks at vmlab_menu. Text between is an entry that does
 * nothing. */
static void put_menu(struct text *t, const struct boot_plan *plan, const struct boot_facts *f)
{
	put(t, "set vmlab_menu=y\nset default=");
	put_quoted(t, plan->preset);
	put(t, "\nset timeout=");
	if (plan->timeout_s > 0)
		put_number(t, plan->timeout_s);
	else
		put(t, "-1");
	put(t, "\nfunction vmlab_choose {\n\twhile true; do\n\t\tsource ");
	put_file(t, f, "/grub?mac=");
	put(t, "\"$net_default_mac$vmlab_shows&choose=$1\"\n\t\tsleep 1\n\tdone\n}\n");
	for (unsigned i = 0; i < plan->items; i++) {
		put(t, "menuentry ");
		put_quoted(t, plan->item[i].says);
		if (*plan->item[i].name) {
			put(t, " --id ");
			put_quoted(t, plan->item[i].name);
			put(t, " { vmlab_choose ");
			put_quoted(t, plan->item[i].name);
			put(t, "; }\n");
		} else {
			put(t, " { true; }\n");
		}
	}
}

static size_t render(const struct boot_plan *plan, const struct boot_facts *f, char *buf)
{
	static void (*const verbs[])(
	    struct text *t, const struct boot_plan *plan, const struct boot_facts *f) = {
	    [BOOT_WAIT] = put_wait,
	    [BOOT_DISK] = put_disk,
	    [BOOT_KERNEL] = put_kernel,
	    [BOOT_NEXT] = put_disk,
	    [BOOT_CHAIN] = put_chain,
	    [BOOT_SAN] = put_san,
	    [BOOT_MENU] = put_menu,
	};
	struct text t = {buf, 0, plan->full};

	if (plan->remark) {
		put(&t, "# ");
		put(&t, plan->remark);
		put(&t, "\n");
	}
	put(&t, "set vmlab_answered=y\n");
	for (unsigned i = 0; i < plan->lines; i++)
		put_line(&t, plan->line[i]);
	if (strncmp(f->urls->base, "https:", 6) == 0)
		put_unable(&t, "the files are at an https URL, which GRUB does not know");
	else
		verbs[plan->verb](&t, plan, f);
	return put_end(&t, f, render);
}

const struct boot_loader boot_loader_grub = {
    .name = "grub",
    .content_type = "text/plain",
    .render = render,
};
