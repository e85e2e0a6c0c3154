#include "boot_handler/cloudinit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/yaml_text.h"
#include "lib/cleanup.h"

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

#define _cleanup_json_ _cleanup_(cleanup_json)

static int no_memory(struct err *e)
{
	return err_set(e, ENOMEM, "out of memory");
}

static int doc_load(const struct vm *vm, json_t **out, struct err *e)
{
	json_error_t where;

	*out = json_loads(vm->doc, 0, &where);
	return *out ? 0 : err_set(e, EINVAL, "the definition of %s: %s", vm->name, where.text);
}

/* ---- keys and users ---------------------------------------------------------------------- */

static void add_key(json_t *list, const json_t *key)
{
	size_t i;
	json_t *have;
	const char *text = json_string_value(key);

	if (!text || !text[0])
		return;
	json_array_foreach(list, i, have)
		if (json_equal(have, key))
			return;
	json_array_append_new(list, json_string(text));
}

static void add_keys(json_t *list, const json_t *keys)
{
	size_t i;
	json_t *key;

	json_array_foreach(keys, i, key)
		add_key(list, key);
}

/* Everyone who may log in: the definition's keys, then the operator's. */
static json_t *all_keys(const json_t *doc, const json_t *operators)
{
	json_t *list = json_array();

	add_key(list, json_object_get(doc, "ssh_key"));
	add_keys(list, json_object_get(doc, "ssh_keys"));
	add_keys(list, operators);
	return list;
}

static json_t *default_users(const json_t *keys)
{
	return json_pack("[{s:s, s:s, s:s, s:s, s:b, s:O}]",
	    "name", CLOUDINIT_USER,
	    "gecos", "Lab user",
	    "sudo", "ALL=(ALL) NOPASSWD:ALL",
	    "shell", "/bin/bash",
	    "lock_passwd", 1,
	    "ssh_authorized_keys", (json_t *)keys);
}

/* The definition's users, the first of which also gets the keys. */
static void put_users(json_t *data, const json_t *doc, json_t *keys)
{
	json_t *users = json_deep_copy(json_object_get(doc, "users"));
	json_t *first = json_array_get(users, 0);

	if (!first) {
		json_decref(users);
		json_object_set_new(data, "users", default_users(keys));
		return;
	}
	if (json_is_object(first)) {
		json_t *list = json_array();

		add_keys(list, json_object_get(first, "ssh_authorized_keys"));
		add_keys(list, keys);
		if (json_array_size(list) > 0)
			json_object_set(first, "ssh_authorized_keys", list);
		json_decref(list);
	} else if (json_array_size(keys) > 0 &&
		   strcmp(json_string_value(first), "default") == 0) {
		/* The distribution's own user gets the keys of the top level. */
		json_object_set(data, "ssh_authorized_keys", (json_t *)keys);
	} else if (json_array_size(keys) > 0) {
		json_array_set_new(users, 0,
		    json_pack("{s:O, s:O}", "name", first, "ssh_authorized_keys", keys));
	}
	json_object_set_new(data, "users", users);
}

int cloudinit_login(const struct vm *vm, char **out, struct err *e)
{
	_cleanup_json_ json_t *doc = NULL;
	const char *name = CLOUDINIT_USER;

	*out = NULL;
	/* Most definitions say nothing here: spare them the parsing. */
	if (strstr(vm->doc, "\"user")) {
		int r = doc_load(vm, &doc, e);
		if (r < 0)
			return r;
		if (json_object_get(doc, "user_data"))
			return 0;
		const json_t *first = json_array_get(json_object_get(doc, "users"), 0);
		if (first)
			name = json_string_value(
			    json_is_object(first) ? json_object_get(first, "name") : first);
	}
	*out = strdup(name ? name : CLOUDINIT_USER);
	return *out ? 0 : no_memory(e);
}

/* ---- the documents ----------------------------------------------------------------------- */

