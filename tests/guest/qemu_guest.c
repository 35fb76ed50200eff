// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine inside of QEMU: its physical memory, by QEMU's gdb server, while its processor is
 * stopped; and the program that runs in it, by its console (tests/clients/kvmguest.c).
 */

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "nvtest.h"
#include "qemu.h"

#define GDB		"/tmp/gdb"
#define CONSOLE		"/tmp/console"
#define PATIENCE	60000			/* ms */

static int console = -1;
static char heard[1 << 17];		/* all the guest has printed so far */
static size_t nr_heard, nr_read;	/* bytes; and of those what was waited for */

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	strcpy(address.sun_path, path);
	CHECKF(!connect(fd, (struct sockaddr *)&address, sizeof(address)), "%s: %s", path,
	       strerror(errno));
	return fd;
}

static void receive(int fd, void *buf, size_t len)
{
	struct pollfd wanted = { .fd = fd, .events = POLLIN };

	for (; len; len--, buf++) {
		CHECKF(poll(&wanted, 1, PATIENCE) > 0, "QEMU's gdb server is silent");
		CHECK_EQ(read(fd, buf, 1), 1);
	}
}

/* One packet to the gdb server, and its answer: "+$...#xx", 2 digits of checksum. */
static void gdb(int fd, char *reply, size_t room, const char *fmt, ...)
{
	char text[256];
	unsigned char sum = 0;
	size_t len = 0;
	va_list ap;
	char *c;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (c = text; *c; c++)
		sum += *c;
	CHECK(dprintf(fd, "$%s#%02x", text, sum) > 0);

	receive(fd, reply, 2);
	CHECKF(!memcmp(reply, "+$", 2), "the gdb server takes no '%s'", text);
	do {
		CHECK(len + 1 < room);
		receive(fd, reply + len, 1);
	} while (reply[len++] != '#');
	reply[len - 1] = 0;
	receive(fd, text, 2);
	CHECK_EQ(write(fd, "+", 1), 1);
}

/* A connection for guest-physical addresses; the caller closes it. */
static int gdb_connect(void)
{
	int fd = connect_to(GDB);
	char reply[64];

	gdb(fd, reply, sizeof(reply), "Qqemu.PhyMemMode:1");
	CHECKF(!strcmp(reply, "OK"), "no physical addresses in the gdb server: '%s'", reply);
	return fd;
}

/* A store of the stopped machine. The server takes bytes as they are in memory. */
void gpa_store(uint64_t gpa, uint64_t value)
{
	char hex[2 * sizeof(value) + 1], reply[64];
	int fd = gdb_connect();
	unsigned int i;

	for (i = 0; i < sizeof(value); i++)
		sprintf(hex + 2 * i, "%02x", ((const uint8_t *)&value)[i]);
	gdb(fd, reply, sizeof(reply), "M%llx,8:%s", (unsigned long long)gpa, hex);
	close(fd);
	CHECKF(!strcmp(reply, "OK"), "storing to %#llx: '%s'", (unsigned long long)gpa, reply);
}

uint64_t gpa_load(uint64_t gpa)
{
	int fd = gdb_connect();
	uint8_t bytes[8];
	uint64_t value;
	char reply[64];
	unsigned int i;

	gdb(fd, reply, sizeof(reply), "m%llx,8", (unsigned long long)gpa);
	close(fd);
	CHECKF(strlen(reply) == 16, "loading from %#llx: '%s'", (unsigned long long)gpa, reply);
	for (i = 0; i < sizeof(bytes); i++)
		CHECK_EQ(sscanf(reply + 2 * i, "%2hhx", &bytes[i]), 1);
	memcpy(&value, bytes, sizeof(value));
	return value;
}

static void hang_up(void)
{
	close(console);
	console = -1;
}

/* Before the machine runs, so that nothing of its output is lost. */
void guest_connect(void)
{
	finally(hang_up);
	heard[0] = 0;
	nr_heard = 0;
	nr_read = 0;
	console = connect_to(CONSOLE);
}

/* Hears more; false when nothing comes in that time. */
static bool listen_on(int ms)
{
	struct pollfd wanted = { .fd = console, .events = POLLIN };
	ssize_t len;

	if (poll(&wanted, 1, ms) <= 0)
		return false;
	CHECK(nr_heard < sizeof(heard) - 1);
	len = read(console, heard + nr_heard, sizeof(heard) - 1 - nr_heard);
	CHECKF(len > 0, "the guest's console is gone");
	nr_heard += len;
	heard[nr_heard] = 0;
	return true;
}

/* Waits for a line of the guest's program that begins so; returns the rest of it. */
const char *guest_wait(const char *line)
{
	static char rest[256];
	char want[256], *at, *end;

	snprintf(want, sizeof(want), "nvguest: %s", line);
	for (;;) {
		at = strstr(heard + nr_read, want);
		end = at ? strchr(at, '\n') : NULL;
		if (end)
			break;
		CHECKF(listen_on(PATIENCE), "the guest does not print '%s'; last: %s", line,
		       heard + (nr_heard > 400 ? nr_heard - 400 : 0));
	}
	nr_read = end - heard;
	at += strlen(want);
	snprintf(rest, sizeof(rest), "%.*s", (int)strcspn(at, "\r\n"), at);
	return rest;
}

/* Prints all its lines so far, to compare them with those of another guest. */
void guest_show(void)
{
	static const char mark[] = "nvguest: ";
	char *at = heard;

	while ((at = strstr(at, mark))) {
		at += strlen(mark);
		note("guest: %.*s", (int)strcspn(at, "\r\n"), at);
	}
}

/* It has printed exactly this line so far, once. */
void guest_must_have_printed(const char *fmt, ...)
{
	char want[512] = "nvguest: ", *at;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(want + strlen(want), sizeof(want) - strlen(want) - 2, fmt, ap);
	va_end(ap);
	strcat(want, "\r\n");
	at = strstr(heard, want);
	CHECKF(at && !strstr(at + 1, want), "the guest does not print once: %s", want);
}

void guest_store(uint64_t gpa, uint64_t value)
{
	CHECK(dprintf(console, "store %#llx %#llx\n", (unsigned long long)gpa,
		      (unsigned long long)value) > 0);
	guest_wait("stored");
}

uint64_t guest_load(uint64_t gpa)
{
	CHECK(dprintf(console, "load %#llx\n", (unsigned long long)gpa) > 0);
	return strtoull(guest_wait("loaded "), NULL, 16);
}
