/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that does not fail; see alloc.h. */
#include "base/alloc.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *check(void *p)
{
	static const char message[] = "plimsoll: out of memory\n";

	if (p)
		return p;
	/* Not log_error(): it may allocate. */
	if (write(STDERR_FILENO, message, sizeof(message) - 1) < 0)
		abort();
	_exit(1);
}

void *xmalloc(size_t size)
{
	return check(malloc(size ? size : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return check(calloc(n ? n : 1, size ? size : 1));
}

void *xreallocarray(void *p, size_t n, size_t size)
{
	return check(reallocarray(p, n ? n : 1, size ? size : 1));
}

char *xstrdup(const char *s)
{
	return check(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
	return check(strndup(s, n));
}

char *xasprintf(const char *format, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&s, format, ap);
	va_end(ap);
	return check(n < 0 ? NULL : s);
}

void *grow_array(void *array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return array;
	size_t wanted = *cap ? *cap : 16;
	while (wanted <= n) {
		if (wanted > SIZE_MAX / 2)
			return check(NULL);
		wanted *= 2;
	}
	array = xreallocarray(array, wanted, size);
	*cap = wanted;
	return array;
}
