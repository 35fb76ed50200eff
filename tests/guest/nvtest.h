/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvtest: the tests that run inside the emulated machine. One static program;
 * each suite prints TAP 14. A test is a function that returns when all is well
 * and leaves through a failed CHECK() otherwise; what it opened, mapped or
 * loaded is cleaned up behind it.
 */
#ifndef NVTEST_H
#define NVTEST_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

/*
 * The simulator's parameters in most tests: one GPU with three bridges, and the
 * numbers of the golden blobs.
 */
#define GPU_BASE	0x80000000ULL
#define GPU_SIZE	0x4000000ULL
#define GPU_TGT		0x400000000ULL
#define ATSD_BASE	0xc0000000ULL
#define ATSD_SIZE	0x10000ULL
#define REGION		9		/* the first region after vfio-pci's own */
#define BLOCK		0x200000ULL	/* what one touch makes present */

struct test {
	const char *name;
	void (*run)(void);
};

/* An entry of a table of tests: PREFIX_RUN, which is the function RUN. */
#define TEST(prefix, run)	{ #prefix "_" #run, run }

struct suite {
	const char *name;
	const struct test *const *lists;	/* each ends with a NULL name */
};

/* nvtest.c: failing, and saying why */
extern unsigned int times;
void fail_at(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));
void finally(void (*run)(void));
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define CHECK(cond)							\
	do {								\
		if (!(cond))						\
			fail_at(__FILE__, __LINE__, "%s", #cond);	\
	} while (0)
#define CHECKF(cond, ...)						\
	do {								\
		if (!(cond))						\
			fail_at(__FILE__, __LINE__, __VA_ARGS__);	\
	} while (0)
/* A number against what it must be, both shown when they differ. */
#define CHECK_EQ(got, want)						\
	do {								\
		long long got_ = (long long)(got);			\
		long long want_ = (long long)(want);			\
		if (got_ != want_)					\
			fail_at(__FILE__, __LINE__,			\
				"%s is %lld (%#llx), not %lld (%#llx)", \
				#got, got_, got_, want_, want_);	\
	} while (0)
/* A call that must fail with one errno. */
#define CHECK_ERR(call, want)						\
	do {								\
		errno = 0;						\
		long long ret_ = (long long)(call);			\
		int err_ = errno;					\
		if (ret_ != -1 || err_ != (want))			\
			fail_at(__FILE__, __LINE__,			\
				"%s gave %lld (%s), not -1 (%s)", #call,	\
				ret_, strerror(err_), strerror(want));	\
	} while (0)

/* machine.c: modules, PCI functions, the device tree, logs */
#define MAX_SLOTS	6
#define MAX_FUNCTIONS	4
struct slot {
	char bdf[MAX_FUNCTIONS][16];
	unsigned int functions;
};
extern struct slot slots[MAX_SLOTS];
extern unsigned int nr_slots;

const char *driver_name(void);
bool driver_in_vfio_pci(void);
const char *driver_parameter(const char *name);
void machine_find(void);
void machine_need(unsigned int wanted_slots, unsigned int functions);
bool module_loaded(const char *name);
bool module_is_busy(const char *name);
void module_load(const char *name, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void module_unload(const char *name);
extern const char *module_folder;
void driver_insert(void);
void driver_load(void);
void driver_unload(void);
void pnv_load(void);
void pnv_unload(void);
void sim_load(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void sim_load_default(const char *extra);
void sim_unload(void);
void machine_reset(void);
bool tree_has(const char *bdf, const char *prop);
char *read_text(const char *path);
void write_text(const char *path, const char *text);
void log_mark(void);
bool log_has(const char *a, const char *b, const char *c);
unsigned int log_count(const char *tag, const char *a, const char *b,
		       unsigned int *matches);
void trace_clear(void);
void probe(const char *name, const char *what);
void trace_start(void);
char *trace_stop(void);

/* device.c: VFIO, mappings, physical memory */
int device_try_open(const char *bdf);
int device_open(const char *bdf);
int device_group(const char *bdf);
int device_container(const char *bdf);
void device_close(int fd);
int keep(int fd, const char *what);
void kept_close(void);
void send_fd(int socket, int fd);
int receive_fd(int socket);
void devices_close(void);
uint32_t device_num_regions(int fd);
size_t region_info(int fd, uint32_t index, uint32_t argsz, uint8_t *buf,
		   size_t room);
uint64_t region_offset(int fd);
uint64_t region_size(int fd);
void *map_region(int fd, uint64_t pos, size_t len);
void *try_map(int fd, uint64_t pos, size_t len, int prot, int flags);
void unmap(void *at, size_t len);
ssize_t region_read(int fd, void *buf, size_t len, uint64_t pos);
ssize_t region_write(int fd, const void *buf, size_t len, uint64_t pos);
uint64_t phys_read(uint64_t hpa);
void phys_write(uint64_t hpa, uint64_t value);
size_t page_size(void);
bool touch_faults(volatile void *at);

/* dma.c: what a container translates, and addresses to map it from */
#define LARGE	(2ULL << 20)	/* a page of a window */
#define STRICT_ALIGN driver_parameter("strict_align")
int memory_try_register(int container, void *at, size_t len);
void memory_register(int container, void *at, size_t len);
void memory_unregister(int container, void *at, size_t len);
int dma_try_map(int container, uint64_t iova, void *at, size_t len);
void dma_map(int container, uint64_t iova, void *at, size_t len);
void dma_unmap(int container, uint64_t iova, size_t len);
uint64_t dma_window(int container, uint64_t page);
void *place(size_t len, size_t align, size_t skew);
void *map_region_at(int fd, void *at, uint64_t pos, size_t len);

/* child.c: another process */
void in_child(void (*run)(void));
void in_child_killed(void (*run)(void));
void run_program(char *const argv[], char *output, size_t room);

/* hooks.c: resets held half-way, touches that may get SIGBUS */
void hook(const char *verb, const char *bdf);
void whole_reset(int fd, const char *bdf);
bool load_word(const volatile uint64_t *at, uint64_t *value);

/* test_lpar.c: VMs that nobody runs, and the simulator's record of partitions */
#define PARTITIONS	"/sys/kernel/debug/nvlink2-sim/partitions"
int vm_with(const char *bdf);
int vm_with_group(int group);
void record_is(const char *want);
unsigned long long bound_lpid(const char *bdf);
void close_and_unbind(const char *bdf, unsigned long long lpid, int fd);

extern const struct test region_tests[], gpu_ram_tests[], gpu_ram_rw_tests[],
	atsd_tests[], atsd_platform_tests[], lpar_tests[], life_tests[],
	trace_tests[], flaw_tests[],
	topology_tests[], reset_tests[], links_tests[], blocked_tests[], race_tests[],
	refs_tests[], rw_limits_tests[], partition_tests[], map_tests[],
	dma_tests[], quarantine_tests[], failnth_tests[],
	failnth_driver_tests[], walker_tests[], qemu_tests[], kvm_tests[],
	watch_tests[], examples_tests[], kernel_bug_tests[], fault_tests[], fault_radix_tests[],
	fault_hash_tests[], fault_race_tests[],
	copy_map_tests[], fault_split_tests[], lpar_provider_tests[],
	lpar_life_tests[], quarantine_unload_tests[], in_vfio_pci_tests[],
	npu2_tests[], npu2_platform_tests[], npu2_refused_tests[],
	npu2_reboot_tests[], npu2_stock_tests[];

void demo(void);
void transcript(void);
void bench_full(void);
void bench_short(void);

#endif /* NVTEST_H */
