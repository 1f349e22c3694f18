/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options that mean the same in every verb, and what is said of those that mean nothing. Each
 * returns EXIT_DONE, or logs what is wrong and returns the exit code.
 */
#ifndef PLIMSOLL_CMD_ARGUMENTS_H
#define PLIMSOLL_CMD_ARGUMENTS_H

#include <getopt.h>
#include <sys/types.h>

/* -p PID: a process that exists. */
int argument_pid(const char *verb, const char *text, pid_t *pid);
/* -d SEC, -I SEC ('option' is the letter): at least `least` seconds and more than none, at most a
 * year. */
int argument_seconds(const char *verb, char option, const char *text, double least,
		     double *seconds);
/* For the '?' and ':' of getopt_long() as `c`, with `options` as it was given them. */
int option_error(const char *verb, int c, char *const *argv, const struct option *options);

#endif
