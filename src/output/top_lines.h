/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top without a screen: lines that come one after another and stay.
 *
 *     batch: a block an interval, columns fixed, for programs and log files
 *     plain: sentences, only of what is new or has changed, for ears
 */
#ifndef PLIMSOLL_OUTPUT_TOP_LINES_H
#define PLIMSOLL_OUTPUT_TOP_LINES_H

#include <time.h>

#include "base/text.h"
#include "output/top_rows.h"

/* Appends a block: time (UTC), heads, a line a row, an empty line. The name is last and whole. */
void top_batch(struct top_rows *rows, time_t now, struct buffer *out);

/* Remembers what was said, so that it need not be said again. */
struct top_speech;
struct top_speech *top_speech_new(void);
void top_speech_free(struct top_speech *s);
/* Appends what there is to say; nothing where all is as before. */
void top_speech_say(struct top_speech *s, struct top_rows *rows, time_t now, struct buffer *out);

#endif
