/* Arbitrary bytes as orders: what is accepted keeps order_read.h's promises, and means the same
 * when it is written down and read again. */
#include "lib/base/cleanup.h"
#include "lib/base/test_promise.h"
#include "lib/order/order_read.h"

static void check_text(const struct order_arg *arg, const json_t *value)
{
	const char *text = json_string_value(value);
	bool known = false;

	PROMISE(text);
	switch (arg->kind) {
	case ORDER_ARG_URL:
		PROMISE(strncmp(text, "http", 4) == 0 && !strpbrk(text, " \n"));
		return;
	case ORDER_ARG_SHA256:
		PROMISE(strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64);
		return;
	case ORDER_ARG_SCRIPT:
		PROMISE(strlen(text) <= ORDER_SCRIPT_MAX_BYTES);
		return;
	case ORDER_ARG_WORD:
		for (size_t i = 0; arg->words[i]; i++)
			known |= strcmp(arg->words[i], text) == 0;
		PROMISE(known);
		return;
	default:
		PROMISE(text[0] && !strchr(text, '\n'));
	}
}

static void check_arg(const struct order_arg *arg, const json_t *value)
{
	if (arg->kind == ORDER_ARG_COUNT)
		PROMISE(json_is_integer(value) && json_integer_value(value) >= 1 &&
			json_integer_value(value) <= arg->most);
	else if (arg->kind != ORDER_ARG_DISK || !json_is_object(value))
		check_text(arg, value);
}

static void check_wish(const struct order_wish *w)
{
	const struct order_row *row = order_row(w->action);
	size_t known = 0;

	PROMISE(row && w->timeout_s >= 1);
	PROMISE(w->timeout_s == row->timeout_s || w->timeout_s <= ORDER_DEADLINE_MAX_S);
	PROMISE(!w->args || json_object_size(w->args) > 0);
	for (const struct order_arg *a = row->args; a && a->name; a++) {
		const json_t *value = json_object_get(w->args, a->name);
		PROMISE(value || !a->required);
		if (value)
			check_arg(a, value);
		known += value != NULL;
	}
	PROMISE(known == json_object_size(w->args));
}

static void check_again(const struct order_wish *w)
{
	json_t *one = json_pack("{s:s, s:I}", "action", order_action_name(w->action), "deadline_s",
	    (json_int_t)(w->timeout_s <= ORDER_DEADLINE_MAX_S ? w->timeout_s : 1));
	struct order_list list;
	struct err e = ERR_INIT;

	if (w->args)
		json_object_set(one, "args", w->args);
	PROMISE(order_list_parse(one, &list, &e) == 0 && list.count == 1);
	PROMISE(list.wish[0].action == w->action);
	PROMISE(w->args ? json_equal(list.wish[0].args, w->args) : !list.wish[0].args);
	order_list_clear(&list);
	json_decref(one);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *said = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
	struct order_list list;
	struct err e = ERR_INIT;

	if (!said)
		return -1;
	if (order_list_parse(said, &list, &e) == 0) {
		PROMISE(list.count >= 1 && list.count <= ORDER_LIST_MAX);
		for (unsigned i = 0; i < list.count; i++) {
			check_wish(&list.wish[i]);
			check_again(&list.wish[i]);
		}
	} else {
		PROMISE(e.msg[0]);
		promise_clean(e.msg, sizeof(e.msg));
	}
	order_list_clear(&list);
	json_decref(said);
	return 0;
}
