/* SPDX-License-Identifier: Apache-2.0 */
/* Names of states; see offcpu.h. They are those of the ledger's accounts. */
#include "signal/offcpu.h"

#include <errno.h>
#include <string.h>

#include "signal/ledger.h"

const char *offcpu_state_name(enum ledger_state state)
{
	/* Accounts have the same order, but running in two parts. */
	return account_state_name(
		(enum account_state)(state + (ACCOUNT_RUNNABLE - LEDGER_RUNNABLE)));
}

static uint32_t state_bit(const char *name, size_t n)
{
	for (int state = LEDGER_RUNNABLE; state < LEDGER_STATES; state++) {
		const char *known = offcpu_state_name((enum ledger_state)state);

		if (strncmp(name, known, n) == 0 && !known[n])
			return 1U << state;
	}
	return n == 3 && strncmp(name, "all", 3) == 0 ? OFFCPU_STATES_ALL : 0;
}

int offcpu_parse_states(const char *text, uint32_t *states, const char **unknown, int *n)
{
	*states = 0;
	for (;;) {
		size_t size = strcspn(text, ",");
		uint32_t bit = state_bit(text, size);

		if (!bit) {
			*unknown = text;
			*n = (int)size;
			return -EINVAL;
		}
		*states |= bit;
		if (!text[size])
			return 0;
		text += size + 1;
	}
}
