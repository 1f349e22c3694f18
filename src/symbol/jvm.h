/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Java virtual machines that are asked for perf maps (jvm_attach.h), each by a child process of its
 * own, several at a time, none for longer than JVM_PATIENCE_MS.
 *
 *     jvms_ask(pid) --fork--> jvm_attach()
 *     jvms_next() <---------- what became of it, and the map
 */
#ifndef PLIMSOLL_SYMBOL_JVM_H
#define PLIMSOLL_SYMBOL_JVM_H

#include <stdbool.h>
#include <sys/types.h>

#include "symbol/jvm_attach.h"

#define JVM_PATIENCE_MS 2000

struct jvms;

/* proc is kept. */
struct jvms *jvms_new(const char *proc);
/* Ends the questions that are still open; NULL is fine. */
void jvms_free(struct jvms *jvms);

/* Does a file of this name make a process a Java virtual machine that can be asked? */
bool jvm_is_library(const char *path);

/* Asks now, or as soon as enough others have been answered. Not twice at the same time. */
void jvms_ask(struct jvms *jvms, pid_t pid);
/*
 * One answer: 1; *map is its perf map, which the caller closes, or -1. 0: no question is open. If
 * `wait` is not set, -EAGAIN when none has been answered yet.
 */
int jvms_next(struct jvms *jvms, bool wait, pid_t *pid, struct jvm_answer *answer, int *map);

/* For people: "it did not answer within 2 s". */
const char *jvm_explain(const struct jvm_answer *answer, char *buffer, size_t size);

#endif
