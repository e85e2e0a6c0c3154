#include "boot_handler/documents/cloudinit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "boot_handler/documents/cloudinit_users.h"
#include "boot_handler/documents/cloudinit_vendor.h"
#include "lib/json/yaml_text.h"
#include "lib/base/cleanup.h"
#include "lib/definition/login.h"

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

#define _cleanup_json_ _cleanup_(cleanup_json)

static int no_memory(struct err *e)
{
	return err_set(e, ENOMEM, "out of memory");
}

/* ---- login ---------------------------------------------------------------------------------- */

int cloudinit_login(const struct vm *vm, char **out, struct err *e)
{
	const char *user;

	*out = NULL;
	if (vm_login(vm->more, &user) != VM_LOGIN_USER)
		return 0;
	*out = strdup(user);
	return *out ? 0 : no_memory(e);
}

/* ---- the documents ----------------------------------------------------------------------- */

/* With the lab's domain, unless the definition's has one. */
static json_t *full_name(const struct cloudinit *c)
{
	const char *hostname = c->vm->hostname;

	if (strchr(hostname, '.') || !c->domain || !c->domain[0])
		return json_string(hostname);
	return json_sprintf("%s.%s", hostname, c->domain);
}

static void put_hostname(json_t *data, const struct cloudinit *c)
{
	const char *hostname = c->vm->hostname;
	json_t *full = full_name(c);

	json_object_set_new(data, "hostname", json_stringn(hostname, strcspn(hostname, ".")));
	if (strchr(json_string_value(full), '.'))
		json_object_set(data, "fqdn", full);
	json_decref(full);
	json_object_set_new(data, "manage_etc_hosts", json_string("localhost"));
}

static json_t *user_data(const struct cloudinit *c, const json_t *doc)
{
	static const char *const passed_on[] = {"packages", "runcmd"};
	_cleanup_json_ json_t *keys = vm_login_keys(doc, c->keys);
	/* Disabled, root's keys would all get a command that only says to log in as somebody else.
	 */
	json_t *data = json_pack("{s:b, s:b}", "disable_root",
	    !vm_login_root(json_object_get(doc, "users")), "ssh_pwauth", 0);

	put_hostname(data, c);
	cloudinit_put_users(data, doc, keys);
	cloudinit_put_files(data, doc);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++) {
		json_t *value = json_object_get(doc, passed_on[i]);
		if (json_array_size(value) > 0)
			json_object_set(data, passed_on[i], value);
	}
	if (json_object_get(data, "packages"))
		json_object_set_new(data, "package_update", json_true());
	return data;
}

/* A new instance-id makes cloud-init run again: one for each install. The full name and the keys
 * are here too, for a user's own user-data, which mostly says nothing about them. */
static json_t *meta_data(const struct cloudinit *c, const json_t *doc)
{
	json_t *keys = vm_login_keys(doc, c->keys);
	json_t *data = json_pack("{s:o, s:o}", "instance-id",
	    json_sprintf("iid-%s-%u", c->vm->name, c->attempt ? c->attempt : 1), "local-hostname",
	    full_name(c));

	if (json_array_size(keys) > 0)
		json_object_set(data, "public-keys", keys);
	json_decref(keys);
	return data;
}

static json_t *network_config(const struct cloudinit *c, const json_t *doc)
{
	json_t *own = json_object_get(doc, "network_config");
	char mac[MAC_TEXT_SIZE];

	if (own)
		return json_incref(own);
	json_t *interface = json_pack(
	    "{s:{s:s}, s:b}", "match", "macaddress", mac_format(&c->nic, mac), "dhcp4", 1);
	if (c->vm->has_ip6)
		json_object_set_new(interface, "dhcp6", json_true());
	/* Named on the link, or a domain that ends in .local would only be asked for by mDNS.
	 * cloud-init takes no search domain without a server. */
	if (c->domain && c->domain[0] && c->dns && c->dns[0])
		json_object_set_new(interface, "nameservers",
		    json_pack("{s:[s], s:[s]}", "search", c->domain, "addresses", c->dns));
	return json_pack("{s:i, s:{s:o}}", "version", 2, "ethernets", "lab", interface);
}

/* cloud-init takes for MIME what has this in its first 4 KiB, wherever, and then loses all that is
 * not ASCII. Inside of a JSON string an escape says the same. */
static char *hide_mime(const char *text)
{
	static const char field[] = "mime-version:";
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	if (!f)
		return NULL;
	for (const char *p = text; *p; p++) {
		if (strncasecmp(p, field, strlen(field)) != 0) {
			fputc(*p, f);
			continue;
		}
		fprintf(f, "%.4s\\u002d", p);
		p += 4;
	}
	return fclose(f) == 0 ? out : NULL;
}

static int dump(const json_t *json, const char *first_line, char **out, struct err *e)
{
	_cleanup_free_ char *plain = yaml_text(json);
	_cleanup_free_ char *text = plain ? hide_mime(plain) : NULL;

	if (!text || asprintf(out, "%s%s\n", first_line, text) < 0)
		return no_memory(e);
	return 0;
}

int cloudinit_document(
    const struct cloudinit *c, enum route_document which, char **out, struct err *e)
{
	_cleanup_json_ json_t *document = NULL;
	const json_t *doc = c->vm->more;
	const json_t *own = json_object_get(doc, "user_data");
	switch (which) {
	case ROUTE_META_DATA:
		document = meta_data(c, doc);
		return dump(document, "", out, e);
	case ROUTE_NETWORK_CONFIG:
		document = network_config(c, doc);
		return dump(document, "", out, e);
	case ROUTE_VENDOR_DATA:
		document = cloudinit_vendor_parts(c);
		return dump(document, "#cloud-config-archive\n", out, e);
	case ROUTE_USER_DATA:
		break;
	}
	if (json_is_string(own)) {
		*out = strdup(json_string_value(own));
		return *out ? 0 : no_memory(e);
	}
	document = own ? json_incref((json_t *)own) : user_data(c, doc);
	return dump(document, "#cloud-config\n", out, e);
}
