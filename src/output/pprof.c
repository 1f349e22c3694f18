/* SPDX-License-Identifier: Apache-2.0 */
/* pprof as an output format; all of it is in profile/pprof.h. */
#include <string.h>

#include "base/log.h"
#include "output/output.h"
#include "profile/pprof.h"

int pprof_write(const struct profile *p, const struct output_options *options, struct buffer *out)
{
	int err = pprof_encode(p, out);

	(void)options;
	if (err)
		log_error("cannot write the profile: %s", strerror(-err));
	return err;
}
