#include "vmlab/lab/backups.h"
#include "vmlab/lab/lab.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/image/adopted.h"
#include "lib/base/cleanup.h"
#include "lib/boot/boot.h"
#include "lib/image/manifest.h"
#include "lib/image/own_kernel.h"
#include "lib/image/studio.h"
#include "vmlab/lab/lab_folder.h"
#include "vmlab/lab/lab_name.h"
#include "vmlab/lab/lab_network.h"
#include "vmlab/lab/lab_settings.h"

bool lab_name_valid(const char *name)
{
	size_t len = strlen(name);

	return len <= 40 && vm_label_valid(name);
}

/* The option, else the environment variable unless empty, else NULL. */
static const char *given(const char *option, const char *variable)
{
	const char *value = option ? option : getenv(variable);

	return value && *value ? value : NULL;
}

/* An absolute path without requiring that it exists. NULL only without memory. */
static char *absolute(const char *path)
{
	char *real = realpath(path, NULL), *joined;

	if (real)
		return real;
	if (*path == '/')
		return strdup(path);
	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	if (!cwd || asprintf(&joined, "%s/%s", cwd, path) < 0)
		return NULL;
	return joined;
}

static int replace(char **slot, char *value, struct err *e)
{
	if (!value)
		return err_set(e, ENOMEM, "out of memory");
	free(*slot);
	*slot = value;
	return 0;
}

static int port_parse(const char *text, int *port, struct err *e)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (strcmp(text, "auto") == 0)
		n = LAB_PORT_AUTO;
	else if (*end || end == text || n < 1 || n > 65535)
		return err_set(
		    e, EINVAL, "port \"%s\" is neither auto nor a number from 1 to 65535", text);
	*port = (int)n;
	return 0;
}

static int init_home(struct lab *lab, struct err *e)
{
	const char *home = given(NULL, "VMLAB_HOME"), *user = getenv("HOME");
	char *path;

	if (home)
		return replace(&lab->home, absolute(home), e);
	if (!user || *user != '/')
		return err_set(e, EINVAL,
		    "HOME is not set: set it, or VMLAB_HOME to a folder for the lab's SSH key");
	if (asprintf(&path, "%s/.local/share/vmlab", user) < 0)
		path = NULL;
	return replace(&lab->home, path, e);
}

static int init_dir(struct lab *lab, struct err *e)
{
	char *path;

	return replace(
	    &lab->dir, asprintf(&path, "%s/labs/%s", lab->home, lab->name) < 0 ? NULL : path, e);
}

static int init_images(struct lab *lab, struct err *e)
{
	const char *stack = given(NULL, "VMLAB_STACK_IMAGE"), *vm = given(NULL, "VMLAB_VM_IMAGE");

	int r = replace(&lab->stack_image, strdup(stack ? stack : LAB_STACK_IMAGE), e);
	return r < 0 ? r : replace(&lab->vm_image, strdup(vm ? vm : LAB_VM_IMAGE), e);
}

static int init_network(struct lab *lab, struct err *e)
{
	const char *cidr = given(NULL, "VMLAB_CIDR"), *domain = given(NULL, "VMLAB_DOMAIN");
	const char *reach = given(NULL, "VMLAB_REACH");
	const char *strangers = given(NULL, "VMLAB_STRANGERS");
	int r;

	lab->cidr_given = cidr != NULL;
	lab->domain_given = domain != NULL;
	lab->reach_given = reach != NULL;
	lab->strangers_given = strangers != NULL;
	r = replace(&lab->cidr_text, strdup(cidr ? cidr : LAB_DEFAULT_CIDR), e);
	if (r == 0)
		r = replace(&lab->domain, strdup(domain ? domain : LAB_DEFAULT_DOMAIN), e);
	if (r == 0)
		r = replace(&lab->reach, strdup(reach ? reach : ""), e);
	if (r == 0)
		r = replace(&lab->strangers, strdup(strangers ? strangers : ""), e);
	if (r < 0)
		return r;
	r = lab_reach_check(lab->reach, e);
	if (r == 0)
		r = lab_strangers_check(lab->strangers, e);
	if (r == 0)
		r = lab_domain_check(lab->domain, e);
	if (r == 0)
		r = cidr6_parse(LAB_CIDR6, true, &lab->cidr6, e);
	return r < 0 ? r : lab_network_parse(lab->cidr_text, &lab->cidr, e);
}

