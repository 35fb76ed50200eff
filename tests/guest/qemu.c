// SPDX-License-Identifier: GPL-2.0-only
/* Debian 12's QEMU 7.2 as a client: its start and its end, its monitor, its traces. */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nvtest.h"
#include "qemu.h"

#define PROGRAM		"/usr/bin/qemu-system-ppc64"
#define KEEP		"/lib/keep_region_info.so"
#define LOG		"/tmp/qemu.log"		/* traces and error messages */
#define MAX_WORDS	64
#define PATIENCE	60000			/* ms */

static char words[MAX_WORDS][256];
static char *argv[MAX_WORDS + 1];
static unsigned int nr_words;

static pid_t pid;
static int to_qmp = -1, from_qmp = -1;
static char answer[1 << 16];
static size_t answered;			/* bytes in it */
static unsigned int resets;		/* of the machine, by its events */

void qemu_add(const char *fmt, ...)
{
	va_list ap;

	CHECK(nr_words < MAX_WORDS);
	va_start(ap, fmt);
	vsnprintf(words[nr_words], sizeof(words[0]), fmt, ap);
	va_end(ap);
	argv[nr_words] = words[nr_words];
	argv[++nr_words] = NULL;
}

/* The command line up to the devices. */
void qemu_begin(const char *machine)
{
	static const char *const rest[] = {
		"-nodefaults", "-display", "none", "-vga", "none", "-qmp", "stdio",
		"-trace", "vfio_pci_nv*", "-trace", "vfio_prereg_register",
		"-trace", "vfio_prereg_unregister",
	};
	unsigned int i;

	nr_words = 0;
	qemu_add(PROGRAM);
	qemu_add("-M");
	qemu_add("%s", machine);
	for (i = 0; i < ARRAY_LEN(rest); i++)
		qemu_add("%s", rest[i]);
}

static void assign(const char *bdf, const char *id, unsigned int bus, unsigned int vendor)
{
	if (pid) {
		qmp("{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"vfio-pci\",\"host\":\"%s\",\"id\":\"%s\",\"bus\":\"pci.%u\",\"x-pci-vendor-id\":%u}}",
		    bdf, id, bus, vendor);
		return;
	}
	qemu_add("-device");
	qemu_add("vfio-pci,host=%s,id=%s,bus=pci.%u,x-pci-vendor-id=%#x", bdf, id, bus, vendor);
}

/*
 * Assigns the GPU of a slot as gpuN and its bridges as npuN-0 and so on, to the machine that is
 * about to start or to the one that is there. QEMU looks for the regions where the vendor is
 * right, which the functions that play them have to be given.
 */
void qemu_assign(unsigned int slot, unsigned int gpu, unsigned int bridges)
{
	unsigned int i;
	char id[32];

	snprintf(id, sizeof(id), "gpu%u", gpu);
	assign(slots[slot].bdf[0], id, gpu, 0x10de);
	for (i = 0; i < bridges; i++) {
		snprintf(id, sizeof(id), "npu%u-%u", gpu, i);
		assign(slots[slot].bdf[1 + i], id, gpu, 0x1014);
	}
}

