/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of interpreted functions; see language.h. What was read from a process is kept, so that a
 * function is read once a process, and a frame costs two look-ups:
 *
 *     (pid, address, identity) --by_code--> code --+
 *                                                  +--by_place--> location of the profile
 *                                       offset ----+
 *
 * When too much is kept, all of it is forgotten and what still runs is read again: simpler than
 * telling old from new, and programs that large are few.
 */
#include "symbol/language.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/index.h"
#include "bpf/stack.h"
#include "symbol/symbol.h"

static const struct language *const languages[LANGUAGES] = {
	[LANGUAGE_PYTHON] = &language_python,
};

/* Bytes of names and line tables; some 40,000 functions. */
#define MEMORY_MAX (16 << 20)
/* Positions in code that have a location. */
#define PLACES_MAX 262144

struct code {
	uint64_t address;
	uint32_t identity;
	pid_t pid;
	uint32_t language, version;
	uint32_t epoch; /* of the profile that `function` is a number of */
	uint32_t function;
	struct language_code is;
};

struct place {
	uint32_t code; /* position in codes */
	uint32_t offset;
	uint32_t location;
};

struct languages {
	struct code *codes;
	size_t ncodes, codes_capacity;
	struct index by_code;
	struct place *places; /* of this epoch's profile */
	size_t nplaces, places_capacity;
	struct index by_place;
	size_t memory; /* bytes that codes point to */
	uint32_t epoch;
	uint32_t mappings[LANGUAGES], unknown[LANGUAGES]; /* 0: not made yet */
	struct languages_stats stats;
};

/* --- files and processes --- */

bool language_probe(const struct elf *elf, struct interpreter *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(languages); i++)
		if (languages[i] && languages[i]->probe(elf, out))
			return true;
	return false;
}

void language_place(struct interpreter *interpreter, uint64_t bias)
{
	for (size_t i = 0; i < ARRAY_SIZE(interpreter->code); i++) {
		struct interpreter_code *code = &interpreter->code[i];

		if (code->end) {
			code->start += bias;
			code->end += bias;
		}
	}
	languages[interpreter->language]->place(interpreter, bias);
}

/* --- the memory of a process --- */

/* process_vm_readv() gives whole ranges or nothing of them, so each page is one. */
#define PAGES_AT_ONCE (LANGUAGE_LINES_MAX / 4096 + 2)

static size_t read_process(const struct language_reader *reader, uint64_t address, void *buffer,
			   size_t size)
{
	const uint64_t page = 4096;
	struct iovec here = { buffer, size }, there[PAGES_AT_ONCE];
	size_t n = 0, left = size;
	ssize_t got;

	while (left && n < PAGES_AT_ONCE) {
		size_t part = MIN(left, page - (address & (page - 1)));

		there[n++] = (struct iovec){ (void *)(uintptr_t)address, part };
		address += part;
		left -= part;
	}
	got = process_vm_readv(reader->pid, &here, 1, there, n, 0);
	return got < 0 ? 0 : (size_t)got;
}

/* --- what is kept --- */

struct languages *languages_new(void)
{
	return xcalloc(1, sizeof(struct languages));
}

static void forget_places(struct languages *l)
{
	index_clear(&l->by_place);
	l->nplaces = 0;
}

static void forget_codes(struct languages *l)
{
	for (size_t i = 0; i < l->ncodes; i++) {
		free(l->codes[i].is.name);
		free(l->codes[i].is.file);
		free(l->codes[i].is.lines);
	}
	index_clear(&l->by_code);
	l->ncodes = 0;
	l->memory = 0;
	forget_places(l);
}

void languages_free(struct languages *l)
{
	if (!l)
		return;
	forget_codes(l);
	free(l->codes);
	free(l->places);
	index_free(&l->by_code);
	index_free(&l->by_place);
	free(l);
}

void languages_next_profile(struct languages *l)
{
	l->epoch++;
	forget_places(l);
	memset(l->mappings, 0, sizeof(l->mappings));
	memset(l->unknown, 0, sizeof(l->unknown));
}

struct languages_stats languages_stats(const struct languages *l)
{
	return l->stats;
}

/* --- functions --- */

static uint64_t hash_code(const struct code *key)
{
	return hash_combine(hash_combine(key->address, key->identity), (uint64_t)key->pid);
}

