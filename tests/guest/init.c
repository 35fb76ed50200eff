// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first program of the emulated machine: mounts what tests need, loads the
 * stock modules, runs one command and reports how it ended.
 *
 * What the command prints goes through /dev/kmsg, not straight to the console:
 * the kernel log and the program share one ordered buffer there, so that a line
 * is never torn by a message of the kernel and a splat stands exactly where it
 * happened. The harness separates the two by the tags below, and accepts an
 * end marker only with the nonce it put into this machine's initramfs.
 *
 * Files the harness provides:
 *   /lab/argv    the command, its arguments ended by NUL each; or several
 *   /lab/lengths of several commands, how many arguments each has
 *   /lab/nonce   what the end marker has to repeat
 *   /lab/modules one module per line: path [parameters]
 *   /lab/console if it exists, the command gets the console itself (a shell)
 *   /lab/health  if it exists, the debug kernel's findings are printed, at the end
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAG_LINE "nvlab| "
#define TAG_MORE "nvlab+ "
#define TAG_SELF "nvlab: "

/* A kernel log record holds 1024 bytes at most; the rest of a line follows as TAG_MORE. */
#define PIECE 900
#define MAX_ARGS 256

static int kmsg = -1;

static void put_record(const char *tag, const char *text, size_t len)
{
	char buf[PIECE + 64];
	int n = snprintf(buf, sizeof(buf), "<6>%s%.*s\n", tag, (int)len, text);

	/* EAGAIN/EINVAL only when the buffer is overrun: nothing better to do than go on. */
	if (write(kmsg, buf, (size_t)n) < 0)
		return;
}

__attribute__((format(printf, 1, 2)))
static void report(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put_record(TAG_SELF, text, strlen(text));
}

static void put_line(const char *text, size_t len)
{
	const char *tag = TAG_LINE;

	do {
		size_t piece = len < PIECE ? len : PIECE;

		put_record(tag, text, piece);
		text += piece;
		len -= piece;
		tag = TAG_MORE;
	} while (len);
}

static void mount_on(const char *type, const char *where)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, NULL))
		report("cannot mount %s on %s: %s", type, where, strerror(errno));
}

static void mount_all(void)
{
	mount_on("devtmpfs", "/dev");
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	mount_on("proc", "/proc");
	mount_on("sysfs", "/sys");
	mount_on("debugfs", "/sys/kernel/debug");
	mount_on("tracefs", "/sys/kernel/tracing");
	mount_on("tmpfs", "/tmp");
}

