/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples summed up by keys, largest first: the table. Keys are labels (container, pod, image, pid,
 * comm, ...) and, from the stack, `function`, `file`, `mapping`. With a stack key a row has self
 * (the leaf is this) and total (it is anywhere in the stack, counted once), exactly as `go tool
 * pprof -top` has flat and cum; without one both are equal. Only waits (types `offcpu` and `wall`)
 * have theirs not in the scheduler but in the function that called it.
 */
#ifndef PLIMSOLL_PROFILE_RANK_H
#define PLIMSOLL_PROFILE_RANK_H

#include "base/arena.h"
#include "profile/profile.h"

#define RANK_KEYS_MAX 8

struct rank_row {
	const char *keys[RANK_KEYS_MAX]; /* numbers as decimal text; "-" where a sample has none */
	enum frame_kind kind;		 /* of the function, where `function` is a key */
	uint64_t self, total;
	double self_base, total_base; /* diff only: BEFORE's, scaled to AFTER's total */
};

struct rank {
	size_t nkeys;
	const char *keys[RANK_KEYS_MAX];
	struct rank_row *rows; /* by self, then total, then name */
	size_t n;
	uint64_t total; /* of the profile */
	uint64_t base_total;
	const char *type, *unit;
	bool is_diff;
	struct arena arena;
};

/* A key that the profile does not know of: -EINVAL, logged with the keys that it has. Keeps
 * pointers into p. */
int rank_new(const struct profile *p, size_t value, const char *const *keys, size_t nkeys,
	     struct rank **out);
int rank_diff(const struct profile *before, const struct profile *after, const char *type,
	      const char *const *keys, size_t nkeys, struct rank **out);
void rank_free(struct rank *r);

/* Is it a label, or one of the words for something in the stack? */
bool rank_key_is_label(const char *key);

#endif
