/* SPDX-License-Identifier: Apache-2.0 */
/* Questions and answers on a sheet; see answer.h. */
#include "symbol/answer.h"
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* --- drafting --- */

void answer_next(struct answer_draft *draft)
{
	GROW(draft->first, draft->n, draft->first_capacity);
	draft->first[draft->n++] = (uint32_t)draft->nlines;
}

static size_t draft_size(const struct answer_draft *draft)
{
	return draft->nlines * sizeof(*draft->lines) +
	       draft->nfunctions * sizeof(*draft->functions) + draft->text_size;
}

static bool same_string(const void *key, uint32_t position, const void *context)
{
	const struct answer_draft *draft = context;

	return strcmp(key, draft->text + draft->starts[position]) == 0;
}

static void append_text(struct answer_draft *draft, const char *s, size_t size)
{
	if (draft->text_capacity - draft->text_size < size) {
		draft->text_capacity = 2 * draft->text_capacity + size + 4096;
		draft->text = xreallocarray(draft->text, draft->text_capacity, 1);
	}
	memcpy(draft->text + draft->text_size, s, size);
	draft->text_size += size;
}

uint32_t answer_string(struct answer_draft *draft, const char *s)
{
	uint64_t hash;
	uint32_t found;

	if (!draft->text_size)
		append_text(draft, "", 1);
	if (!s || !*s)
		return 0;
	hash = hash_string(s);
	found = index_find(&draft->strings, hash, s, same_string, draft);
	if (found != INDEX_NONE)
		return draft->starts[found];
	if (draft_size(draft) + strlen(s) > ANSWER_MAX / 2) {
		draft->is_full = true;
		return 0;
	}
	GROW(draft->starts, draft->nstrings, draft->starts_capacity);
	draft->starts[draft->nstrings] = (uint32_t)draft->text_size;
	index_insert(&draft->strings, hash, (uint32_t)draft->nstrings++);
	append_text(draft, s, strlen(s) + 1);
	return draft->starts[draft->nstrings - 1];
}

static bool same_function(const void *key, uint32_t position, const void *context)
{
	return memcmp(key, &((const struct answer_draft *)context)->functions[position],
		      sizeof(struct answer_function)) == 0;
}

void answer_line(struct answer_draft *draft, const struct answer_function *function, uint32_t line)
{
	uint64_t hash = hash_bytes(function, sizeof(*function));
	uint32_t number;

	if (draft_size(draft) > ANSWER_MAX / 2)
		draft->is_full = true;
	if (draft->is_full || draft->nlines - draft->first[draft->n - 1] >= ANSWER_LINES_MAX)
		return;
	number = index_find(&draft->by_function, hash, function, same_function, draft);
	if (number == INDEX_NONE) {
		GROW(draft->functions, draft->nfunctions, draft->functions_capacity);
		number = (uint32_t)draft->nfunctions++;
		draft->functions[number] = *function;
		index_insert(&draft->by_function, hash, number);
	}
	GROW(draft->lines, draft->nlines, draft->lines_capacity);
	draft->lines[draft->nlines++] = (struct answer_line){ number, line };
}

int answer_write(struct answer_draft *draft, int sheet, size_t n)
{
	off_t at = (off_t)(n * sizeof(uint64_t));
	struct answer_head head;
	int err;

	answer_string(draft, NULL);
	answer_next(draft); /* the end of the last one */
	head = (struct answer_head){
		.n = (uint32_t)n,
		.nlines = (uint32_t)draft->nlines,
		.nfunctions = (uint32_t)draft->nfunctions,
		.text_size = (uint32_t)draft->text_size,
	};
	err = write_at(sheet, &head, sizeof(head), &at);
	if (!err)
		err = write_at(sheet, draft->first, draft->n * sizeof(*draft->first), &at);
	if (!err)
		err = write_at(sheet, draft->lines, draft->nlines * sizeof(*draft->lines), &at);
	if (!err)
		err = write_at(sheet, draft->functions,
			       draft->nfunctions * sizeof(*draft->functions), &at);
	if (!err)
		err = write_at(sheet, draft->text, draft->text_size, &at);
	return err;
}

void answer_draft_free(struct answer_draft *draft)
{
	free(draft->first);
	free(draft->lines);
	free(draft->functions);
	free(draft->text);
	free(draft->starts);
	index_free(&draft->strings);
	index_free(&draft->by_function);
	*draft = (struct answer_draft){ 0 };
}

/* --- reading --- */

static int read_at(int fd, void *data, size_t size, uint64_t at)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = pread(fd, (char *)data + done, size - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		done += (size_t)n;
	}
	return 0;
}

static bool holds_together(const struct answer *answer, const struct answer_head *head)
{
	/* Every offset below text_size is the beginning of a string that ends in the text. */
	if (!head->text_size || answer->text[0] || answer->text[head->text_size - 1])
		return false;
	if (answer->first[0] || answer->first[head->n] != head->nlines)
		return false;
	for (size_t i = 0; i < head->n; i++)
		if (answer->first[i] > answer->first[i + 1] ||
		    answer->first[i + 1] - answer->first[i] > ANSWER_LINES_MAX)
			return false;
	for (size_t i = 0; i < head->nlines; i++)
		if (answer->lines[i].function >= head->nfunctions)
			return false;
	for (size_t i = 0; i < head->nfunctions; i++) {
		const struct answer_function *f = &answer->functions[i];

		if (f->name >= head->text_size || f->readable >= head->text_size ||
		    f->file >= head->text_size || f->module >= head->text_size)
			return false;
	}
	return true;
}

int answer_read(int sheet, size_t n, struct answer *out)
{
	uint64_t at = n * sizeof(uint64_t), size;
	struct answer_head head;
	int err = read_at(sheet, &head, sizeof(head), at);
	char *copy;

	*out = (struct answer){ 0 };
	if (err)
		return err;
	size = ((uint64_t)head.n + 1) * sizeof(*out->first) +
	       (uint64_t)head.nlines * sizeof(*out->lines) +
	       (uint64_t)head.nfunctions * sizeof(*out->functions) + head.text_size;
	if (head.n != n || size > ANSWER_MAX)
		return -EBADMSG;
	copy = xmalloc(size);
	err = read_at(sheet, copy, size, at + sizeof(head));
	out->n = n;
	out->copy = copy;
	out->first = (const uint32_t *)copy;
	out->lines = (const struct answer_line *)(out->first + n + 1);
	out->functions = (const struct answer_function *)(out->lines + head.nlines);
	out->text = (const char *)(out->functions + head.nfunctions);
	if (!err && !holds_together(out, &head))
		err = -EBADMSG;
	if (err)
		answer_free(out);
	return err;
}

void answer_free(struct answer *answer)
{
	free(answer->copy);
	*answer = (struct answer){ 0 };
}
