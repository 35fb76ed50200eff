/* SPDX-License-Identifier: GPL-2.0-only */
/* As much of the kernel's header as range.h uses. */
#define min(a, b) ((a) < (b) ? (a) : (b))
/* And a mutant of it. */
#define max(a, b) ((a) > (b) ? (a) : (b))
