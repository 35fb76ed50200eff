/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * qemu.c: Debian 12's QEMU 7.2 as a client, just as its package has it. One runs at a time;
 * it ends with the test.
 */
#ifndef QEMU_H
#define QEMU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Where a pseries machine of that QEMU puts the RAM of GPUs behind a host bridge, and ATSD. */
#define QEMU_GPU_RAM(phb)	(0x400000000000ULL + (phb) * 0x20000000000ULL)
#define QEMU_ATSD(phb)		(0x800000000000ULL + (phb) * 0x120000ULL)

/*
 * QEMU 7.2 frees the answers of VFIO_DEVICE_GET_REGION_INFO that its properties nvlink2-tgt and
 * nvlink2-link-speed point into. Up to there it runs as it is; what comes of the properties, the
 * guest's view of GPU RAM above all, needs the answers kept (tests/clients/keep_region_info.c).
 */
enum qemu_info { QEMU_AS_IT_IS, QEMU_INFO_KEPT };

void qemu_begin(const char *machine);
void qemu_add(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void qemu_assign(unsigned int slot, unsigned int gpu, unsigned int bridges);
void qemu_start(enum qemu_info info);
bool qemu_try_start(enum qemu_info info);
pid_t qemu_pid(void);
void qemu_quit(void);
void qemu_kill(void);

const char *qmp(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *hmp(const char *command);
void qemu_reset(void);

unsigned int qemu_log_count(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
unsigned int qemu_lines(const char *a, const char *b);

void gpa_store(uint64_t gpa, uint64_t value);
uint64_t gpa_load(uint64_t gpa);

/* test_kvm.c: a VM of KVM, and the guest in it up to its program */
void kvm_machine(void);
void run_guest(void);

void guest_connect(void);
const char *guest_wait(const char *line);
void guest_show(void);
void guest_must_have_printed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void guest_store(uint64_t gpa, uint64_t value);
uint64_t guest_load(uint64_t gpa);

#endif /* QEMU_H */
