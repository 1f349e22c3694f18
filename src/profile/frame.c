/* SPDX-License-Identifier: Apache-2.0 */
/* What a frame is called and what it is; see profile.h. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "profile/profile.h"

/* "perf-1234.map" */
static bool is_perf_map(const char *file)
{
	const char *s = base_name(file);

	if (strncmp(s, "perf-", 5) != 0 || !isdigit((unsigned char)s[5]))
		return false;
	for (s += 5; isdigit((unsigned char)*s); s++)
		;
	return strcmp(s, ".map") == 0;
}

/*
 * Files have paths; what is in brackets the kernel made, and of that all is the kernel's own code
 * ("[kernel.kallsyms]", "[ext4]", "[bpf]") but the rows below.
 */
static enum frame_kind kind_of_mapping(const char *file)
{
	static const struct {
		const char *prefix;
		enum frame_kind kind;
	} names[] = {
		{ "[vdso]", FRAME_USER }, { "[vsyscall]", FRAME_USER }, { "[uprobes]", FRAME_USER },
		{ "[anon", FRAME_JIT },	  { "[heap]", FRAME_JIT },	{ "[stack", FRAME_JIT },
		{ "//anon", FRAME_JIT },  { "[python]", FRAME_JIT },	{ "[", FRAME_KERNEL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(file, names[i].prefix, strlen(names[i].prefix)) == 0)
			return names[i].kind;
	return is_perf_map(file) ? FRAME_JIT : FRAME_USER;
}

/* The name that the file has for this line, or NULL. */
static const char *given_name(const struct profile *p, const struct location *l, size_t line)
{
	if (line >= l->nlines)
		return NULL;
	const struct function *f = profile_get_function(p, l->lines[line].function);
	const char *name = profile_str(p, f->name ? f->name : f->system_name);

	return *name ? name : NULL;
}

enum frame_kind profile_frame_kind(const struct profile *p, uint32_t location)
{
	const struct location *l = profile_get_location(p, location);
	const char *name;

	if (l->mapping)
		return kind_of_mapping(profile_str(p, profile_get_mapping(p, l->mapping)->file));
	name = given_name(p, l, 0);
	return !l->address && name && (name[0] == '[' || strcmp(name, NAME_WAKER) == 0)
		       ? FRAME_MARK
		       : FRAME_USER;
}

const char *profile_frame_name(const struct profile *p, uint32_t location, size_t line, char *buf,
			       size_t size)
{
	const struct location *l = profile_get_location(p, location);
	const char *name = given_name(p, l, line), *file = "";
	size_t n;

	if (name) {
		snprintf(buf, size, "%s", name);
		return buf;
	}
	if (l->mapping)
		file = base_name(profile_str(p, profile_get_mapping(p, l->mapping)->file));
	n = strlen(file);
	/* A name in brackets loses its own. */
	if (n > 2 && file[0] == '[' && file[n - 1] == ']') {
		file++;
		n -= 2;
	}
	if (!n) {
		file = "unknown";
		n = strlen(file);
	}
	/* The address first counts: a long name is cut so that it stays. */
	n = MIN(n, size > 32 ? size - 32 : 0);
	snprintf(buf, size, "[%.*s+0x%" PRIx64 "]", (int)n, file, l->address);
	return buf;
}