static void say_log(void)
{
	char *line, *save = NULL;

	if (access(LOG, F_OK))
		return;
	for (line = strtok_r(read_text(LOG), "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		note("qemu: %.200s", line);
}

static void gone(void)
{
	pid = 0;
	close(to_qmp);
	close(from_qmp);
	to_qmp = -1;
	from_qmp = -1;
}

/* Behind a test, which it may have left anywhere. */
static void end(void)
{
	int status;

	if (pid) {
		/* It may have ended by itself, and how is what one wants to know then. */
		if (!waitpid(pid, &status, WNOHANG)) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
		} else {
			note("QEMU has ended by itself, with status %#x", status);
		}
		gone();
	}
	say_log();
	unlink(LOG);
}

pid_t qemu_pid(void)
{
	return pid;
}

static void become_qemu(enum qemu_info info, int in, int out)
{
	int log = open(LOG, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	if (info == QEMU_INFO_KEPT)
		setenv("LD_PRELOAD", KEEP, 1);
	execv(PROGRAM, argv);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", PROGRAM, strerror(errno));
	_exit(127);
}

/* Reads up to the end of a line of the monitor; the line, without its end. NULL: QEMU has gone. */
static char *try_line(void)
{
	static char line[sizeof(answer)];
	struct pollfd wanted = { .fd = from_qmp, .events = POLLIN };
	ssize_t len;
	char *end;

	while (!(end = memchr(answer, '\n', answered))) {
		CHECKF(poll(&wanted, 1, PATIENCE) > 0, "QEMU's monitor is silent");
		len = read(from_qmp, answer + answered, sizeof(answer) - answered);
		CHECK(answered < sizeof(answer));
		if (len <= 0)
			return NULL;
		answered += len;
	}
	len = end - answer;
	memcpy(line, answer, len);
	line[len] = 0;
	answered -= len + 1;
	memmove(answer, end + 1, answered);
	resets += !!strstr(line, "\"event\": \"RESET\"");
	return line;
}

static char *qmp_line(void)
{
	char *line = try_line();

	CHECKF(line, "QEMU has ended");
	return line;
}

/* Text of JSON without its escapes, in place: \r goes, \n and \" are themselves. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text != '\\') {
			*to++ = *text;
			continue;
		}
		text++;
		if (*text == 'n')
			*to++ = '\n';
		else if (*text != 'r')
			*to++ = *text;
	}
	*to = 0;
}

/* Runs a command of the monitor; its answer, until the next one. Events are passed over. */
const char *qmp(const char *fmt, ...)
{
	char command[512];
	va_list ap;
	char *line;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	CHECK(len < (int)sizeof(command));
	/* It is run as soon as it is whole; nothing can follow a "quit". */
	CHECKF(write(to_qmp, command, len) == len, "QEMU's monitor: %s", strerror(errno));
	do {
		line = qmp_line();
	} while (strncmp(line, "{\"return\"", 9) && strncmp(line, "{\"error\"", 8));
	CHECKF(line[2] == 'r', "QEMU's monitor answers %s", line);
	unescape(line);
	return line;
}

/* One for people, which answers in prose. */
const char *hmp(const char *command)
{
	return qmp("{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"%s\"}}",
		   command);
}

static void start(enum qemu_info info)
{
	int in[2], out[2];

	/* A write to a QEMU that has ended fails, and is reported as that. */
	signal(SIGPIPE, SIG_IGN);
	finally(end);
	if (info == QEMU_INFO_KEPT)
		note("QEMU 7.2 uses freed memory; a preloaded library keeps its region info");
	CHECK(!pid);
	CHECK(!pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC));
	answered = 0;
	pid = fork();
	if (!pid)
		become_qemu(info, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	to_qmp = in[1];
	from_qmp = out[0];
	CHECK(pid > 0);
	CHECK(strstr(qmp_line(), "\"major\": 7"));
}

/* The first command, and its answer if one comes. */
static bool negotiate(void)
{
	static const char command[] = "{\"execute\":\"qmp_capabilities\"}\n";
	char *line;

	if (write(to_qmp, command, strlen(command)) < 0)
		return false;
	do {
		line = try_line();
	} while (line && strncmp(line, "{\"return\"", 9));
	return line;
}

/* Starts it. When this returns devices are realized and the machine has been reset. */
void qemu_start(enum qemu_info info)
{
	start(info);
	CHECKF(negotiate(), "QEMU has ended");
}

/* As qemu_start(), where it may end by itself at the reset; false if it did. */
bool qemu_try_start(enum qemu_info info)
{
	start(info);
	if (negotiate())
		return true;
	waitpid(pid, NULL, 0);
	gone();
	return false;
}

static int wait_for_end(void)
{
	int status, left;

	for (left = PATIENCE; left > 0; left -= 10) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			gone();
			return status;
		}
		usleep(10000);
	}
	fail_at(__FILE__, __LINE__, "QEMU does not end");
}

void qemu_quit(void)
{
	int status;

	qmp("{\"execute\":\"quit\"}");
	status = wait_for_end();
	CHECKF(WIFEXITED(status) && !WEXITSTATUS(status), "QEMU ended with status %#x", status);
}

void qemu_kill(void)
{
	CHECK(!kill(pid, SIGKILL));
	CHECK(WIFSIGNALED(wait_for_end()));
}

void qemu_reset(void)
{
	unsigned int before = resets;

	/* The answer may come before the reset. */
	qmp("{\"execute\":\"system_reset\"}");
	while (resets == before)
		qmp_line();
}

/* How many lines of its standard error have both in them? */
unsigned int qemu_lines(const char *a, const char *b)
{
	char *line, *save = NULL;
	unsigned int count = 0;

	for (line = strtok_r(read_text(LOG), "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		count += strstr(line, a) && strstr(line, b);
	return count;
}

/* Returns how often its log has exactly this line. */
unsigned int qemu_log_count(const char *fmt, ...)
{
	char text[256], *line, *save = NULL;
	unsigned int count = 0;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (line = strtok_r(read_text(LOG), "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		count += !strcmp(line, text);
	return count;
}
