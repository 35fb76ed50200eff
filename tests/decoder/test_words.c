// SPDX-License-Identifier: GPL-2.0-only
/* What the decoder says in words, and link speeds. */

#include "decoder.h"

static void test_words_of_every_status(void **state)
{
	const char *names[VFIO_NVLINK2_E_RECORD + 1];
	unsigned int n, other;

	(void)state;
	for (n = 0; n < COUNT(names); n++) {
		names[n] = vfio_nvlink2_status_name((enum vfio_nvlink2_status)n);
		assert_true(strlen(names[n]) > 10);
		assert_string_not_equal(names[n], "unknown status");
		for (other = 0; other < n; other++)
			assert_string_not_equal(names[n], names[other]);
	}
	assert_string_equal(vfio_nvlink2_status_name((enum vfio_nvlink2_status)n),
			    "unknown status");
}

static void test_words_of_every_kind(void **state)
{
	(void)state;
	assert_string_equal(vfio_nvlink2_kind_name(VFIO_NVLINK2_KIND_NONE), "none");
	assert_string_equal(vfio_nvlink2_kind_name(VFIO_NVLINK2_KIND_GPU_RAM), "gpu_ram");
	assert_string_equal(vfio_nvlink2_kind_name(VFIO_NVLINK2_KIND_ATSD), "atsd");
	assert_string_equal(vfio_nvlink2_kind_name((enum vfio_nvlink2_kind)3), "unknown kind");
}

static void test_words_of_every_speed(void **state)
{
	uint32_t code;

	(void)state;
	assert_string_equal(vfio_nvlink2_speed_gbit(3), "20");
	assert_string_equal(vfio_nvlink2_speed_gbit(8), "25.78125");
	assert_string_equal(vfio_nvlink2_speed_gbit(9), "25");
	assert_int_equal(vfio_nvlink2_speed_kbit(3), 20000000);
	assert_int_equal(vfio_nvlink2_speed_kbit(8), 25781250);
	assert_int_equal(vfio_nvlink2_speed_kbit(9), 25000000);
	for (code = 0; code < 1000; code++) {
		if (code == 3 || code == 8 || code == 9)
			continue;
		assert_null(vfio_nvlink2_speed_gbit(code));
		assert_int_equal(vfio_nvlink2_speed_kbit(code), 0);
	}
}

int run_words(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_of_every_status),
		cmocka_unit_test(test_words_of_every_kind),
		cmocka_unit_test(test_words_of_every_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
