/* SPDX-License-Identifier: GPL-2.0-only */
/* Errors in pointers: the last page of addresses is never an object. */
#ifndef SHIM_LINUX_ERR_H
#define SHIM_LINUX_ERR_H

#define IS_ERR(ptr) ((unsigned long)(ptr) >= (unsigned long)-4095)
#define PTR_ERR(ptr) ((long)(ptr))
#define ERR_PTR(err) ((void *)(long)(err))

#endif
