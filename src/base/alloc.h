/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation that does not fail: out of memory ends the program with one message. Sizes that come
 * from a container or a file are bounded by the caller first; these only ever see our own sizes.
 */
#ifndef PLIMSOLL_BASE_ALLOC_H
#define PLIMSOLL_BASE_ALLOC_H

#include <stdarg.h>
#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
/* The caller frees the result. */
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

/*
 * Make room for element number `n` (0-based) in a growing array of elements of `size` bytes whose
 * capacity is *cap; returns the possibly moved array. Use through GROW(array, n, cap).
 */
void *grow_array(void *array, size_t n, size_t *cap, size_t size);
#define GROW(array, n, cap) ((array) = grow_array((array), (n), &(cap), sizeof(*(array))))

#endif
