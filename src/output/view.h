/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person looks at: which value of the profile, rooted at what, under which title, and the
 * facts that stand above every table and picture (host, how long, how many samples, when).
 */
#ifndef PLIMSOLL_OUTPUT_VIEW_H
#define PLIMSOLL_OUTPUT_VIEW_H

#include "base/text.h"
#include "output/output.h"
#include "profile/rank.h"

struct view {
	size_t value;		 /* index of the value type shown */
	const char *type, *unit; /* its words */
	const char *signal;	 /* how its heading calls it: "CPU time" */
	int samples_type;	 /* index of the value type that counts samples, -1: none */
	uint64_t total;		 /* of the value */
	uint64_t samples;	 /* 0 when samples_type is -1 */
	int64_t time, duration;	 /* ns, 0: unknown */
	double frequency;	 /* samples a second and CPU, 0: unknown */
	const char *host;	 /* from the note "host: NAME", or NULL */
	bool has_containers;	 /* some sample says to which container it belongs */
	const char *roots[RANK_KEYS_MAX + 1]; /* NULL-terminated, for struct tree_options */
	struct buffer title;		      /* "CPU time on HOST" */
};

/* Keeps pointers into p and o. Free with view_free(). */
void view_init(struct view *v, const struct profile *p, const struct output_options *o);
void view_free(struct view *v);

/* For a comparison: roots that either profile has, and a title that says what is compared. */
void view_init_diff(struct view *v, const struct profile *before, const struct profile *after,
		    const struct output_options *o);

/* Appends "10 s at 99 Hz · 1,234 samples · 12.5 s CPU time · 2026-11-21 06:52:11 UTC". */
void view_facts(const struct view *v, struct buffer *out);

/* Does a label set of the profile have this key? */
bool view_has_label(const struct profile *p, const char *key);

/* Notes that are for a person: all but those that view_init() has put into words already. */
bool view_shows_note(const char *note);
/* A note that tells of something that was not seen: shown first, and as a warning. */
bool view_is_loss(const char *note);

/* --- values in words --- */

/* "1.23 s", "4.5 MiB", "1,234". */
char *value_text(double value, const char *unit, char buf[TEXT_SHORT]);
/* The same with its sign, for a difference: "+1.23 s". */
char *value_delta(double delta, const char *unit, char buf[TEXT_SHORT]);
/* "12.3 %"; "<0.1 %" for what would read as nothing and is not. */
char *share_text(double part, double whole, char buf[TEXT_SHORT]);
/* part / whole in percent; 0 of nothing is 0. */
double share(double part, double whole);
/* "+1.2 pp", the difference of two shares in percentage points. */
char *points_text(double before, double after, char buf[TEXT_SHORT]);
/* profile_frame_name(), but a name that the profile has is not cut to the buffer. */
const char *whole_frame_name(const struct profile *p, uint32_t location, size_t line, char *buf,
			     size_t size);

#endif
