/* SPDX-License-Identifier: Apache-2.0 */
/* Samples that wait to be walked; see unwind_deferred.h. */
#include "signal/unwind_deferred.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

void deferred_init(struct deferred_queue *queue)
{
	*queue = (struct deferred_queue){ .end = &queue->first };
}

bool deferred_is_sound(const struct deferred_record *record, size_t size)
{
	return size >= offsetof(struct deferred_record, stack) &&
	       record->head.kernel_frames <= STACK_FRAMES_MAX &&
	       record->stack_size <= size - offsetof(struct deferred_record, stack);
}

bool deferred_add(struct deferred_queue *queue, const struct waiting *waiting)
{
	struct waiting *copy;

	if (waiting->size > DEFERRED_BYTES_MAX - queue->bytes)
		return false;
	copy = xmalloc(sizeof(*copy));
	*copy = *waiting;
	copy->next = NULL;
	copy->record = memcpy(xmalloc(waiting->size), waiting->record, waiting->size);
	*queue->end = copy;
	queue->end = &copy->next;
	queue->n++;
	queue->bytes += waiting->size;
	queue->bytes_max = MAX(queue->bytes_max, queue->bytes);
	return true;
}

struct waiting *deferred_remove(struct deferred_queue *queue, struct waiting **link)
{
	struct waiting *waiting = *link;

	*link = waiting->next;
	if (queue->end == &waiting->next)
		queue->end = link;
	queue->n--;
	queue->bytes -= waiting->size;
	return waiting;
}

void waiting_free(struct waiting *waiting)
{
	free((void *)waiting->record);
	free(waiting);
}
