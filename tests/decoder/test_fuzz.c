// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random buffers, compared with the model. DECODER_SEED repeats a run, DECODER_ROUNDS says
 * how many buffers each test makes.
 */

#include <errno.h>
#include <time.h>

#include "decoder.h"

static uint64_t seed, random_state;
static unsigned long rounds = 20000;

/* xorshift64*: the same numbers for the same seed, everywhere. */
static uint32_t random32(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 0x2545f4914f6cdd1dULL) >> 32;
}

static uint32_t below(uint32_t limit)
{
	return random32() % limit;
}

/* Numbers that break things more often than chance does. */
static uint32_t nasty(void)
{
	static const uint32_t values[] = {
		0, 1, 7, 8, 15, 16, 31, 32, 33, 40, 48, 56, 64, 72, 79, 80, 81, 0x7fffffff,
		0x80000000, 0xfffffff0, 0xfffffff8, 0xffffffff,
	};

	return below(4) ? values[below(COUNT(values))] : random32();
}

/* One failure names the seed: cmocka prints the rest. */
static void begin(unsigned int which)
{
	/* Each test has its own stream, whichever of them run. */
	random_state = (seed + which) * 0x9e3779b97f4a7c15ULL | 1;
	print_message("# DECODER_SEED=%llu DECODER_ROUNDS=%lu\n", (unsigned long long)seed,
		      rounds);
}

static void test_fuzz_random_bytes(void **state)
{
	struct buf buf;
	unsigned long round;
	size_t n;

	(void)state;
	begin(1);
	for (round = 0; round < rounds; round++) {
		memset(&buf, 0, sizeof(buf));
		buf.len = below(160);
		for (n = 0; n < buf.len; n++)
			buf.data[n] = random32();
		/* Most have a plausible head, or nothing is reached behind it. */
		if (buf.len >= HEAD && below(8)) {
			put32(&buf, 0, buf.len - below(4));
			put32(&buf, 4, 0xf);
			put32(&buf, 12, 32 + 8 * below(8));
		}
		check_against_model(buf.data, buf.len, NULL);
	}
}

static void test_fuzz_damaged_golden(void **state)
{
	static const char * const names[] = { "gpu_ram.bin", "atsd.bin", "atsd_empty.bin" };
	struct buf golden[COUNT(names)], buf;
	unsigned long round, broken = 0;
	static struct model model;
	unsigned int hits;
	size_t n;

	(void)state;
	begin(2);
	for (n = 0; n < COUNT(names); n++)
		load_golden(&golden[n], names[n]);
	for (round = 0; round < rounds; round++) {
		buf = golden[below(COUNT(golden))];
		for (hits = below(4); hits; hits--)
			if (below(2))
				put32(&buf, 4 * below(buf.len / 4), nasty());
			else
				buf.data[below(buf.len)] = random32();
		if (!below(8))
			buf.len = below(buf.len + 1);
		check_against_model(buf.data, buf.len, &model);
		broken += model.status != VFIO_NVLINK2_OK;
	}
	/* Neither all fine nor all broken, or this tests nothing. */
	assert_in_range(broken, rounds / 10, rounds - rounds / 10);
}

/* Well-formed chains of any records, then perhaps one wrong link. */
static void test_fuzz_chains(void **state)
{
	static const unsigned int ids[] = { 0, 1, 2, 2, 3, 4, 4, 5, 5, 6, 0xffff };
	unsigned char payload[64];
	struct buf buf;
	unsigned long round;
	unsigned int records;
	size_t n, offset;

	(void)state;
	begin(3);
	for (round = 0; round < rounds; round++) {
		start(&buf, random32());
		offset = HEAD;
		for (records = below(12); records; records--) {
			for (n = 0; n < sizeof(payload); n++)
				payload[n] = random32();
			n = add(&buf, ids[below(COUNT(ids))], below(3), payload, 8 * below(8));
			if (below(2))
				offset = n;
		}
		if (buf.last && !below(2))
			put32(&buf, offset + 4, below(2) ? nasty() : 8 * below(64));
		check_against_model(buf.data, buf.len, NULL);
	}
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	char *end;
	uint64_t value;

	if (!text || !*text)
		return otherwise;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (*end || errno) {
		fprintf(stderr, "%s=%s is not a number\n", name, text);
		exit(2);
	}
	return value;
}

int run_fuzz(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fuzz_random_bytes),
		cmocka_unit_test(test_fuzz_damaged_golden),
		cmocka_unit_test(test_fuzz_chains),
	};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = number("DECODER_SEED", now.tv_sec * 1000000ULL + now.tv_nsec / 1000);
	rounds = number("DECODER_ROUNDS", rounds);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