/* Reads a whole small file; the result ends with a NUL that is not counted. */
static char *read_file(const char *path, size_t *len)
{
	static const size_t room = 65536;
	char *buf = malloc(room);
	size_t used = 0;
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	/* Files of the kernel's may come in pieces. */
	while (buf && fd >= 0 && used < room - 1) {
		n = read(fd, buf + used, room - 1 - used);
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	if (n < 0) {
		free(buf);
		return NULL;
	}
	buf[used] = '\0';
	if (len)
		*len = used;
	return buf;
}

static int load_module(const char *path, const char *params)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int failed = fd < 0 || syscall(SYS_finit_module, fd, params, 0);

	if (failed)
		report("cannot load %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return failed;
}

static int load_modules(void)
{
	char *list = read_file("/lab/modules", NULL);
	char *save = NULL;
	char *line;
	int failures = 0;

	if (!list)
		return 0;
	for (line = strtok_r(list, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *params = strchr(line, ' ');

		if (params)
			*params++ = '\0';
		failures += load_module(line, params ? params : "");
	}
	free(list);
	return failures;
}

/* Forwards what the command prints line by line; returns how many bytes are kept back. */
static size_t forward(char *buf, size_t used)
{
	char *start = buf;
	char *end;

	while ((end = memchr(start, '\n', used))) {
		put_line(start, (size_t)(end - start));
		used -= (size_t)(end - start) + 1;
		start = end + 1;
	}
	memmove(buf, start, used);
	return used;
}

static int pump(int fd, pid_t child)
{
	static char buf[16384];
	size_t used = 0;
	int status = -1;
	int ended = 0;

	for (;;) {
		struct pollfd wanted = { .fd = fd, .events = POLLIN };
		int ready = poll(&wanted, 1, ended ? 100 : 20);
		ssize_t n;

		if (ready > 0) {
			n = read(fd, buf + used, sizeof(buf) - used);
			if (n <= 0)
				break;
			used = forward(buf, used + (size_t)n);
			if (used == sizeof(buf)) {
				put_line(buf, used);
				used = 0;
			}
		} else if (ended) {
			/* A grandchild may hold the pipe for ever: its silence is the end. */
			break;
		}
		if (!ended && waitpid(child, &status, WNOHANG) == child)
			ended = 1;
	}
	if (used)
		put_line(buf, used);
	if (!ended)
		waitpid(child, &status, 0);
	return status;
}

static pid_t start(char **argv, int out)
{
	static char *const env[] = {
		"PATH=/bin:/sbin", "HOME=/tmp", "TERM=linux", "PS1=guest# ", NULL
	};
	pid_t child = fork();

	if (child)
		return child;
	if (out >= 0) {
		dup2(out, STDOUT_FILENO);
		dup2(out, STDERR_FILENO);
	} else {
		setsid();
		ioctl(STDIN_FILENO, TIOCSCTTY, 1);
	}
	execve(argv[0], argv, env);
	fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static int run(char **argv)
{
	int pipes[2];
	int status;
	pid_t child;

	if (!access("/lab/console", F_OK)) {
		child = start(argv, -1);
		while (child > 0 && waitpid(child, &status, 0) != child)
			;
		return child > 0 ? status : -1;
	}
	if (pipe2(pipes, O_CLOEXEC)) {
		report("cannot make a pipe: %s", strerror(errno));
		return -1;
	}
	child = start(argv, pipes[1]);
	close(pipes[1]);
	if (child < 0) {
		report("cannot fork: %s", strerror(errno));
		return -1;
	}
	return pump(pipes[0], child);
}

/* The modules there were before the first command. */
static char *modules_before;

static bool was_there(const char *module)
{
	size_t len = strlen(module);
	const char *at = modules_before;

	/* One a line, its name first. */
	while (at && *at) {
		if (!strncmp(at, module, len) && at[len] == ' ')
			return true;
		at = strchr(at, '\n');
		at += !!at;
	}
	return false;
}

static int modules_left(void)
{
	char *now = read_file("/proc/modules", NULL);
	char *save = NULL;
	char *line;
	int left = 0;

	if (!now) {
		report("cannot read /proc/modules: %s", strerror(errno));
		return 1;
	}
	for (line = strtok_r(now, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line[strcspn(line, " ")] = '\0';
		if (was_there(line))
			continue;
		report("left behind: the module %s", line);
		left++;
	}
	free(now);
	return left;
}

/* Threads of the kernel and zombies have no command line. */
static int processes_left(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[64];
	char *words;
	size_t len, i;
	int left = 0;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	while (proc && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]) || atoi(entry->d_name) == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/cmdline", entry->d_name);
		len = 0;
		words = read_file(path, &len);
		if (words && len) {
			for (i = 0; i + 1 < len; i++)
				words[i] = words[i] ? words[i] : ' ';
			report("left behind: the process %.20s, %.200s", entry->d_name, words);
			left++;
		}
		free(words);
	}
	if (proc)
		closedir(proc);
	return left + !proc;
}

static void report_start(char **argv)
{
	char text[400] = "";
	size_t used = 0;

	for (; *argv && used < sizeof(text); argv++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, " %s", *argv);
	report("start%s", text);
}

/* The exit status as a shell has it; 255 for a command that a signal ended. */
static int plain(int status)
{
	if (status == -1 || !WIFEXITED(status))
		return 255;
	return WEXITSTATUS(status);
}

/*
 * One of several commands. The next one finds the machine as this one did, or
 * this one has failed.
 */
static int run_one_of(char **argv, const char *nonce, unsigned int nr)
{
	int status;

	report_start(argv);
	status = run(argv);
	if (status != -1 && WIFSIGNALED(status))
		report("command killed by signal %d", WTERMSIG(status));
	status = plain(status);
	/* Work the kernel deferred may still warn because of this command. */
	usleep(100000);
	if (modules_left() + processes_left() && !status)
		status = 1;
	report("done %s %u status=%d", nonce, nr, status);
	return status;
}

/* Each of several commands: /lab/lengths has the number of arguments of each, in their order. */
static int run_each(char **argv, int argc, const char *lengths, const char *nonce)
{
	char *own[MAX_ARGS + 1];
	int failed = 0, status, taken = 0;
	unsigned int nr = 0;
	char *end;
	long len;

	modules_before = read_file("/proc/modules", NULL);
	for (len = strtol(lengths, &end, 10); end != lengths; len = strtol(lengths, &end, 10)) {
		lengths = end;
		if (len < 1 || len > argc - taken) {
			report("/lab/lengths does not fit /lab/argv");
			return -1;
		}
		memcpy(own, argv + taken, (size_t)len * sizeof(*own));
		own[len] = NULL;
		taken += (int)len;
		status = run_one_of(own, nonce, nr++);
		failed = failed ? failed : status;
	}
	return failed << 8;
}

/* Runs the commands; the status is that of the first one that failed, as waitpid() has it. */
static int run_argv_file(const char *nonce)
{
	char *argv[MAX_ARGS + 1];
	size_t len = 0;
	char *args = read_file("/lab/argv", &len);
	char *lengths = read_file("/lab/lengths", NULL);
	char *arg = args;
	int argc = 0;

	while (args && argc < MAX_ARGS && arg < args + len) {
		argv[argc++] = arg;
		arg += strlen(arg) + 1;
	}
	argv[argc] = NULL;
	if (!argc || arg < args + len) {
		report(argc ? "too many arguments in /lab/argv" : "no command in /lab/argv");
		return -1;
	}
	if (lengths)
		return run_each(argv, argc, lengths, nonce);
	report_start(argv);
	return run(argv);
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int failed = fd < 0 || write(fd, text, strlen(text)) < 0;

	if (failed)
		report("cannot write %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return failed;
}

/* Prints a file as the kernel's own words, so that a complaint counts as one. */
static int show_file(const char *path)
{
	char *save = NULL;
	char *line;
	char *text = read_file(path, NULL);

	if (!text) {
		report("cannot read %s: %s", path, strerror(errno));
		return -1;
	}
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		put_record("", line, strlen(line));
	free(text);
	return 0;
}

/* What has leaked, and is lockdep still on? A report turns it off. */
static void report_health(void)
{
	static const char leaks[] = "/sys/kernel/debug/kmemleak";
	char *stats, *locks;

	/*
	 * A block counts as leaked when two searches find nobody who knows it. A detector that
	 * has given up for want of memory refuses them.
	 */
	if (!write_file(leaks, "scan") && !sleep(6) && !write_file(leaks, "scan") &&
	    !show_file(leaks))
		report("health: kmemleak searched");

	stats = read_file("/proc/lockdep_stats", NULL);
	locks = stats ? strstr(stats, "debug_locks:") : NULL;
	if (locks)
		report("health: %.*s", (int)strcspn(locks, "\n"), locks);
	free(stats);
}

int main(void)
{
	char *nonce;
	int missing;
	int status;

	mount_all();
	nonce = read_file("/lab/nonce", NULL);
	missing = load_modules();
	status = missing ? -1 : run_argv_file(nonce ? nonce : "-");
	if (!access("/lab/health", F_OK))
		report_health();

	/* Work the kernel deferred may still print a warning: let it, before success is reported. */
	usleep(100000);
	if (status != -1 && WIFSIGNALED(status))
		report("command killed by signal %d", WTERMSIG(status));
	report("end %s status=%d", nonce ? nonce : "-", plain(status));

	/* Power-off takes 9 s here: the harness kills its emulator instead. */
	for (;;)
		if (waitpid(-1, NULL, 0) < 0)
			sleep(1);
}
