/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flame graph itself, without the document around it: a tree, pruned and laid out.
 *
 *     tree (any size) --prune--> nodes (at most FLAME_NODES_MAX)  --> data for the script
 *                                   \--prune--> drawn (at most FLAME_DRAWN_MAX) --> static picture
 *
 * The static picture is seen wherever SVG is; where scripts run, flamegraph.js redraws it from the
 * data, to the window's width, and can zoom into what was too narrow to be drawn. Both prune by
 * weight, largest kept, so a file stays small and quick whatever the profile; what is left out is
 * counted and said.
 */
#ifndef PLIMSOLL_OUTPUT_FLAME_H
#define PLIMSOLL_OUTPUT_FLAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "profile/tree.h"

#define FLAME_NODES_MAX	 120000 /* kept; about 16 bytes each in the file */
#define FLAME_DRAWN_MAX	 6000	/* drawn without script; about 300 bytes each */
#define FLAME_LEVELS_MAX 400	/* deeper frames are pruned: nobody scrolls through 4,000 rows */

/* Pixels; flamegraph.js is told them. Text of 12 px in rows of 18. */
#define FLAME_ROW	18
#define FLAME_MARGIN	12
#define FLAME_NARROWEST 0.3 /* narrower frames are not drawn */
/* From this many levels above the lowest frame shown, a frame must be wider by so much for each
 * level: one odd stack of 127 frames must not make a picture that is mostly paper. */
#define FLAME_TALL    36
#define FLAME_STEEPER 0.1

struct flame_node;

struct flame {
	const struct tree *tree;
	struct flame_node *nodes; /* parents before children */
	size_t n;
	size_t pruned;	  /* nodes of the tree that are not kept */
	size_t undrawn;	  /* kept, but too narrow for the static picture */
	unsigned levels;  /* rows that are drawn, the root's included */
	unsigned classes; /* which kinds of frames there are, for the legend */
	double width;	  /* of the root, in pixels */
	bool inverted;	  /* the root on top */
};

/* `width` of the whole picture, margins included. Keeps a pointer into the tree. */
void flame_new(struct flame *f, const struct tree *tree, unsigned width, bool inverted);
void flame_free(struct flame *f);

/* Of the frames alone. */
unsigned flame_height(const struct flame *f);

/* Appends <g class="frames">, its upper edge at y = `top`. */
void flame_frames(const struct flame *f, unsigned top, struct buffer *out);
/* Appends the JSON object that flamegraph.js reads; safe within <script>. docs/formats.md. */
void flame_data(const struct flame *f, struct buffer *out);
/* Appends <g class="legend"> at x, y (the text's base line). */
void flame_legend(const struct flame *f, unsigned x, unsigned y, struct buffer *out);
/* Appends "1,234 frames are too narrow to be drawn", or nothing. */
void flame_left_out(const struct flame *f, struct buffer *out);

#endif
