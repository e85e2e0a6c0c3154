#include "vmlab/lab/keys.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/process.h"
#include "lib/machine/machine.h"
#include "lib/net/ssh_key.h"

#define KEY_FILE_MAX_BYTES (1024 * 1024)

static char *home_path(const struct lab *lab, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", lab->home, name) < 0 ? NULL : path;
}

char *keys_identity_path(const struct lab *lab)
{
	return home_path(lab, "id_ed25519");
}

char *keys_known_hosts_path(const struct lab *lab, const char *vm)
{
	char *path;

	return asprintf(&path, "%s/known_hosts/%s/%s", lab->home, lab->name, vm) < 0 ? NULL : path;
}

char *keys_host_alias(const struct lab *lab, const char *vm)
{
	char *alias;

	return asprintf(&alias, "%s.%s.vmlab", vm, lab->name) < 0 ? NULL : alias;
}

/* Creates every missing folder of `path`, up to its last slash, for the owner only. */
static int make_folders(const char *path, struct err *e)
{
	_cleanup_free_ char *copy = strdup(path);

	if (!copy)
		return err_set(e, ENOMEM, "out of memory");
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			return err_errno(e,
			    "cannot create the folder %s for the lab's SSH key (set VMLAB_HOME to use another)",
			    copy);
		*slash = '/';
	}
	return 0;
}

static int generate(const char *path, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;
	_cleanup_process_result_ struct process_result r = PROCESS_RESULT_INIT;

	argv_adds(&a, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vmlab", "-f", path);
	int n = process_capture(&a, 60000, 65536, &r, e);
	if (n == -ENOENT)
		return err_set(e, ENOENT,
		    "ssh-keygen is not installed, it makes the lab's key: `apt-get install openssh-client`");
	if (n < 0)
		return n;
	r.err[strcspn(r.err, "\n")] = '\0';
	if (r.status != 0)
		return err_set(e, EIO, "ssh-keygen cannot make %s: %s", path, r.err);
	return 0;
}

/* True when `text` has a line that starts with the first `len` bytes of `line`. */
static bool has_line(const char *text, const char *line, size_t len)
{
	for (const char *p = text; *p;) {
		if (strncmp(p, line, len) == 0)
			return true;
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	return false;
}

static int ensure_authorized(const struct lab *lab, const char *identity, struct err *e)
{
	_cleanup_free_ char *path = home_path(lab, "authorized_keys"), *pub_path = NULL;
	_cleanup_free_ char *pub = NULL, *old = NULL, *text = NULL;
	size_t len;

	if (!path || asprintf(&pub_path, "%s.pub", identity) < 0)
		return err_set(e, ENOMEM, "out of memory");
	int r = file_read(pub_path, KEY_FILE_MAX_BYTES, &pub, &len, e);
	if (r < 0)
		return r;
	pub[strcspn(pub, "\n")] = '\0';
	r = file_read(path, KEY_FILE_MAX_BYTES, &old, &len, e);
	if (r < 0 && r != -ENOENT)
		return r;
	/* "type base64": the comment may differ. */
	const char *space = strchr(pub, ' ');
	size_t key_len = space ? (size_t)(space + 1 - pub) + strcspn(space + 1, " ") : strlen(pub);
	if (old && has_line(old, pub, key_len))
		return 0;
	bool cut = old && *old && old[strlen(old) - 1] != '\n';
	if (asprintf(&text, "%s%s%s\n", old ? old : "", cut ? "\n" : "", pub) < 0)
		return err_set(e, ENOMEM, "out of memory");
	r = atomic_file_replace(path, text, strlen(text), 0644, e);
	return r < 0 ? r : 0;
}

int keys_ensure(const struct lab *lab, bool *created, struct err *e)
{
	_cleanup_free_ char *identity = keys_identity_path(lab);

	*created = false;
	if (!identity)
		return err_set(e, ENOMEM, "out of memory");
	int r = make_folders(identity, e);
	if (r < 0)
		return r;
	if (access(identity, F_OK) < 0) {
		r = generate(identity, e);
		if (r < 0)
			return r;
		*created = true;
	}
	return ensure_authorized(lab, identity, e);
}

struct warning {
	const char *path;
	FILE *f;
};

static void warn_line(void *ctx, int number, const char *line)
{
	const struct warning *w = ctx;

	if (!ssh_key_valid(line))
		fprintf(w->f, "%s:%d: warning: %s\n", w->path, number, ssh_key_complaint(line));
}

void keys_warn(const struct lab *lab, FILE *f)
{
	_cleanup_free_ char *path = home_path(lab, "authorized_keys"), *text = NULL;
	struct err ignored = ERR_INIT;
	size_t len;

	if (!path || file_read(path, KEY_FILE_MAX_BYTES, &text, &len, &ignored) < 0)
		return;
	const char *useless = ssh_key_file_useless(text, len);
	if (useless)
		fprintf(f, "%s: warning: %s; no key of it is used\n", path, useless);
	else
		ssh_key_each_line(text, warn_line, &(struct warning){path, f});
}

char *keys_render_known_hosts(const char *alias, const json_t *public_keys)
{
	char *text = NULL;
	size_t size, i;
	const json_t *value;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	json_array_foreach(public_keys, i, value) {
		const char *line = json_string_value(value);
		char key[MACHINE_KEY_SIZE];
		if (line && ssh_key_bare(line, key, sizeof(key)))
			fprintf(f, "%s %s\n", alias, key);
	}
	if (fclose(f) != 0 || size == 0) {
		free(text);
		return NULL;
	}
	return text;
}

int keys_remember_host(
    const struct lab *lab, const char *vm, const json_t *public_keys, struct err *e)
{
	_cleanup_free_ char *path = keys_known_hosts_path(lab, vm);
	_cleanup_free_ char *alias = keys_host_alias(lab, vm);

	if (!path || !alias)
		return err_set(e, ENOMEM, "out of memory");
	_cleanup_free_ char *text = keys_render_known_hosts(alias, public_keys);
	if (!text)
		return KEYS_NONE;
	int r = make_folders(path, e);
	if (r == 0)
		r = atomic_file_replace(path, text, strlen(text), 0600, e);
	return r < 0 ? r : 0;
}

void keys_forget_host(const struct lab *lab, const char *vm)
{
	_cleanup_free_ char *path = keys_known_hosts_path(lab, vm);

	if (path)
		unlink(path);
}

void keys_forget_hosts(const struct lab *lab)
{
	_cleanup_free_ char *folder = keys_known_hosts_path(lab, "");
	_cleanup_closedir_ DIR *d = folder ? opendir(folder) : NULL;

	for (const struct dirent *entry; d && (entry = readdir(d));)
		if (vm_name_valid(entry->d_name))
			keys_forget_host(lab, entry->d_name);
	if (d)
		rmdir(folder);
}
