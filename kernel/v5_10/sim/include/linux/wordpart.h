/* SPDX-License-Identifier: GPL-2.0-only */
/* What later kernels have in a header of its own. */
#include <linux/kernel.h>