static bool equal_code(const void *k, uint32_t position, const void *context)
{
	const struct languages *l = context;
	const struct code *code = &l->codes[position], *key = k;

	return code->address == key->address && code->identity == key->identity &&
	       code->pid == key->pid && code->language == key->language;
}

/* Position in codes, INDEX_NONE when it cannot be read (any more). */
static uint32_t find_code(struct languages *l, const struct code *key,
			  const struct interpreter *interpreter)
{
	const struct language_reader reader = { .read = read_process, .pid = key->pid };
	uint32_t found = index_find(&l->by_code, hash_code(key), key, equal_code, l);
	struct code code = *key;

	if (found != INDEX_NONE)
		return found;
	if (!interpreter || interpreter->language != key->language ||
	    !languages[key->language]->read(&reader, interpreter, key->address, key->identity,
					    &code.is))
		return INDEX_NONE;
	code.version = interpreter->version;
	if (l->memory > MEMORY_MAX)
		forget_codes(l);
	l->memory += sizeof(code) + strlen(code.is.name) + strlen(code.is.file) + code.is.nlines;
	l->stats.named++;
	GROW(l->codes, l->ncodes, l->codes_capacity);
	index_insert(&l->by_code, hash_code(key), (uint32_t)l->ncodes);
	l->codes[l->ncodes] = code;
	return (uint32_t)l->ncodes++;
}

static uint32_t function_of(struct languages *l, struct profile *p, struct code *code)
{
	if (code->function && code->epoch == l->epoch)
		return code->function;
	const struct function function = {
		.name = profile_string(p, code->is.name),
		.system_name = profile_string(p, code->is.name),
		.file = profile_string(p, code->is.file),
		.start_line = code->is.first_line,
	};

	code->epoch = l->epoch;
	code->function = profile_function(p, &function);
	return code->function;
}

/* --- locations --- */

static uint32_t mapping_of(struct languages *l, struct profile *p, uint32_t language)
{
	if (!l->mappings[language]) {
		const struct mapping mapping = {
			.file = profile_string(p, languages[language]->mapping),
			.limit = UINT64_MAX,
		};

		l->mappings[language] = profile_mapping(p, &mapping);
	}
	return l->mappings[language];
}

/* One for all: an address in a process would say nothing to anybody. */
static uint32_t unknown_location(struct languages *l, struct profile *p, uint32_t language)
{
	l->stats.unnamed++;
	if (!l->unknown[language])
		l->unknown[language] = profile_named_location(p, mapping_of(l, p, language),
							      languages[language]->mapping);
	return l->unknown[language];
}

static uint64_t hash_place(const struct place *key)
{
	return hash_combine(key->offset, key->code);
}

static bool equal_place(const void *k, uint32_t position, const void *context)
{
	const struct languages *l = context;
	const struct place *place = &l->places[position], *key = k;

	return place->code == key->code && place->offset == key->offset;
}

static uint32_t place_location(struct languages *l, struct profile *p, struct place *place)
{
	uint32_t found = index_find(&l->by_place, hash_place(place), place, equal_place, l);
	struct code *code = &l->codes[place->code];

	if (found != INDEX_NONE)
		return l->places[found].location;
	const struct line line = {
		.function = function_of(l, p, code),
		.line = languages[code->language]->line(code->version, &code->is, place->offset),
	};

	/* An address would keep equal lines of several processes apart. */
	place->location = profile_location_with_lines(p, mapping_of(l, p, code->language), 0, &line,
						      1);
	if (l->nplaces >= PLACES_MAX)
		forget_places(l);
	GROW(l->places, l->nplaces, l->places_capacity);
	index_insert(&l->by_place, hash_place(place), (uint32_t)l->nplaces);
	l->places[l->nplaces++] = *place;
	return place->location;
}

uint32_t languages_location(struct languages *l, struct profile *p, pid_t pid,
			    const struct interpreter *interpreter, uint64_t word, uint64_t position)
{
	struct code key = { .pid = pid,
			    .address = FRAME_CODE(word),
			    .identity = FRAME_POSITION_CODE(position),
			    .language = FRAME_LANGUAGE(word) };
	struct place place = { .offset = FRAME_POSITION_OFFSET(position) };

	if (key.language >= LANGUAGES || !languages[key.language])
		return profile_named_location(p, 0, SYMBOL_UNKNOWN);
	place.code = find_code(l, &key, interpreter);
	if (place.code == INDEX_NONE)
		return unknown_location(l, p, key.language);
	return l->codes[place.code].is.hidden ? 0 : place_location(l, p, &place);
}
