/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading pprof, from anyone. The fields of a profile may come in any order while references need
 * their target, so the top level is walked several times, a kind of thing each:
 *
 *     strings  ->  types, times, notes, mappings, functions  ->  locations  ->  samples
 *
 * protobuf-c unpacks one message at a time into a small piece of scratch memory. It never sees the
 * whole: two bytes of an empty message would become eighty in its tree. What a file can make us
 * hold is bounded after each message instead, and what it can make a view walk through by the
 * number of frames.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/index.h"
#include "profile/gzip.h"
#include "profile/pprof.h"
#include "profile/profile.pb-c.h"

#define MEMORY_DEFAULT ((size_t)1 << 30)
/* One message unpacked: a location of 4,096 lines takes 450 KiB. */
#define SCRATCH_SIZE ((size_t)2 << 20)
/* Frames of all samples together. A location is written once and may be used by every sample, so
 * a small file could otherwise take hours to look at; this takes seconds. */
#define FRAMES_MAX ((uint64_t)1 << 28)

/* --- wire format (protobuf.dev/programming-guides/encoding) --- */

enum wire { WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_32 = 5 };

struct field {
	uint32_t number;
	enum wire wire;
	uint64_t value;	     /* WIRE_VARINT */
	const uint8_t *data; /* WIRE_BYTES */
	size_t size;
};

struct reader {
	const uint8_t *at, *end;
};