char *lab_vms_path(const struct lab *lab)
{
	return lab->vms_dir ? strdup(lab->vms_dir) : absolute("vms");
}

static int name_after_folder(struct lab *lab, struct err *e)
{
	_cleanup_free_ char *folder = lab_vms_path(lab);
	char name[LAB_NAME_SIZE] = "";

	if (folder)
		lab_name_make(folder, NULL, name);
	return replace(&lab->name, folder ? strdup(name) : NULL, e);
}

int lab_rename(struct lab *lab, const char *name, struct err *e)
{
	int r = replace(&lab->name, strdup(name), e);

	if (r == 0)
		r = init_dir(lab, e);
	if (r == 0)
		r = init_network(lab, e);
	if (!lab->images_given) {
		free(lab->images_dir);
		lab->images_dir = NULL;
	}
	return r < 0 ? r : lab_settings_load(lab, e);
}

int lab_init(struct lab *lab, const struct lab_options *options, struct err *e)
{
	const char *name = given(options->name, "VMLAB_LAB");
	const char *vms = given(options->vms_dir, "VMLAB_VMS");
	const char *images = given(options->images_dir, "VMLAB_IMAGES");
	const char *port = given(options->port, "VMLAB_PORT");
	int r;

	lab_clear(lab);
	if (name && !lab_name_valid(name))
		return err_set(e, EINVAL,
		    "lab name \"%s\" cannot be used: lower case letters, digits and '-', at most 40 characters",
		    name);
	lab->port = LAB_PORT_NONE;
	lab->name_given = name != NULL;
	lab->vms_given = vms != NULL;
	lab->images_given = images != NULL;
	lab->port_given = port != NULL;
	r = vms ? replace(&lab->vms_dir, absolute(vms), e) : 0;
	if (r == 0)
		r = name ? replace(&lab->name, strdup(name), e) : name_after_folder(lab, e);
	if (r == 0 && images)
		r = replace(&lab->images_dir, absolute(images), e);
	if (r == 0 && port)
		r = port_parse(port, &lab->port, e);
	if (r == 0)
		r = init_home(lab, e);
	if (r == 0)
		r = init_dir(lab, e);
	if (r == 0)
		r = init_images(lab, e);
	if (r == 0)
		r = init_network(lab, e);
	return r < 0 ? r : lab_settings_load(lab, e);
}

void lab_clear(struct lab *lab)
{
	free(lab->name);
	free(lab->vms_dir);
	free(lab->images_dir);
	free(lab->home);
	free(lab->dir);
	free(lab->cidr_text);
	free(lab->domain);
	free(lab->reach);
	free(lab->strangers);
	free(lab->stack_image);
	free(lab->vm_image);
	free(lab->folder_id);
	free(lab->left);
	*lab = (struct lab)LAB_INIT;
}

/* The value of a label of the lab's stack, or of its net container. */
static const char *lab_label(const struct container_list *containers, const char *label)
{
	static const char *const roles[] = {"stack", "net"};

	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
		const struct container *c = container_list_role(containers, roles[i]);
		const char *value = c ? container_label(c, label) : NULL;
		if (value && *value)
			return value;
	}
	return NULL;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int lab_take(struct lab *lab, const struct lab_values *v, struct err *e)
{
	int r = 0;

	if (v->reach && !lab->reach_given)
		r = lab_reach_check(v->reach, e) < 0 ? -EINVAL
						     : replace(&lab->reach, strdup(v->reach), e);
	if (r == 0 && v->strangers && !lab->strangers_given)
		r = lab_strangers_check(v->strangers, e) < 0
			? -EINVAL
			: replace(&lab->strangers, strdup(v->strangers), e);
	if (r == 0 && v->domain && !lab->domain_given)
		r = lab_domain_check(v->domain, e) < 0
			? -EINVAL
			: replace(&lab->domain, strdup(v->domain), e);
	if (r == 0 && v->images && !lab->images_given)
		r = replace(&lab->images_dir, strdup(v->images), e);
	if (r == 0 && v->cidr && !lab->cidr_given) {
		r = lab_network_parse(v->cidr, &lab->cidr, e);
		if (r == 0)
			r = replace(&lab->cidr_text, strdup(v->cidr), e);
	}
	return r;
}

