// SPDX-License-Identifier: GPL-2.0-only
/* Runs every test of the decoder; GOLDEN is the folder of the golden buffers. */

#include "decoder.h"

int main(void)
{
	int failed;

	if (!getenv("GOLDEN")) {
		fprintf(stderr, "GOLDEN has to name the folder of the golden buffers\n");
		return 2;
	}
	failed = run_golden();
	failed += run_chain();
	failed += run_records();
	failed += run_words();
	failed += run_fuzz();
	return failed ? 1 : 0;
}
