/* SPDX-License-Identifier: GPL-2.0-only */
/* As much of the kernel's header as range.h uses. */
#include <stddef.h>
