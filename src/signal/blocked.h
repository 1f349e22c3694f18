/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user half of bpf/blocked.bpf.h: what threads that sleep in a system call wait for.
 */
#ifndef PLIMSOLL_SIGNAL_BLOCKED_H
#define PLIMSOLL_SIGNAL_BLOCKED_H

#include <stdint.h>

#include "bpf/blocked.h"

/* Fills the read-only table of an object that includes blocked.bpf.h, before it is loaded. */
void blocked_describe_syscalls(uint8_t waits[SYSCALLS_MAX]);

#endif