char *lab_default_images(const struct lab *lab)
{
	const char *slash = lab->vms_dir ? strrchr(lab->vms_dir, '/') : NULL;
	char *path;

	return slash && asprintf(&path, "%.*s/images", (int)(slash - lab->vms_dir), lab->vms_dir) >=
			    0
		   ? path
		   : NULL;
}

static int adopt_labels(struct lab *lab, const struct container_list *containers, struct err *e)
{
	const struct container *net = container_list_role(containers, "net");
	const char *value;
	int r = 0;

	if (!lab->vms_given && !(lab->found_by_folder && is_folder("vms")) &&
	    (value = lab_label(containers, "vmlab.vms")))
		r = replace(&lab->vms_dir, strdup(value), e);
	/* "auto" is content with the port that a running lab has. */
	if (r == 0 && (!lab->port_given || (lab->port == LAB_PORT_AUTO && net && net->running)) &&
	    (value = lab_label(containers, "vmlab.port")) && strcmp(value, "0") != 0)
		r = port_parse(value, &lab->port, e);
	/* Where the socket was made, whatever VMLAB_HOME says by now. */
	if (r == 0 && (value = lab_label(containers, "vmlab.dir")))
		r = replace(&lab->dir, strdup(value), e);
	if (r < 0 || !lab_label(containers, "vmlab.cidr"))
		return r;
	/* Empty ones are the default's. */
	const char *reach = lab_label(containers, "vmlab.reach");
	const char *strangers = lab_label(containers, "vmlab.strangers");
	const struct lab_values v = {.cidr = lab_label(containers, "vmlab.cidr"),
	    .domain = lab_label(containers, "vmlab.domain"),
	    .reach = reach ? reach : "",
	    .strangers = strangers ? strangers : "",
	    .images = lab_label(containers, "vmlab.images")};
	return lab_take(lab, &v, e);
}

/* The folder's, however often it was settled before. */
static int set_folder_id(struct lab *lab, struct err *e)
{
	char id[LAB_FOLDER_ID_SIZE] = "";

	if (lab->vms_dir)
		lab_folder_id(lab->vms_dir, id);
	return replace(&lab->folder_id, strdup(id), e);
}

int lab_adopt(struct lab *lab, const struct container_list *containers, struct err *e)
{
	int r = adopt_labels(lab, containers, e);

	if (r == 0 && !lab->vms_dir && is_folder("vms"))
		r = replace(&lab->vms_dir, absolute("vms"), e);
	if (r == 0 && !lab->images_dir && lab->vms_dir)
		r = replace(&lab->images_dir, lab_default_images(lab), e);
	return r < 0 ? r : set_folder_id(lab, e);
}

int lab_need_vms(const struct lab *lab, struct err *e)
{
	if (!lab->vms_dir)
		return err_set(e, ENOENT,
		    "there is no folder vms/ here: go to the folder that holds it, name it with -C DIR or --vms DIR, or start one with `mkdir vms && vmlab new web1`");
	if (!is_folder(lab->vms_dir))
		return err_set(e, ENOENT,
		    "the folder of VM definitions %s does not exist: create it, or name another with --vms DIR",
		    lab->vms_dir);
	return 0;
}

int lab_need_images(const struct lab *lab, struct err *e)
{
	if (!lab->images_given || is_folder(lab->images_dir))
		return 0;
	return err_set(e, ENOENT,
	    "the folder of images %s does not exist: create it, or name another with --images DIR or VMLAB_IMAGES",
	    lab->images_dir);
}

