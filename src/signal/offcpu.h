/* SPDX-License-Identifier: Apache-2.0 */
/* The states that signal `offcpu` tells apart, by name. */
#ifndef PLIMSOLL_SIGNAL_OFFCPU_H
#define PLIMSOLL_SIGNAL_OFFCPU_H

#include <stdint.h>

#include "bpf/ledger.h"

/* "runnable", "disk", ...; valid for ever. */
const char *offcpu_state_name(enum ledger_state state);

#define OFFCPU_STATES_ALL     ((1U << LEDGER_STATES) - 1 - (1U << LEDGER_RUNNING))
#define OFFCPU_STATES_DEFAULT (OFFCPU_STATES_ALL & ~(1U << LEDGER_IDLE))

/* Names separated by commas, or "all", as bits 1 << enum ledger_state. 0, or -EINVAL with the name
 * that there is not, whose length is *n, in *unknown. */
int offcpu_parse_states(const char *text, uint32_t *states, const char **unknown, int *n);

#endif
