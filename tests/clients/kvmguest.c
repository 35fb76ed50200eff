// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first program of the KVM guest: prints what its device tree says of GPUs and bridges, then
 * stores to and loads from guest-physical addresses for the host, which asks over the console:
 *
 *	store 0x400000000000 0x1234   ->  nvguest: stored
 *	load 0x400000000000           ->  nvguest: loaded 0x1234
 *
 * What it says begins with "nvguest: ". First the tree, a line a fact, with phandles followed to
 * the nodes they name and nodes found by their paths; then "nvguest: ready".
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define TREE		"/sys/firmware/devicetree/base"
#define MAX_NODES	512
#define ROOM		512

/* Every node with a phandle; a path is what stands behind TREE. */
static struct {
	uint32_t phandle;
	char path[ROOM];
} nodes[MAX_NODES];
static unsigned int nr_nodes;

/* One write for a line: the kernel writes to the console too. */
__attribute__((format(printf, 1, 2)))
static void say(const char *format, ...)
{
	char text[1024] = "nvguest: ";
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, sizeof(text) - used - 1, format, args);
	va_end(args);
	strcat(text, "\n");
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(1);
}

/* Bytes of a property, -1 when the node has none. */
static ssize_t property(const char *path, const char *name, void *value, size_t room)
{
	char file[2 * ROOM];
	ssize_t len;
	int fd;

	snprintf(file, sizeof(file), TREE "%s/%s", path, name);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	len = read(fd, value, room);
	close(fd);
	return len;
}

static const char *path_of(uint32_t phandle)
{
	unsigned int i;

	for (i = 0; i < nr_nodes; i++)
		if (nodes[i].phandle == phandle)
			return nodes[i].path;
	return "nothing";
}

static void collect(const char *path)
{
	struct dirent *entry;
	char below[ROOM];
	uint32_t phandle;
	DIR *dir;

	if (property(path, "phandle", &phandle, sizeof(phandle)) == sizeof(phandle) &&
	    nr_nodes < MAX_NODES) {
		nodes[nr_nodes].phandle = be32toh(phandle);
		snprintf(nodes[nr_nodes++].path, ROOM, "%s", path);
	}
	snprintf(below, sizeof(below), TREE "%s", path);
	dir = opendir(below);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) < ROOM)
			collect(below);
	}
	if (dir)
		closedir(dir);
}

static void say_phandles(const char *path, const char *name)
{
	uint32_t value[64];
	ssize_t len = property(path, name, value, sizeof(value));
	ssize_t i;

	for (i = 0; i < len / (ssize_t)sizeof(value[0]); i++)
		say("%s %s[%zd] = %s", path, name, i, path_of(be32toh(value[i])));
}

static void say_u32(const char *path, const char *name)
{
	uint32_t value;

	if (property(path, name, &value, sizeof(value)) == sizeof(value))
		say("%s %s = %#" PRIx32, path, name, be32toh(value));
}

static void say_u64s(const char *path, const char *name)
{
	uint64_t value[16];
	ssize_t len = property(path, name, value, sizeof(value));
	ssize_t i;

	for (i = 0; i < len / (ssize_t)sizeof(value[0]); i++)
		say("%s %s[%zd] = %#" PRIx64, path, name, i, be64toh(value[i]));
}

static void say_node(const char *path)
{
	char compatible[128] = "";

	property(path, "compatible", compatible, sizeof(compatible) - 1);
	say_phandles(path, "ibm,npu");
	say_phandles(path, "ibm,gpu");
	say_phandles(path, "ibm,nvlink");
	say_phandles(path, "memory-region");
	say_u64s(path, "ibm,device-tgt-addr");
	say_u32(path, "ibm,nvlink-speed");
	say_u32(path, "ibm,npu-link-index");
	say_u64s(path, "ibm,mmio-atsd");
	if (!strcmp(compatible, "ibm,coherent-device-memory"))
		say_u64s(path, "reg");
}

/* A word of guest-physical memory, mapped for as long as it takes. */
static bool reach(uint64_t gpa, uint64_t *value, bool store)
{
	size_t page = sysconf(_SC_PAGESIZE);
	int fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	volatile uint64_t *word;
	char *at;

	if (fd < 0)
		return false;
	at = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, gpa & -page);
	close(fd);
	if (at == MAP_FAILED)
		return false;
	word = (volatile uint64_t *)(at + gpa % page);
	if (store)
		*word = *value;
	else
		*value = *word;
	munmap(at, page);
	return true;
}

static void serve(const char *line)
{
	uint64_t gpa, value;

	if (sscanf(line, "store %" SCNi64 " %" SCNi64, &gpa, &value) == 2) {
		if (reach(gpa, &value, true))
			say("stored");
		else
			say("cannot store to %#" PRIx64 ": %s", gpa, strerror(errno));
	} else if (sscanf(line, "load %" SCNi64, &gpa) == 1) {
		if (reach(gpa, &value, false))
			say("loaded %#" PRIx64, value);
		else
			say("cannot load from %#" PRIx64 ": %s", gpa, strerror(errno));
	} else {
		say("what is '%s'?", line);
	}
}

int main(void)
{
	unsigned int i;
	char line[256];

	mkdir("/dev", 0755);
	mkdir("/sys", 0755);
	if (mount("sysfs", "/sys", "sysfs", 0, NULL) ||
	    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL))
		say("cannot mount: %s", strerror(errno));
	collect("");
	for (i = 0; i < nr_nodes; i++)
		say_node(nodes[i].path);
	say("ready");

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		serve(line);
	}
	say("the console is gone: %s", strerror(errno));
	for (;;)
		pause();
}
