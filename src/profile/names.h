/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What trees and tables group by. Two profiles have different numbers for the same string, so both
 * are read through one table of names; and the lines of all locations are looked up once, not once
 * a sample.
 */
#ifndef PLIMSOLL_PROFILE_NAMES_H
#define PLIMSOLL_PROFILE_NAMES_H

#include "base/arena.h"
#include "base/index.h"
#include "profile/profile.h"

/* Equal text, equal number. 0 is "-", which stands for what is not there. */
struct names {
	const char **array;
	size_t n, capacity;
	struct index index;
	struct arena *arena; /* for names that are in no profile */
};

/* `arena` must outlive the names' texts, and so must the profiles that they came from. */
void names_init(struct names *names, struct arena *arena);
void names_free(struct names *names);
/* `s` is kept, not copied. */
uint32_t names_add(struct names *names, const char *s);
/* What a label set says for a key: text, or a number in decimal; 0 if nothing. */
uint32_t names_add_label(struct names *names, const struct profile *p, uint32_t labels,
			 const char *key);

struct frame {
	uint32_t name, source, mapping; /* names: function, its source file, mapping's file */
	enum frame_kind kind;
	bool inlined;
};

struct frames {
	struct frame *all;
	uint32_t *first; /* a location's frames: all[first[location]] .. all[first[location + 1]] */
};

/* A location without lines has one frame. The frames of a location are in pprof's order: inlined
 * callees first. */
void frames_init(struct frames *f, const struct profile *p, struct names *names);
void frames_free(struct frames *f);

#endif
