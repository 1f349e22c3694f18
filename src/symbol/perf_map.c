/* SPDX-License-Identifier: Apache-2.0 */
/* Perf maps, read once from front to back; see perf_map.h. */
#include "symbol/perf_map.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/utf8.h"
#include "symbol/hex.h"

#define CHUNK (64 << 10)
/* A large Java service writes some ten MB. Later lines win, so what is left out is the beginning.
 */
#define FILE_MAX_READ (64LL << 20)
/* Reading and splitting costs about a step for each 16 bytes. */
#define BYTES_PER_STEP 16

/* Where in the file the name of the best entry stands. */
struct place {
	off_t offset;
	uint32_t size;
};

static ssize_t read_at(int fd, void *buffer, size_t size, off_t offset)
{
	ssize_t n;

	do
		n = pread(fd, buffer, size, offset);
	while (n < 0 && errno == EINTR);
	return n;
}

/* One line, at `offset` in the file. False when the allowance is spent. */
static bool add_line(struct lookup *lookup, struct place *places, const char *line, size_t size,
		     off_t offset)
{
	const char *p = line, *end = line + size;
	uint64_t start, length, last;

	if (!parse_hex(&p, end, &start) || p == end || *p++ != ' ' ||
	    !parse_hex(&p, end, &length) || p == end || *p++ != ' ' || p == end || !length)
		return true;
	last = length - 1 > UINT64_MAX - start ? UINT64_MAX : start + length - 1;
	for (size_t i = lookup_first(lookup->addresses, lookup->n, start);
	     i < lookup->n && lookup->addresses[i] <= last; i++) {
		places[i].offset = offset + (p - line);
		places[i].size = (uint32_t)MIN((size_t)(end - p), SYMBOL_NAME_MAX - 1UL);
		if (!lookup_spend(lookup, 1))
			return false;
	}
	return true;
}

static void scan(int fd, off_t offset, bool in_line, struct lookup *lookup, struct place *places)
{
	_cleanup_free_ char *buffer = xmalloc(CHUNK);
	size_t kept = 0; /* bytes of an unfinished line at the front of the buffer */
	off_t left = FILE_MAX_READ;

	for (;;) {
		ssize_t n = read_at(fd, buffer + kept, CHUNK - kept, offset + (off_t)kept);
		size_t have = kept + (n > 0 ? (size_t)n : 0), at = 0;
		char *newline;

		if (n <= 0 || (left -= n) < 0 ||
		    !lookup_spend(lookup, (uint64_t)n / BYTES_PER_STEP + 1)) {
			/* The writer may not have come to the end of its last line: leave it out.
			 */
			return;
		}
		while ((newline = memchr(buffer + at, '\n', have - at))) {
			size_t size = (size_t)(newline - (buffer + at));

			/* A line that the front of was cut off is none. */
			if (!in_line &&
			    !add_line(lookup, places, buffer + at, size, offset + (off_t)at))
				return;
			in_line = false;
			at += size + 1;
		}
		if (!at && have == CHUNK) {
			/* Longer than any name: skip to its end. */
			in_line = true;
			at = have;
		}
		kept = have - at;
		memmove(buffer, buffer + at, kept);
		offset += (off_t)at;
	}
}

void perf_map_lookup(int fd, struct lookup *lookup)
{
	_cleanup_free_ struct place *places = NULL;
	char name[SYMBOL_NAME_MAX];
	struct stat st;
	off_t start;

	if (!lookup->n || fstat(fd, &st) < 0)
		return;
	places = xcalloc(lookup->n, sizeof(*places));
	start = MAX(st.st_size - FILE_MAX_READ, (off_t)0);
	scan(fd, start, start > 0, lookup, places);
	for (size_t i = 0; i < lookup->n; i++) {
		ssize_t n;

		if (lookup->names[i] || !places[i].size)
			continue;
		n = read_at(fd, name, places[i].size, places[i].offset);
		if (n <= 0)
			continue;
		name[n] = '\0';
		utf8_clean(name);
		lookup->names[i] = arena_strndup(lookup->arena, name, strlen(name));
	}
}
