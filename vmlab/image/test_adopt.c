/* Images made of what other tools put into the folder of images: read in place, whole or not at
 * all. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "vmlab/image/adopt.h"
#include "vmlab/image/list.h"
#include "vmlab/image/manifest.h"

#define V "6.8.0-87-generic"

static char top[] = "/tmp/test_adopt.XXXXXX";
static char images[64], made[64];

__attribute__((format(printf, 1, 2))) static void sh(const char *fmt, ...)
{
	char command[2000];
	va_list ap;

	int n = snprintf(command, sizeof(command), "set -e; cd %s; ", top);
	va_start(ap, fmt);
	vsnprintf(command + n, sizeof(command) - (size_t)n, fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(top))
		return -1;
	snprintf(images, sizeof(images), "%s/images", top);
	snprintf(made, sizeof(made), "%s/made", top);
	sh("umask 022; mkdir -p images made tree/boot tree/usr/sbin tree/usr/lib/modules/" V
	   "/kernel; cd tree;"
	   "ln -s usr/lib lib; echo kernel >boot/vmlinuz-" V "; echo x >usr/sbin/grub-install;"
	   "cd lib/modules/" V "; echo code >kernel/ext4.ko; echo kernel/ext4.ko: >modules.dep");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sh("rm -rf %s", top);
	return 0;
}

/* images/<distro>/x86_64/rootfs.tar.gz, made by `how` of the tree. */
static struct adopted pull(const char *distro, const char *how)
{
	struct adopted source;

	sh("mkdir -p images/%s/x86_64; tar -C tree -c . | %s >images/%s/x86_64/rootfs.tar.gz",
	    distro, how, distro);
	assert_true(adopted_find(images, distro, VM_ARCH_AMD64, &source));
	return source;
}

static int read_all(const char *distro, const struct adopted *source, struct err *e)
{
	struct image_adopt a = {images, made, NULL};
	struct image_adopt_read r = IMAGE_ADOPT_READ_INIT;
	int rc;

	assert_int_equal(image_adopt_read_start(&r, &a, distro, VM_ARCH_AMD64, source, e), 0);
	while ((rc = image_adopt_read_poll(&r, e)) > 0)
		usleep(1000);
	return rc;
}

static void in_place(void **state)
{
	static const char *const how[][2] = {
	    {"gzip -1", "tar.gz"}, {"zstd -q", "tar.zst"}, {"xz -0", "tar.xz"}};
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct adopted source = pull("os", how[i][0]);
		if (read_all("os", &source, &e) != 0)
			fail_msg("%s: %s", how[i][0], e.msg);
		_cleanup_image_manifest_ struct image_manifest m = {0};
		char sum[2 * DIGEST_BYTES + 1];
		assert_int_equal(image_manifest_load(made, "os", VM_ARCH_AMD64, &m, &e), 0);
		assert_string_equal(m.rootfs.file, "rootfs.tar.gz");
		assert_string_equal(m.rootfs.format, how[i][1]);
		assert_true(adopted_made_of(m.adopted, &source));
		sh("echo '%s  images/os/x86_64/rootfs.tar.gz' | sha256sum -c --quiet",
		    hex_encode(m.rootfs.sha256.byte, DIGEST_BYTES, sum));
		sh("test \"$(ls -A made/os made/os/amd64 | tr '\\n' ' ')\" = "
		   "'made/os: amd64  made/os/amd64: manifest.json modules.cpio.zst vmlinuz '");
		sh("test \"$(ls -A images/os/x86_64)\" = rootfs.tar.gz; echo kernel | cmp - made/os/amd64/vmlinuz");
	}
}

