// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loaded into a program before all else (LD_PRELOAD): the program stops where main() would begin,
 * when the dynamic linker has done its work. For every request a child goes on from there.
 *
 * A request is one message through the socket WARM_FD: the child's three standard files, and its
 * directory and words, each ended by a NUL. The answer is the child's status, as wait() has it.
 * The program ends when the socket is closed; status 125 is a request that cannot be carried out.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST (1 << 17)
#define WORDS 1024

typedef int (*main_t)(int, char **, char **);
typedef int (*start_t)(main_t, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

static main_t program;
static char text[MOST], *words[WORDS + 1];

/* The length of a request, 0 at the end; its files in fds. */
static ssize_t receive(int sock, int fds[3])
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(3 * sizeof(int))];
	} control;
	struct iovec vec = { text, sizeof(text) };
	struct msghdr message = { .msg_iov = &vec, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	if (len <= 0)
		return 0;
	if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || text[len - 1] || !head ||
	    head->cmsg_len != CMSG_LEN(3 * sizeof(int)))
		_exit(125);
	memcpy(fds, CMSG_DATA(head), 3 * sizeof(int));
	return len;
}

static int serve(int argc, char **argv, char **envp)
{
	const char *fd = getenv("WARM_FD");
	int sock = fd ? atoi(fd) : -1, fds[3], status, n;
	ssize_t len;
	pid_t child;

	if (sock < 0)
		return program(argc, argv, envp);
	unsetenv("WARM_FD");
	unsetenv("LD_PRELOAD");
	unsetenv("LD_BIND_NOW");
	while ((len = receive(sock, fds))) {
		child = fork();
		if (!child) {
			char *at = text;

			for (n = 0; n < 3; n++)
				if (dup2(fds[n], n) < 0)
					_exit(125);
			close(sock);
			if (chdir(at))
				_exit(125);
			for (n = 0, at += strlen(at) + 1; at < text + len && n < WORDS; at += strlen(at) + 1)
				words[n++] = at;
			if (at < text + len)
				_exit(125);
			exit(program(n, words, environ));
		}
		for (n = 0; n < 3; n++)
			close(fds[n]);
		if (child < 0 || waitpid(child, &status, 0) != child ||
		    send(sock, &status, sizeof(status), 0) != sizeof(status))
			_exit(125);
	}
	_exit(0);
}

int __libc_start_main(main_t main, int argc, char **argv, void (*init)(void), void (*fini)(void),
		      void (*rtld_fini)(void), void *stack_end)
{
	start_t start = (start_t)dlsym(RTLD_NEXT, "__libc_start_main");

	program = main;
	return start(serve, argc, argv, init, fini, rtld_fini, stack_end);
}