int lab_check_same(const struct lab *lab, const struct container_list *containers, struct err *e)
{
	const char *vms = lab_label(containers, "vmlab.vms");

	/* Without --vms the labels win, so only an explicit other folder or ./vms can differ. */
	_cleanup_free_ char *here = is_folder("vms") ? realpath("vms", NULL) : NULL;
	const char *mine = lab->vms_given ? lab->vms_dir : here;
	char id[LAB_FOLDER_ID_SIZE] = "";
	if (mine)
		lab_folder_id(mine, id);
	if (!vms || !mine || strcmp(vms, mine) == 0 ||
	    lab_folder_is(lab_label(containers, "vmlab.folder"), vms, mine, id) || !is_folder(vms))
		return 0;
	return err_set(e, EBUSY,
	    "lab \"%s\" already runs with the definitions in %s, not %s: leave --lab away (and VMLAB_LAB unset) to work on this folder's own lab, or stop that one first with `vmlab --lab %s down`",
	    lab->name, vms, mine, lab->name);
}

int lab_check_network(const struct lab *lab, const struct container_list *containers, struct err *e)
{
	const struct container *net = container_list_role(containers, "net");
	const struct {
		const char *label, *variable, *mine;
	} settings[] = {{"vmlab.cidr", "VMLAB_CIDR", lab->cidr_text},
	    {"vmlab.domain", "VMLAB_DOMAIN", lab->domain}};

	for (size_t i = 0; net && net->running && i < sizeof(settings) / sizeof(*settings); i++) {
		const char *has = lab_label(containers, settings[i].label);
		if (has && strcmp(has, settings[i].mine) != 0)
			return err_set(e, EBUSY,
			    "lab \"%s\" runs with %s, and its machines with it; %s says %s: `vmlab down` first, then `vmlab up`",
			    lab->name, has, settings[i].variable, settings[i].mine);
	}
	const char *port = net && net->running ? lab_label(containers, "vmlab.port") : NULL;
	if (!port || atoi(port) == lab->port)
		return 0;
	return err_set(e, EBUSY,
	    "lab \"%s\" runs with its API on %s%s, and --port is for its start: `vmlab down` first, then `vmlab up` with it",
	    lab->name, atoi(port) ? "port " : "no port", atoi(port) ? port : "");
}

bool lab_is_served(const struct lab *lab, const struct container_list *containers)
{
	const struct container *stack = container_list_role(containers, "stack");
	const char *vms = lab_label(containers, "vmlab.vms");

	return stack && stack->running && lab->vms_dir &&
	       lab_folder_is(container_label(stack, "vmlab.folder"), vms, lab->vms_dir,
		   lab->folder_id ? lab->folder_id : "");
}

int lab_open_store(
    const struct lab *lab, const char *holders, struct vm_store **store, struct err *e)
{
	struct vm_store_options options = {.dir = lab->vms_dir,
	    .lab = &lab->cidr,
	    .lab6 = &lab->cidr6,
	    .holders = holders,
	    .no_inotify = true};
	int r = lab_need_vms(lab, e);

	return r < 0 ? r : vm_store_open(&options, store, e);
}

static bool is_backup(const struct lab *lab, const struct vm *vm, const char *name)
{
	struct image_manifest image = {0};

	if (boot_image_use(vm) != IMAGE_INSTALLED ||
	    backups_find(lab, name, vm->arch, &image) != BACKUPS_HAVE)
		return false;
	image_manifest_clear(&image);
	return true;
}

bool lab_has_image(const struct lab *lab, const struct vm *vm)
{
	struct own_kernel_gap gaps[OWN_KERNEL_FILES];
	_cleanup_free_ char *path = NULL;
	struct adopted found;

	if (own_kernel_wanted(vm))
		return own_kernel_missing(lab->images_dir, vm, gaps) == 0;
	const char *name = boot_image_name(vm);
	if (lab->images_dir && name && boot_image_use(vm) == IMAGE_INSTALLED &&
	    adopted_find(lab->images_dir, name, vm->arch, &found))
		return true;
	struct image_manifest m = {0};
	struct stat st;
	bool studio = lab->images_dir && name && boot_image_use(vm) != IMAGE_INSTALLED &&
		      studio_load(lab->images_dir, name, vm->arch, &m, &st, NULL) == 0;
	image_manifest_clear(&m);
	if (studio)
		return true;
	if (!lab->images_dir || !name ||
	    asprintf(&path, "%s/%s/%s/" IMAGE_MANIFEST_FILE, lab->images_dir, name,
		vm_arch_name(vm->arch)) < 0)
		return false;
	return access(path, F_OK) == 0 || is_backup(lab, vm, name);
}
