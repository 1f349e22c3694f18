/* SPDX-License-Identifier: Apache-2.0 */
/* What we need to be root for; see privileges.h. */
#include "base/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>

#include "base/log.h"
#include "base/text.h"

const struct privilege privileges[] = {
	{ CAP_BPF, "CAP_BPF", "load BPF programs", "nothing can be recorded", true },
	{ CAP_PERFMON, "CAP_PERFMON", "sample CPUs and walk stacks", "nothing can be recorded",
	  true },
	{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "see the mappings and roots of processes",
	  "functions of other users' processes stay unnamed", false },
	{ CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "read programs and container state",
	  "files that only their owner may read are not seen", false },
	{ CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE",
	  "open deleted and replaced programs through map_files",
	  "functions of deleted or replaced programs stay unnamed", false },
	{ CAP_SYSLOG, "CAP_SYSLOG", "read kernel addresses", "kernel functions stay unnamed",
	  false },
	{ CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE", "write the output where its owner is not root",
	  "output goes only where this user may write", false },
	{ CAP_SETUID, "CAP_SETUID", "parse the programs of containers as nobody",
	  "they are parsed as this user, but confined", false },
	{ CAP_SETGID, "CAP_SETGID", "parse the programs of containers as nobody",
	  "they are parsed as this group, but confined", false },
	{ CAP_KILL, "CAP_KILL", "end the parser of such a program when it takes too long",
	  "one that does not end by itself is waited for", false },
	{ 0 },
};

bool privilege_held(const struct privilege *p)
{
	if (capng_have_capability(CAPNG_EFFECTIVE, (unsigned)p->capability))
		return true;
	switch (p->capability) {
	case CAP_BPF:
	case CAP_PERFMON:
	case CAP_CHECKPOINT_RESTORE:
		return capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
	case CAP_DAC_READ_SEARCH:
		return capng_have_capability(CAPNG_EFFECTIVE, CAP_DAC_OVERRIDE);
	default:
		return false;
	}
}

/* What nobody has to be told of in every recording. */
static bool is_comfort(const struct privilege *p)
{
	return p->capability == CAP_DAC_OVERRIDE || p->capability == CAP_SETUID ||
	       p->capability == CAP_SETGID || p->capability == CAP_KILL;
}

int privileges_check(const char *verb)
{
	struct buffer missing = { 0 };

	capng_get_caps_process();
	for (const struct privilege *p = privileges; p->name; p++)
		if (p->is_required && !privilege_held(p))
			buffer_printf(&missing, "%s%s (to %s)", missing.size ? ", " : "", p->name,
				      p->use);
	if (missing.size) {
		log_error("not allowed to watch this host: missing %s; run as root, for example "
			  "'sudo plimsoll %s'",
			  missing.data, verb);
		buffer_free(&missing);
		return -EPERM;
	}
	for (const struct privilege *p = privileges; p->name; p++)
		if (!privilege_held(p) && !is_comfort(p))
			log_warn("without %s, %s", p->name, p->without);
	return 0;
}

int privileges_drop(void)
{
	capng_get_caps_process();
	bool admin = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
	bool held[CAP_LAST_CAP + 1] = { 0 };

	for (const struct privilege *p = privileges; p->name; p++)
		held[p->capability] = capng_have_capability(CAPNG_PERMITTED,
							    (unsigned)p->capability);
	capng_clear(CAPNG_SELECT_CAPS);
	for (const struct privilege *p = privileges; p->name; p++)
		if (held[p->capability])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
				     (unsigned)p->capability);
	/* A container runtime older than CAP_BPF grants only this one. */
	if (admin && !held[CAP_BPF])
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_SYS_ADMIN);
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}
