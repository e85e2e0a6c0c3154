#include "boot_handler/http/certificate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <ifaddrs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"

#define FILE_MAX_BYTES ((size_t)256 * 1024)
#define DAY_S ((time_t)24 * 3600)
#define VALID_S (3650 * DAY_S)
#define LEFT_S (30 * DAY_S) /* a made one that ends sooner is made anew */
#define CHAIN_MAX 8

static int tls_err(struct err *e, const char *what, int code)
{
	return err_set(e, EINVAL, "%s: %s", what, gnutls_strerror(code));
}

/* ---- read -------------------------------------------------------------------------------- */

static gnutls_datum_t datum(const char *text)
{
	return (gnutls_datum_t){(unsigned char *)text, (unsigned)strlen(text)};
}

static int print_fingerprint(gnutls_x509_crt_t crt, char out[CERTIFICATE_FINGERPRINT_SIZE])
{
	unsigned char sum[32];
	size_t len = sizeof(sum);

	int code = gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, sum, &len);
	for (size_t i = 0; code >= 0 && i < len; i++)
		snprintf(out + 3 * i, 4, "%02X%s", sum[i], i + 1 < len ? ":" : "");
	return code;
}

/* Does the key sign for it? */
static bool belongs(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
	unsigned char a[64], b[64];
	size_t a_len = sizeof(a), b_len = sizeof(b);

	return gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, a, &a_len) >= 0 &&
	       gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, b, &b_len) >= 0 &&
	       a_len == b_len && memcmp(a, b, a_len) == 0;
}

/* NULL: whatever it is for. */
static bool is_for(gnutls_x509_crt_t crt, const struct certificate_names *names)
{
	for (size_t i = 0; names && i < names->needed; i++)
		if (!gnutls_x509_crt_check_hostname(crt, names->name[i]))
			return false;
	return true;
}

static int judge(
    gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *file, time_t until, struct err *e)
{
	time_t now = time(NULL);

	if (!belongs(crt, key))
		return err_set(
		    e, EINVAL, "%s: this certificate and its key do not belong together", file);
	if (gnutls_x509_crt_get_expiration_time(crt) < now + until ||
	    gnutls_x509_crt_get_activation_time(crt) > now)
		return err_set(
		    e, EINVAL, "%s: this certificate is not valid now: give one that is", file);
	return 0;
}

/* Not to be used below 0. The first of a chain is the listener's own. */
static int parse(const struct certificate *c, const char *file, gnutls_x509_crt_t *crt,
    gnutls_x509_privkey_t *key, struct err *e)
{
	gnutls_x509_crt_t chain[CHAIN_MAX];
	unsigned count = CHAIN_MAX;
	gnutls_datum_t text = datum(c->chain), secret = datum(c->key);

	int code = gnutls_x509_crt_list_import(chain, &count, &text, GNUTLS_X509_FMT_PEM, 0);
	if (code < 0 || count == 0)
		return tls_err(e, file, code);
	for (unsigned i = 1; i < count; i++)
		gnutls_x509_crt_deinit(chain[i]);
	*crt = chain[0];
	code = gnutls_x509_privkey_init(key);
	if (code >= 0) {
		code = gnutls_x509_privkey_import2(*key, &secret, GNUTLS_X509_FMT_PEM, NULL, 0);
		if (code >= 0)
			return 0;
		gnutls_x509_privkey_deinit(*key);
	}
	gnutls_x509_crt_deinit(*crt);
	return tls_err(e, "the certificate's key", code);
}

static int load(const char *chain_file, const char *key_file, const struct certificate_names *names,
    time_t left_s, struct certificate *out, struct err *e)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_x509_crt_t crt = NULL;
	size_t len;

	*out = (struct certificate){.chain = NULL};
	int r = file_read(chain_file, FILE_MAX_BYTES, &out->chain, &len, e);
	if (r == 0)
		r = file_read(key_file, FILE_MAX_BYTES, &out->key, &len, e);
	if (r == 0)
		r = parse(out, chain_file, &crt, &key, e);
	if (r < 0)
		return r;
	r = judge(crt, key, chain_file, left_s, e);
	if (r == 0 && !is_for(crt, names))
		r = err_set(e, EINVAL, "%s is for other names", chain_file);
	if (r == 0 && print_fingerprint(crt, out->fingerprint) < 0)
		r = err_set(e, EINVAL, "%s has no fingerprint", chain_file);
	gnutls_x509_privkey_deinit(key);
	gnutls_x509_crt_deinit(crt);
	return r;
}

int certificate_read(
    const char *chain_file, const char *key_file, struct certificate *out, struct err *e)
{
	return load(chain_file, key_file, NULL, 0, out, e);
}

/* ---- made -------------------------------------------------------------------------------- */

static int add_name(gnutls_x509_crt_t crt, const char *name)
{
	unsigned char address[sizeof(struct in6_addr)];
	size_t len = inet_pton(AF_INET, name, address) == 1    ? sizeof(struct in_addr)
		     : inet_pton(AF_INET6, name, address) == 1 ? sizeof(struct in6_addr)
							       : 0;

	return gnutls_x509_crt_set_subject_alt_name(crt,
	    len ? GNUTLS_SAN_IPADDRESS : GNUTLS_SAN_DNSNAME, len ? (const void *)address : name,
	    (unsigned)(len ? len : strlen(name)), GNUTLS_FSAN_APPEND);
}