static void put_hostname(json_t *data, const struct cloudinit *c)
{
	const char *hostname = c->vm->hostname;
	size_t label = strcspn(hostname, ".");

	json_object_set_new(data, "hostname", json_stringn(hostname, label));
	if (hostname[label])
		json_object_set_new(data, "fqdn", json_string(hostname));
	else if (c->domain && c->domain[0])
		json_object_set_new(data, "fqdn", json_sprintf("%s.%s", hostname, c->domain));
	json_object_set_new(data, "manage_etc_hosts", json_string("localhost"));
}

static json_t *user_data(const struct cloudinit *c, const json_t *doc)
{
	static const char *const passed_on[] = {"packages", "write_files", "runcmd"};
	_cleanup_json_ json_t *keys = all_keys(doc, c->keys);
	json_t *data = json_pack("{s:b, s:b}", "disable_root", 1, "ssh_pwauth", 0);

	put_hostname(data, c);
	put_users(data, doc, keys);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++) {
		json_t *value = json_object_get(doc, passed_on[i]);
		if (json_array_size(value) > 0)
			json_object_set(data, passed_on[i], value);
	}
	if (json_object_get(data, "packages"))
		json_object_set_new(data, "package_update", json_true());
	return data;
}

static json_t *vendor_data(const struct cloudinit *c)
{
	char mac[MAC_TEXT_SIZE];
	json_t *url =
	    json_sprintf("%s/report/%s?phase=ready", c->base, mac_format(&c->vm->mac, mac));

	/* phone_home reads all three keys, whatever it posts: without one cloud-init is degraded. */
	return json_pack("{s:{s:o, s:[s,s,s,s,s], s:i}}",
	    "phone_home",
	    "url", url,
	    "post", "instance_id", "hostname", "pub_key_ed25519", "pub_key_ecdsa", "pub_key_rsa",
	    "tries", 10);
}

/* A new instance-id makes cloud-init run again: one for each install. */
static json_t *meta_data(const struct cloudinit *c)
{
	size_t label = strcspn(c->vm->hostname, ".");

	return json_pack("{s:o, s:o}",
	    "instance-id", json_sprintf("iid-%s-%u", c->vm->name, c->attempt ? c->attempt : 1),
	    "local-hostname", json_stringn(c->vm->hostname, label));
}

static json_t *network_config(const struct cloudinit *c, const json_t *doc)
{
	json_t *own = json_object_get(doc, "network_config");
	char mac[MAC_TEXT_SIZE];

	if (own)
		return json_incref(own);
	json_t *interface = json_pack("{s:{s:s}, s:b}",
	    "match", "macaddress", mac_format(&c->nic, mac),
	    "dhcp4", 1);
	if (c->vm->has_ip6)
		json_object_set_new(interface, "dhcp6", json_true());
	/* Named on the link, or a domain that ends in .local would only be asked for by mDNS.
	 * cloud-init takes no search domain without a server. */
	if (c->domain && c->domain[0] && c->dns && c->dns[0])
		json_object_set_new(interface, "nameservers",
		    json_pack("{s:[s], s:[s]}", "search", c->domain, "addresses", c->dns));
	return json_pack("{s:i, s:{s:o}}", "version", 2, "ethernets", "lab", interface);
}

static int dump(const json_t *json, const char *first_line, char **out, struct err *e)
{
	_cleanup_free_ char *text = yaml_text(json);

	if (!text || asprintf(out, "%s%s\n", first_line, text) < 0)
		return no_memory(e);
	return 0;
}

int cloudinit_document(
    const struct cloudinit *c, enum route_document which, char **out, struct err *e)
{
	_cleanup_json_ json_t *document = NULL;
	_cleanup_json_ json_t *doc = NULL;

	int r = doc_load(c->vm, &doc, e);
	if (r < 0)
		return r;
	const json_t *own = json_object_get(doc, "user_data");
	switch (which) {
	case ROUTE_META_DATA:
		document = meta_data(c);
		return dump(document, "", out, e);
	case ROUTE_NETWORK_CONFIG:
		document = network_config(c, doc);
		return dump(document, "", out, e);
	case ROUTE_VENDOR_DATA:
		document = vendor_data(c);
		return dump(document, "#cloud-config\n", out, e);
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