static bool read_varint(struct reader *r, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 70 && r->at < r->end; shift += 7) {
		uint8_t byte = *r->at++;

		/* The tenth byte has room for one bit. */
		*value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

static bool skip(struct reader *r, uint64_t size, struct field *f)
{
	if (size > (uint64_t)(r->end - r->at))
		return false;
	f->data = r->at;
	f->size = (size_t)size;
	r->at += size;
	return true;
}

/* Takes the next field; false: what comes is none. */
static bool read_field(struct reader *r, struct field *f)
{
	uint64_t tag, size;

	*f = (struct field){ 0 };
	if (!read_varint(r, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
		return false;
	f->number = (uint32_t)(tag >> 3);
	f->wire = (enum wire)(tag & 7);
	switch (f->wire) {
	case WIRE_VARINT:
		return read_varint(r, &f->value);
	case WIRE_BYTES:
		return read_varint(r, &size) && skip(r, size, f);
	case WIRE_64:
		return skip(r, 8, f);
	case WIRE_32:
		return skip(r, 4, f);
	}
	return false; /* groups, which proto3 does not have */
}

/* --- scratch memory for one message --- */

struct scratch {
	uint8_t *memory;
	size_t used;
	bool full;
};

static void *scratch_alloc(void *data, size_t size)
{
	struct scratch *s = data;

	size = (size + 15) & ~(size_t)15;
	if (size > SCRATCH_SIZE - s->used) {
		s->full = true;
		return NULL;
	}
	s->used += size;
	return s->memory + s->used - size;
}

static void scratch_free(void *data, void *pointer)
{
	/* All goes at once, before the next message. */
	(void)data;
	(void)pointer;
}

/* --- the file's ids and what we call them --- */

struct id {
	uint64_t id;
	uint32_t number;
};

struct ids {
	struct id *array;
	size_t n, capacity;
	struct index index;
};

static bool same_id(const void *key, uint32_t position, const void *context)
{
	return *(const uint64_t *)key == ((const struct ids *)context)->array[position].id;
}

static uint32_t ids_find(const struct ids *ids, uint64_t id)
{
	/* As a rule they are numbered from 1 in the order of the file. */
	if (id - 1 < ids->n && ids->array[id - 1].id == id)
		return ids->array[id - 1].number;
	uint32_t found = index_find(&ids->index, hash_bytes(&id, sizeof(id)), &id, same_id, ids);

	return found == INDEX_NONE ? 0 : ids->array[found].number;
}

static void ids_add(struct ids *ids, uint64_t id, uint32_t number)
{
	GROW(ids->array, ids->n, ids->capacity);
	ids->array[ids->n] = (struct id){ id, number };
	index_insert(&ids->index, hash_bytes(&id, sizeof(id)), (uint32_t)ids->n++);
}

static size_t ids_memory(const struct ids *ids)
{
	return ids->capacity * sizeof(*ids->array) +
	       ids->index.capacity * sizeof(struct index_slot);
}

static void ids_free(struct ids *ids)
{
	free(ids->array);
	index_free(&ids->index);
}

/* --- decoder --- */

struct decoder {
	struct profile *profile;
	const uint8_t *data;
	size_t size;
	size_t memory_max, memory_outside; /* what we may hold; what of it the caller's data take */
	uint32_t *strings;		   /* our numbers of the file's string table */
	size_t nstrings, strings_capacity;
	struct ids mappings, functions, locations;
	struct value_type types[PROFILE_VALUES_MAX];
	size_t ntypes;
	uint64_t frames;
	struct line *lines; /* of one location */
	size_t lines_capacity;
	struct scratch scratch;
	ProtobufCAllocator allocator;
	const char *why;
};

static int refuse(struct decoder *d, const char *why)
{
	d->why = why;
	return -EBADMSG;
}

/* Unpacked into the scratch memory; gone with the next call. NULL: refused. */
static void *unpack(struct decoder *d, const ProtobufCMessageDescriptor *type,
		    const struct field *f)
{
	void *message;

	d->scratch.used = 0;
	d->scratch.full = false;
	message = f->wire == WIRE_BYTES
			  ? protobuf_c_message_unpack(type, &d->allocator, f->size, f->data)
			  : NULL;
	if (!message)
		refuse(d, d->scratch.full ? "one of its messages is too large"
					  : "one of its messages is damaged");
	return message;
}

static int take_string(struct decoder *d, int64_t position, uint32_t *string)
{
	if (position < 0 || (uint64_t)position >= d->nstrings)
		return refuse(d, "it refers to a string that it does not have");
	*string = d->strings[position];
	return 0;
}

static int take_id(struct decoder *d, const struct ids *ids, uint64_t id, const char *why)
{
	if (!id)
		return refuse(d, "something in it has the id 0");
	return ids_find(ids, id) ? refuse(d, why) : 0;
}

static int on_string(struct decoder *d, const struct field *f)
{
	if (f->wire != WIRE_BYTES)
		return refuse(d, "its string table is damaged");
	if (!d->nstrings && f->size)
		return refuse(d, "the first entry of its string table is not empty");
	GROW(d->strings, d->nstrings, d->strings_capacity);
	d->strings[d->nstrings++] = profile_string_n(d->profile, (const char *)f->data, f->size);
	return 0;
}

static int take_type(struct decoder *d, const struct field *f, struct value_type *type)
{
	const Pprof__ValueType *m = unpack(d, &pprof__value_type__descriptor, f);
	int err;

	if (!m)
		return -EBADMSG;
	err = take_string(d, m->type, &type->type);
	return err ? err : take_string(d, m->unit, &type->unit);
}

static int on_sample_type(struct decoder *d, const struct field *f)
{
	if (d->ntypes == PROFILE_VALUES_MAX)
		return refuse(d, "it has more than 8 sample types");
	return take_type(d, f, &d->types[d->ntypes++]);
}

static int on_period_type(struct decoder *d, const struct field *f)
{
	return take_type(d, f, &profile_head(d->profile)->period_type);
}

static int on_number(struct decoder *d, const struct field *f)
{
	struct profile_head *head = profile_head(d->profile);
	int64_t number = (int64_t)f->value;

	if (f->wire != WIRE_VARINT)
		return refuse(d, "one of its numbers is damaged");
	switch (f->number) {
	case 9:
		head->time = number;
		return 0;
	case 10:
		head->duration = number;
		return 0;
	case 12:
		head->period = number;
		return 0;
	default:
		return take_string(d, number, &head->default_type);
	}
}

static int add_note(struct decoder *d, uint64_t position)
{
	uint32_t string;
	int err = take_string(d, (int64_t)position, &string);

	if (!err && string)
		profile_note(d->profile, profile_str(d->profile, string));
	return err;
}

/* Packed or one at a time. */
static int on_comment(struct decoder *d, const struct field *f)
{
	struct reader r;
	uint64_t position;
	int err = 0;

	if (f->wire == WIRE_VARINT)
		return add_note(d, f->value);
	if (f->wire != WIRE_BYTES)
		return refuse(d, "one of its comments is damaged");
	r = (struct reader){ f->data, f->data + f->size };
	while (!err && r.at < r.end) {
		if (!read_varint(&r, &position))
			return refuse(d, "one of its comments is damaged");
		err = add_note(d, position);
	}
	return err;
}

static int on_mapping(struct decoder *d, const struct field *f)
{
	const Pprof__Mapping *m = unpack(d, &pprof__mapping__descriptor, f);
	struct mapping mapping = { 0 };
	int err;

	if (!m)
		return -EBADMSG;
	mapping.start = m->memory_start;
	mapping.limit = m->memory_limit;
	mapping.offset = m->file_offset;
	err = take_id(d, &d->mappings, m->id, "two of its mappings have the same id");
	if (!err)
		err = take_string(d, m->filename, &mapping.file);
	if (!err)
		err = take_string(d, m->build_id, &mapping.build_id);
	if (!err)
		ids_add(&d->mappings, m->id, profile_mapping(d->profile, &mapping));
	return err;
}

static int on_function(struct decoder *d, const struct field *f)
{
	const Pprof__Function *m = unpack(d, &pprof__function__descriptor, f);
	struct function function = { 0 };
	int err;

	if (!m)
		return -EBADMSG;
	function.start_line = m->start_line;
	err = take_id(d, &d->functions, m->id, "two of its functions have the same id");
	if (!err)
		err = take_string(d, m->name, &function.name);
	if (!err)
		err = take_string(d, m->system_name, &function.system_name);
	if (!err)
		err = take_string(d, m->filename, &function.file);
	if (!err)
		ids_add(&d->functions, m->id, profile_function(d->profile, &function));
	return err;
}

static int take_lines(struct decoder *d, const Pprof__Location *m)
{
	if (m->n_line > PROFILE_STACK_MAX)
		return refuse(d, "one of its locations has more than 4096 lines");
	GROW(d->lines, m->n_line, d->lines_capacity);
	for (size_t i = 0; i < m->n_line; i++) {
		uint32_t function = ids_find(&d->functions, m->line[i]->function_id);

		if (!function)
			return refuse(d, "it refers to a function that it does not have");
		d->lines[i] = (struct line){ .function = function, .line = m->line[i]->line };
	}
	return 0;
}

static int on_location(struct decoder *d, const struct field *f)
{
	const Pprof__Location *m = unpack(d, &pprof__location__descriptor, f);
	uint32_t mapping = 0;
	int err;

	if (!m)
		return -EBADMSG;
	err = take_id(d, &d->locations, m->id, "two of its locations have the same id");
	if (err)
		return err;
	if (m->mapping_id) {
		mapping = ids_find(&d->mappings, m->mapping_id);
		if (!mapping)
			return refuse(d, "it refers to a mapping that it does not have");
	}
	err = take_lines(d, m);
	if (!err)
		ids_add(&d->locations, m->id,
			profile_location_with_lines(d->profile, mapping, m->address, d->lines,
						    m->n_line));
	return err;
}

static int take_labels(struct decoder *d, const Pprof__Sample *m, uint32_t *set)
{
	struct label labels[PROFILE_LABELS_MAX];

	if (m->n_label > PROFILE_LABELS_MAX)
		return refuse(d, "one of its samples has more than 64 labels");
	for (size_t i = 0; i < m->n_label; i++) {
		const Pprof__Label *from = m->label[i];
		struct label *to = &labels[i];
		int err;

		*to = (struct label){ .number = from->num };
		err = take_string(d, from->key, &to->key);
		if (!err)
			err = take_string(d, from->str, &to->text);
		if (!err)
			err = take_string(d, from->num_unit, &to->unit);
		if (err)
			return err;
	}
	*set = profile_labels(d->profile, labels, m->n_label);
	return 0;
}

static int take_stack(struct decoder *d, const Pprof__Sample *m, uint32_t *stack)
{
	uint32_t locations[PROFILE_STACK_MAX];
	size_t frames = 0;

	for (size_t i = 0; i < m->n_location_id; i++) {
		uint32_t location = ids_find(&d->locations, m->location_id[i]);

		if (!location)
			return refuse(d, "it refers to a location that it does not have");
		frames += MAX(profile_get_location(d->profile, location)->nlines, 1U);
		if (frames > PROFILE_STACK_MAX)
			return refuse(d, "one of its stacks has more than 4096 frames");
		locations[i] = location;
	}
	d->frames += frames;
	if (d->frames > FRAMES_MAX)
		return refuse(d, "its stacks have too many frames in all");
	*stack = profile_stack(d->profile, locations, m->n_location_id);
	return 0;
}

static int on_sample(struct decoder *d, const struct field *f)
{
	const Pprof__Sample *m = unpack(d, &pprof__sample__descriptor, f);
	uint32_t stack, labels;
	int err;

	if (!m)
		return -EBADMSG;
	if (m->n_value != d->ntypes)
		return refuse(d, "one of its samples has not one value for each sample type");
	err = take_stack(d, m, &stack);
	if (!err)
		err = take_labels(d, m, &labels);
	if (!err)
		profile_add(d->profile, stack, labels, m->value);
	return err;
}

/* What is not here (drop_frames, keep_frames, doc_url) is advice to other viewers. */
static const struct {
	uint32_t field;
	int pass;
	int (*take)(struct decoder *d, const struct field *f);
} fields[] = {
	{ 6, 0, on_string },	   { 1, 1, on_sample_type }, { 3, 1, on_mapping },
	{ 5, 1, on_function },	   { 9, 1, on_number },	     { 10, 1, on_number },
	{ 11, 1, on_period_type }, { 12, 1, on_number },     { 13, 1, on_comment },
	{ 14, 1, on_number },	   { 4, 2, on_location },    { 2, 3, on_sample },
};
#define PASSES 4

static int check_memory(struct decoder *d)
{
	size_t held = d->memory_outside + profile_memory(d->profile) + ids_memory(&d->mappings) +
		      ids_memory(&d->functions) + ids_memory(&d->locations) +
		      d->strings_capacity * sizeof(*d->strings);

	if (held <= d->memory_max)
		return 0;
	refuse(d, "it takes too much memory");
	return -EFBIG;
}

static int walk(struct decoder *d, int pass)
{
	struct reader r = { d->data, d->data + d->size };
	struct field f;
	int err = 0;

	while (!err && r.at < r.end) {
		if (!read_field(&r, &f))
			return refuse(d, r.at == r.end ? "it is cut short"
						       : "it is not a pprof profile, or damaged");
		for (size_t i = 0; !err && i < ARRAY_SIZE(fields); i++)
			if (fields[i].field == f.number && fields[i].pass == pass)
				err = fields[i].take(d, &f);
		if (!err)
			err = check_memory(d);
	}
	return err;
}

static int decode(struct decoder *d)
{
	int err = 0;

	for (int pass = 0; !err && pass < PASSES; pass++) {
		err = walk(d, pass);
		if (!err && pass == 0 && !d->nstrings)
			err = refuse(d, "it has no string table");
		if (!err && pass == 1 && !d->ntypes)
			err = refuse(d, "it has no sample types");
		if (pass == 1)
			profile_set_types(d->profile, d->types, d->ntypes);
	}
	return err;
}

/* Takes what is no longer compressed. */
static int decode_plain(const void *data, size_t size, size_t memory_max, size_t memory_outside,
			struct profile **out, const char **why)
{
	struct decoder d = {
		.profile = profile_new(),
		.data = data,
		.size = size,
		.memory_max = memory_max,
		.memory_outside = memory_outside,
		.scratch.memory = xmalloc(SCRATCH_SIZE),
	};
	int err;

	d.allocator = (ProtobufCAllocator){ scratch_alloc, scratch_free, &d.scratch };
	err = decode(&d);
	free(d.scratch.memory);
	free(d.strings);
	free(d.lines);
	ids_free(&d.mappings);
	ids_free(&d.functions);
	ids_free(&d.locations);
	if (err) {
		profile_free(d.profile);
		*why = d.why;
		return err;
	}
	*out = d.profile;
	return 0;
}

/* What people hand over by mistake. */
static const char *something_else(const char *data, size_t size)
{
	static const struct {
		const char *start, *why;
	} known[] = {
		{ "PERFILE2", "it is a perf.data file, not a pprof profile" },
		{ "\x7f"
		  "ELF",
		  "it is a program, not a profile" },
		{ "{", "it is JSON, not a pprof profile" },
		{ "<", "it is SVG or HTML, not a pprof profile" },
		{ "PK\3\4", "it is a zip file, not a pprof profile" },
		{ "--- ", "it is a profile in pprof's old text form" },
		{ "heap profile:", "it is a profile in pprof's old text form" },
		{ "goroutine ", "it is text, not a pprof profile" },
	};

	if (!size)
		return "it is empty";
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		size_t n = strlen(known[i].start);

		if (n <= size && memcmp(data, known[i].start, n) == 0)
			return known[i].why;
	}
	return NULL;
}

int pprof_decode(const void *data, size_t size, size_t memory_max, struct profile **out,
		 const char **why)
{
	_cleanup_free_ char *plain = NULL;
	size_t plain_size, limit;
	int err;

	if (!memory_max)
		memory_max = MEMORY_DEFAULT;
	if (is_gzip(data, size)) {
		limit = MIN(memory_max, (size_t)PPROF_SIZE_MAX);
		err = gunzip(data, size, limit, &plain, &plain_size, why);
		if (err)
			return err;
		data = plain;
		size = plain_size;
	}
	*why = something_else(data, size);
	if (*why)
		return -EBADMSG;
	return decode_plain(data, size, memory_max, plain ? size : 0, out, why);
}