/* RFC 5280: version 3, a positive serial number, for servers alone. */
static int fill(
    gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const struct certificate_names *names)
{
	unsigned char serial[16];
	time_t now = time(NULL);

	if (getrandom(serial, sizeof(serial), 0) != sizeof(serial))
		return GNUTLS_E_RANDOM_FAILED;
	serial[0] = (serial[0] & 0x7f) | 0x40;
	int code = gnutls_x509_crt_set_version(crt, 3);
	if (code >= 0)
		code = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
	if (code >= 0)
		code = gnutls_x509_crt_set_activation_time(crt, now - DAY_S);
	if (code >= 0)
		code = gnutls_x509_crt_set_expiration_time(crt, now + VALID_S);
	if (code >= 0)
		code = gnutls_x509_crt_set_dn_by_oid(
		    crt, GNUTLS_OID_X520_COMMON_NAME, 0, "vmlab", strlen("vmlab"));
	for (size_t i = 0; code >= 0 && i < names->count; i++)
		code = add_name(crt, names->name[i]);
	if (code >= 0)
		code = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
	if (code >= 0)
		code = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (code >= 0)
		code = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
	if (code >= 0)
		code = gnutls_x509_crt_set_key(crt, key);
	return code < 0 ? code : gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
}

static int write_pem(const char *file, gnutls_datum_t *pem, struct err *e)
{
	int r = atomic_file_replace(file, pem->data, pem->size, 0600, e);

	gnutls_memset(pem->data, 0, pem->size);
	gnutls_free(pem->data);
	return r < 0 ? err_wrap(e, "the certificate of the operator's listener cannot be kept") : 0;
}

/* The key first: a certificate without it is made anew. */
static int save(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *chain_file,
    const char *key_file, struct err *e)
{
	gnutls_datum_t pem = {NULL, 0};

	int code = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem);
	int r = code < 0 ? tls_err(e, "no key", code) : write_pem(key_file, &pem, e);
	if (r == 0) {
		code = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
		r = code < 0 ? tls_err(e, "no certificate", code) : write_pem(chain_file, &pem, e);
	}
	return r;
}

static int make(const char *chain_file, const char *key_file, const struct certificate_names *names,
    struct err *e)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_x509_crt_t crt = NULL;
	int r;

	int code = gnutls_x509_privkey_init(&key);
	if (code >= 0)
		code = gnutls_x509_privkey_generate(
		    key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	if (code >= 0)
		code = gnutls_x509_crt_init(&crt);
	if (code >= 0)
		code = fill(crt, key, names);
	r = code < 0 ? tls_err(e, "a certificate cannot be made", code)
		     : save(crt, key, chain_file, key_file, e);
	if (crt)
		gnutls_x509_crt_deinit(crt);
	if (key)
		gnutls_x509_privkey_deinit(key);
	return r;
}

int certificate_keep(const char *chain_file, const char *key_file,
    const struct certificate_names *names, struct certificate *out, struct err *e)
{
	struct err ignored = ERR_INIT;

	if (load(chain_file, key_file, names, LEFT_S, out, &ignored) == 0)
		return 0;
	certificate_clear(out);
	int r = make(chain_file, key_file, names, e);
	if (r == 0)
		r = load(chain_file, key_file, names, LEFT_S, out, e);
	return r < 0 ? r : 1;
}

void certificate_clear(struct certificate *c)
{
	if (c->key)
		explicit_bzero(c->key, strlen(c->key));
	free(c->chain);
	free(c->key);
	*c = (struct certificate){.chain = NULL};
}

/* ---- names ------------------------------------------------------------------------------- */

static void add(struct certificate_names *names, const char *name, size_t len)
{
	for (size_t i = 0; i < names->count; i++)
		if (strlen(names->name[i]) == len && strncmp(names->name[i], name, len) == 0)
			return;
	if (names->count == CERTIFICATE_NAMES_MAX || len == 0)
		return;
	names->name[names->count] = strndup(name, len);
	names->count += names->name[names->count] != NULL;
}

static const void *address_of(const struct sockaddr *a)
{
	if (a && a->sa_family == AF_INET)
		return &((const struct sockaddr_in *)a)->sin_addr;
	if (a && a->sa_family == AF_INET6)
		return &((const struct sockaddr_in6 *)a)->sin6_addr;
	return NULL;
}

static void add_interfaces(struct certificate_names *names)
{
	struct ifaddrs *list = NULL;
	char text[INET6_ADDRSTRLEN];

	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		const void *address = address_of(i->ifa_addr);

		if (address && inet_ntop(i->ifa_addr->sa_family, address, text, sizeof(text)))
			add(names, text, strlen(text));
	}
	freeifaddrs(list);
}

void certificate_names(const char *listen, const char *hosts, struct certificate_names *out)
{
	const char *colon = strrchr(listen, ':');
	size_t len = colon ? (size_t)(colon - listen) : 0;
	bool bracketed = len > 2 && listen[0] == '[';
	_cleanup_free_ char *host = strndup(listen + bracketed, len - (bracketed ? 2 : 0));
	bool any = !host || !*host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;

	*out = (struct certificate_names){.count = 0};
	add(out, "localhost", strlen("localhost"));
	add(out, "127.0.0.1", strlen("127.0.0.1"));
	if (!any)
		add(out, host, strlen(host));
	for (const char *p = hosts; p && *p;) {
		size_t n = strcspn(p, ",");
		add(out, p, n);
		p += n + (p[n] == ',');
	}
	out->needed = out->count;
	if (any)
		add_interfaces(out);
}

void certificate_names_clear(struct certificate_names *names)
{
	while (names->count > 0)
		free(names->name[--names->count]);
}
