/* SPDX-License-Identifier: GPL-2.0-only */
/* test_failnth.c: making the Nth allocation or user copy of this thread fail. */
#ifndef FAILNTH_H
#define FAILNTH_H

struct call {
	int (*run)(void);	/* 0 or errno, undone when it succeeded */
	int errors[4];		/* those it may fail with, ended by 0; none: it cannot */
};

void faults_on(void);
void set_nth(unsigned int nth);
unsigned int get_nth(void);
unsigned int exhaust(const struct call *call);

#endif /* FAILNTH_H */
