/* read.h - the one typed reader of JSON that people and programs write: where a value is, of which
 * type it must be, and who hears what is wrong. Pure.
 *
 * A reading function takes the reader and a value that is not absent, and returns 0, or -EINVAL
 * after json_refuse(). Reading goes on with the next value all the same: a person wants to know all
 * that is wrong.
 */
#ifndef LIB_JSON_READ_H
#define LIB_JSON_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/json/text.h"

struct json_reader {
	struct json_path path; /* the value at hand */
	struct err why;        /* the sentence at hand; can follow the value's name */
	unsigned refusals;     /* so far */
	/* Each may be NULL. `unknown` gets the way to the key itself, and the known one that may
	 * have been meant, or NULL. */
	void (*refuse)(void *ctx, const struct json_path *bad, const struct err *why);
	void (*warn)(void *ctx, const struct json_path *odd, const char *sentence);
	void (*unknown)(void *ctx, const struct json_path *key, const char *nearest);
	void *ctx;
};

/* A reader that keeps the first refusal, for those who ask for no more. `e` may be NULL. */
struct json_first_refusal {
	struct json_path *bad;
	struct err *e;
	bool told;
};
struct json_reader json_reader_first(struct json_first_refusal *first);

/* Enter a member or an element of the value at hand, and leave it again. */
void json_enter(struct json_reader *r, const char *key);
void json_enter_at(struct json_reader *r, size_t index);
void json_leave(struct json_reader *r);

/* Refuses the value at hand, or its member `key`. Returns -EINVAL. */
int json_refuse(struct json_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int json_refuse_member(struct json_reader *r, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* With the sentence that is in r->why. */
int json_refuse_why(struct json_reader *r);

/* Warns about the value at hand. */
void json_warn(struct json_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Tells each member whose key is not known; `value` may be no object. */
void json_known(struct json_reader *r, const json_t *value, const char *const *known, size_t count);

/* `""` and null mean the same as absent. */
bool json_absent(const json_t *value);

/* A text on one line: no control characters, in ASCII (C0, DEL) or as U+0080 to U+009F. */
int json_want_line(struct json_reader *r, const json_t *value, const char **out);
int json_want_flag(struct json_reader *r, const json_t *value, bool *out);
int json_want_integer(
    struct json_reader *r, const json_t *value, int64_t min, int64_t max, int64_t *out);
/* One of the words (lib/base/words.h); *out is its index. */
int json_want_word(
    struct json_reader *r, const json_t *value, const char *(*word)(size_t i), unsigned *out);
/* An object; unknown members are told. */
int json_want_object(struct json_reader *r, const json_t *value, const char *example,
    const char *const *known, size_t count);

/* Reading functions that take a value for what its type says. */
int json_read_line(struct json_reader *r, json_t *value);
int json_read_text(struct json_reader *r, json_t *value);
int json_read_flag(struct json_reader *r, json_t *value);

/* Reads the member `key` when it is there. */
void json_member(struct json_reader *r, json_t *object, const char *key,
    int (*read)(struct json_reader *, json_t *));
/* Reads every element of a list. */
int json_each(struct json_reader *r, json_t *list, int (*read)(struct json_reader *, json_t *));

#endif
