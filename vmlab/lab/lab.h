/* lab.h - which lab a command works on: its name, folders and network.
 *
 * Where each setting comes from, first match: option, environment variable (VMLAB_LAB, VMLAB_VMS,
 * VMLAB_IMAGES, VMLAB_PORT, VMLAB_CIDR, VMLAB_DOMAIN, VMLAB_HOME, and VMLAB_STACK_IMAGE and
 * VMLAB_VM_IMAGE for a version of one's own), the labels of the lab's
 * containers when it runs (lab_adopt(): so commands work from any folder), what the lab was given
 * before (lab_settings.h), the default.
 */
#ifndef VMLAB_LAB_LAB_H
#define VMLAB_LAB_LAB_H

#include <stdbool.h>

#include "lib/net/addr.h"
#include "lib/base/err.h"
#include "lib/store/store.h"
#include "vmlab/engine/engine.h"

#define LAB_PORT_NONE 0
#define LAB_PORT_AUTO (-1) /* a free one, until lab_dir_choose_port() has found it */
#define LAB_DEFAULT_CIDR "192.168.100.1/24"
#define LAB_CIDR6 "fd56:6d6c:6162::1/64" /* the stack's own default */
#define LAB_DEFAULT_DOMAIN "pvmlab.local"

#define LAB_STACK_IMAGE "pxeboot_stack:latest"
#define LAB_VM_IMAGE "vmlab_vm:latest"

struct lab {
	char *name;       /* after its folder, until lab_find() knows better */
	char *vms_dir;    /* absolute; NULL: not known yet */
	char *folder_id;  /* lab_folder.h's, of vms_dir; NULL: not known yet */
	char *images_dir; /* absolute; NULL: not known yet */
	char *home;       /* absolute: lab key, known hosts */
	char *dir;        /* absolute, the lab's own, for its owner only: API socket, token */
	char *cidr_text;
	char *domain;
	char *reach;       /* what machines may reach outside the lab; "": the stack's default */
	char *strangers;   /* what machines without a definition get; "": the stack's default */
	char *stack_image; /* container images */
	char *vm_image;
	char *left; /* a lab of this folder's name or path that is another folder's, or NULL */
	struct cidr4 cidr;
	struct cidr6 cidr6;
	int port;             /* of the API over TCP on 127.0.0.1, or LAB_PORT_NONE */
	bool found_by_folder; /* so that vms_dir is the folder's, whatever the labels say */
	bool name_given, vms_given, images_given, port_given, cidr_given, domain_given, reach_given,
	    strangers_given;
};

#define LAB_INIT {0}

/* What the command line said; NULL or 0 where it said nothing. Borrowed. */
struct lab_options {
	const char *name, *vms_dir, *images_dir, *port;
};

must_check int lab_init(struct lab *lab, const struct lab_options *options, struct err *e);
void lab_clear(struct lab *lab);

/* The absolute path of vms/, as given or as it would be in this folder; caller frees. NULL without
 * memory. */
char *lab_vms_path(const struct lab *lab);

/* Another name, and with it another folder of its own and what is kept there. */
must_check int lab_rename(struct lab *lab, const char *name, struct err *e);

/* Values from elsewhere; NULL: it has none. Borrowed. */
struct lab_values {
	const char *cidr, *domain, *reach, *strangers, *images;
};

/* Takes those that were not given. */
must_check int lab_take(struct lab *lab, const struct lab_values *v, struct err *e);

/* The folder `images` beside vms/; caller frees. NULL without vms_dir or memory. */
char *lab_default_images(const struct lab *lab);

/* Fills what was not given from the labels of the lab's containers, then from the defaults ./vms
 * and the folder `images` beside it. vms_dir stays NULL when there is no such folder. */
must_check int lab_adopt(struct lab *lab, const struct container_list *containers, struct err *e);

/* One clear sentence when vms_dir is unknown or no folder. */
must_check int lab_need_vms(const struct lab *lab, struct err *e);

/* One clear sentence when the folder of images was given and is none: a word mistyped must not make
 * a folder, nor become what the lab keeps. */
must_check int lab_need_images(const struct lab *lab, struct err *e);

/* Refuses when the lab runs with other folders than this command was given: two places must not
 * pull one lab back and forth. */
must_check int lab_check_same(
    const struct lab *lab, const struct container_list *containers, struct err *e);

/* Refuses another network, domain or port of the API than the running lab has. */
must_check int lab_check_network(
    const struct lab *lab, const struct container_list *containers, struct err *e);

/* True when the lab that runs serves this command's vms/. */
bool lab_is_served(const struct lab *lab, const struct container_list *containers);

/* Reads vms/ once. `holders`: NULL, or who holds what in the running stack (vm_holders_text()). */
must_check int lab_open_store(
    const struct lab *lab, const char *holders, struct vm_store **store, struct err *e);

/* Names may become container, volume and file names. */
bool lab_name_valid(const char *name);

/* True when images/<distro>/<arch>/manifest.json is there, a rootfs that the stack makes one of, or
 * the files of its own that it boots. */
bool lab_has_image(const struct lab *lab, const struct vm *vm);

#endif
