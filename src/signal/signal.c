/* SPDX-License-Identifier: Apache-2.0 */
/* The table of signals; see signal.h. */
#include "signal/signal.h"

#include <string.h>

const struct signal_ops *const signals[] = {
	&cpu_signal,
	&offcpu_signal,
	&ledger_signal,
	NULL,
};

const struct signal_ops *signal_by_name(const char *name)
{
	for (size_t i = 0; signals[i]; i++)
		if (strcmp(signals[i]->name, name) == 0)
			return signals[i];
	return NULL;
}

size_t lost_counted(const struct lost *all, size_t n, struct lost lost[LOST_MAX])
{
	size_t counted = 0;

	for (size_t i = 0; i < n && counted < LOST_MAX; i++)
		if (all[i].count)
			lost[counted++] = all[i];
	return counted;
}
