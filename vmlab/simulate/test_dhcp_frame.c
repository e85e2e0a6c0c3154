/* DHCP as frames: what we send, and a server's answers. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "vmlab/simulate/dhcp_frame.h"
#include "vmlab/simulate/profile.h"

#define BOOTP 42
#define OPTIONS (BOOTP + 240)

static const struct mac mac = {{2, 0x53, 0x49, 0x4d, 1, 2}};
static const uint8_t uuid[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

/* The value of an option in a client's frame, or NULL. */
static const uint8_t *option(const uint8_t *frame, size_t len, uint8_t wanted, uint8_t *size)
{
	for (size_t at = OPTIONS; at < len && frame[at] != 255; at += 2u + frame[at + 1]) {
		*size = frame[at + 1];
		if (frame[at] == wanted)
			return frame + at + 2;
	}
	return NULL;
}

static void firmware_says_what_it_is(void **state)
{
	struct dhcp_message m = {.kind = DHCP_DISCOVER, .xid = 0x12345678, .mac = mac};
	uint8_t frame[DHCP_FRAME_SIZE], size;

	(void)state;
	size_t len = dhcp_frame_make(&m, DHCP_FIRMWARE, uuid, frame);
	assert_in_range(len, 342, DHCP_FRAME_SIZE);
	assert_memory_equal(frame + 6, mac.octet, 6);
	assert_memory_equal(frame + BOOTP + 28, mac.octet, 6);
	assert_memory_equal(frame + BOOTP + 4, "\x12\x34\x56\x78", 4);
	assert_memory_equal(option(frame, len, 93, &size), "\0\7", 2);
	assert_memory_equal(option(frame, len, 60, &size), "PXEClient:Arch:00007", 20);
	assert_memory_equal(option(frame, len, 97, &size) + 1, uuid, 16);
	assert_null(option(frame, len, 61, &size));
	uint32_t sum = 0;
	for (size_t i = 14; i < 34; i += 2)
		sum += (uint32_t)frame[i] << 8 | frame[i + 1];
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
}

static void the_others_have_a_client_identifier_of_their_own(void **state)
{
	struct dhcp_message m = {.kind = DHCP_REQUEST, .mac = mac};
	uint8_t frame[DHCP_FRAME_SIZE], size;

	(void)state;
	inet_pton(AF_INET, "10.0.0.7", &m.yours);
	inet_pton(AF_INET, "10.0.0.1", &m.server);
	size_t len = dhcp_frame_make(&m, DHCP_INSTALLER, uuid, frame);
	assert_memory_equal(option(frame, len, 61, &size), "\1\2SIM\1\2", 7);
	assert_memory_equal(option(frame, len, 50, &size), "\12\0\0\7", 4);
	assert_memory_equal(option(frame, len, 54, &size), "\12\0\0\1", 4);
	assert_null(option(frame, len, 93, &size));
	len = dhcp_frame_make(&m, DHCP_SYSTEM, uuid, frame);
	assert_int_equal(*option(frame, len, 61, &size), 255);
}

/* An answer as dnsmasq sends it, made of a request. */
static size_t answer(uint8_t *frame)
{
	static const uint8_t options[] = {
	    53, 1, DHCP_OFFER, 0, 54, 4, 10, 0, 0, 1, 67, 4, 'a', '.', 'e', 'f', 255};
	struct dhcp_message m = {.kind = DHCP_DISCOVER, .xid = 77, .mac = mac};

	(void)dhcp_frame_make(&m, DHCP_FIRMWARE, uuid, frame);
	memcpy(frame + 34, "\0\103\0\104", 4);
	frame[BOOTP] = 2;
	memcpy(frame + BOOTP + 16, "\12\0\0\7", 4);
	memcpy(frame + BOOTP + 20, "\12\0\0\1", 4);
	memcpy(frame + OPTIONS, options, sizeof(options));
	return OPTIONS + sizeof(options);
}

static void an_answer_is_read(void **state)
{
	uint8_t frame[DHCP_FRAME_SIZE];
	struct dhcp_message m;
	char text[INET_ADDRSTRLEN];

	(void)state;
	size_t len = answer(frame);
	assert_true(dhcp_frame_read(frame, len, &m));
	assert_int_equal(m.kind, DHCP_OFFER);
	assert_int_equal(m.xid, 77);
	assert_true(mac_equal(&m.mac, &mac));
	assert_string_equal(inet_ntop(AF_INET, &m.yours, text, sizeof(text)), "10.0.0.7");
	assert_string_equal(inet_ntop(AF_INET, &m.next, text, sizeof(text)), "10.0.0.1");
	assert_string_equal(m.file, "a.ef");
	len = dhcp_frame_make(&m, DHCP_FIRMWARE, uuid, frame);
	assert_false(dhcp_frame_read(frame, len, &m));
}

/* Under the sanitizers: from memory that ends where the frame does. */
static void what_is_cut_or_noise_is_no_answer_and_harms_nothing(void **state)
{
	uint8_t whole[DHCP_FRAME_SIZE];
	struct dhcp_message m;
	uint64_t random = 1;

	(void)state;
	size_t full = answer(whole);
	for (unsigned round = 0; round < 20000; round++) {
		size_t len = simulate_random(&random) % (full + 1);
		uint8_t *frame = malloc(len ? len : 1);
		memcpy(frame, whole, len);
		for (unsigned i = 0; i < round % 8 && len > 0; i++)
			frame[simulate_random(&random) % len] = (uint8_t)simulate_random(&random);
		if (dhcp_frame_read(frame, len, &m))
			assert_true(len >= OPTIONS);
		free(frame);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(firmware_says_what_it_is),
	    cmocka_unit_test(the_others_have_a_client_identifier_of_their_own),
	    cmocka_unit_test(an_answer_is_read),
	    cmocka_unit_test(what_is_cut_or_noise_is_no_answer_and_harms_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
