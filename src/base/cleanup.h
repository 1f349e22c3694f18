/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership that is visible where a variable is declared: the helper named in the declaration runs
 * when the scope ends, TAKE_PTR and TAKE_FD say that ownership moves on.
 */
#ifndef PLIMSOLL_BASE_CLEANUP_H
#define PLIMSOLL_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_(f)	   __attribute__((cleanup(f)))
#define _cleanup_free_	   _cleanup_(cleanup_free)
#define _cleanup_fclose_   _cleanup_(cleanup_fclose)
#define _cleanup_closedir_ _cleanup_(cleanup_closedir)
#define _cleanup_close_	   _cleanup_(cleanup_close)

#define TAKE_PTR(p)                      \
	({                               \
		typeof(p) taken__ = (p); \
		(p) = NULL;              \
		taken__;                 \
	})

#define TAKE_FD(fd)                 \
	({                          \
		int taken__ = (fd); \
		(fd) = -1;          \
		taken__;            \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

#endif