static void bad_ones(void **state)
{
	static const struct {
		const char *how, *says;
		int code;
	} cases[] = {
	    {"gzip -1 | head -c 200", "cut short", EBADMSG},
	    {"cat", "neither gzip, zstd nor xz", EINVAL},
	    {"bzip2", "neither gzip, zstd nor xz", EINVAL},
	    {"wc | gzip", "not a tarball", EBADMSG},
	    {"tar -x -O ./boot | tar -c -T /dev/null | gzip", "no kernel", EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err e = ERR_INIT;
		struct adopted source = pull("bad", cases[i].how);
		assert_int_equal(read_all("bad", &source, &e), -cases[i].code);
		if (!strstr(e.msg, cases[i].says))
			fail_msg("%s: %s", cases[i].how, e.msg);
		sh("test ! -e made/bad");
	}
}

/* What is given out must be what lies there: not what lay there when the reading began. */
static void changed_meanwhile(void **state)
{
	struct err e = ERR_INIT;
	struct adopted source = pull("moving", "gzip -1");

	(void)state;
	source.st.st_mtim.tv_nsec ^= 1;
	assert_int_equal(read_all("moving", &source, &e), -EAGAIN);
	sh("test ! -e made/moving");
}

/* A reader that dies is told as one. */
static void killed(void **state)
{
	struct image_adopt a = {images, made, NULL};
	struct image_adopt_read r = IMAGE_ADOPT_READ_INIT;
	struct err e = ERR_INIT;
	struct adopted source = pull("long", "gzip -1");
	int rc;

	(void)state;
	sh("cd images/long/x86_64; rm rootfs.tar.gz; mkfifo rootfs.tar.gz");
	assert_int_equal(image_adopt_read_start(&r, &a, "long", VM_ARCH_AMD64, &source, &e), 0);
	assert_int_equal(image_adopt_read_poll(&r, &e), 1);
	kill(r.pid, SIGKILL);
	while ((rc = image_adopt_read_poll(&r, &e)) > 0)
		usleep(1000);
	assert_int_equal(rc, -EBADMSG);
	assert_non_null(strstr(e.msg, "signal 9"));
	assert_int_equal(image_adopt_read_start(&r, &a, "long", VM_ARCH_AMD64, &source, &e), 0);
	image_adopt_read_stop(&r);
	assert_int_equal(r.pid, 0);
	sh("rm -r images/long");
}

static void not_ours_to_remove(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	(void)pull("theirs", "gzip -1");
	assert_int_equal(image_list_remove(images, "theirs", NULL, &e), -EPERM);
	assert_non_null(strstr(e.msg, "theirs/x86_64"));
	assert_int_equal(image_list_remove(images, "theirs", "arm64", &e), -ENOENT);
	sh("test -e images/theirs/x86_64/rootfs.tar.gz");
}

static bool comes(const char *path)
{
	for (int i = 0; i < 600 && access(path, F_OK) < 0; i++)
		usleep(100000);
	return access(path, F_OK) == 0;
}

/* What is gone takes no room from what comes: the daemon runs for years. */
static void gone_ones_are_forgotten(void **state)
{
	struct image_adopt a = {images, made, NULL};
	static const volatile sig_atomic_t never;
	char first[100], fresh[100];
	struct err e = ERR_INIT;

	(void)state;
	snprintf(first, sizeof(first), "%s/old-1024/amd64.json", made);
	snprintf(fresh, sizeof(fresh), "%s/fresh/amd64.json", made);
	sh("rm -rf images/* made/*; for i in $(seq 1024); do mkdir -p images/old-$i/x86_64;"
	   "echo x >images/old-$i/x86_64/rootfs.tar.gz; done");
	pid_t pid = fork();
	if (pid == 0)
		_exit(image_adopt_run(&a, &never, &e) < 0);
	bool filled = comes(first);
	sh("rm -r images/old-*; mkdir -p images/fresh/x86_64; echo x >images/fresh/x86_64/rootfs.tar.gz");
	bool told = comes(fresh);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(filled);
	assert_true(told);
	sh("rm -r images/fresh made/*");
}

static void silent(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(in_place),
	    cmocka_unit_test(bad_ones),
	    cmocka_unit_test(changed_meanwhile),
	    cmocka_unit_test(killed),
	    cmocka_unit_test(not_ours_to_remove),
	    cmocka_unit_test(gone_ones_are_forgotten),
	};

	log_set_sink(silent);
	return cmocka_run_group_tests(tests, setup, teardown);
}
