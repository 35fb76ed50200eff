// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer's target: any bytes as the answer of VFIO_DEVICE_GET_REGION_INFO. An
 * assertion of cmocka outside of a test ends the program, which libFuzzer reports
 * with the input.
 */

#include "../decoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len > MAX_BUF)
		return -1;
	check_against_model(data, len, NULL);
	return 0;
}
