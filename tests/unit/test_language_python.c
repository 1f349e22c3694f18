/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of Python functions: read from every Python of 3.8 and later that is installed, and from
 * made-up memory that lies. Ground truth is what Python says of itself (python_answers.py).
 */
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "bpf/python.h"
#include "symbol/cold_part.h"
#include "symbol/dynsym.h"
#include "symbol/language.h"
#include "symbol/python_layout.h"
#include "symbol/python_lines.h"
#include "symbol/symbol.h"

#define ANSWERS "tests/unit/python_answers.py"

/* --- the Pythons of this machine --- */

/* Minor version, 0: not 3. */
static unsigned minor_of(const char *python)
{
	_cleanup_free_ char *command =
		xasprintf("%s -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null", python);
	unsigned major = 0, minor = 0;
	FILE *f = popen(command, "r");

	assert_non_null(f);
	if (fscanf(f, "%u %u", &major, &minor) != 2)
		major = 0;
	pclose(f);
	return major == 3 ? minor : 0;
}

static bool is_known(unsigned minor)
{
	for (uint32_t i = 0; python_layout(i); i++)
		if (python_layout(i)->minor == minor)
			return true;
	return false;
}

/* Calls `test` with each Python that has a layout; there is always one, which builds need. */
static void for_each_python(void (*test)(const char *python, unsigned minor))
{
	const char *home = getenv("HOME"), *pyenv = getenv("PYENV_ROOT");
	_cleanup_free_ char *pattern = pyenv ? xasprintf("%s/versions/3.*/bin/python3", pyenv)
					     : xasprintf("%s/.pyenv/versions/3.*/bin/python3",
							 home ? home : "");
	glob_t found = { 0 };
	size_t tested = 0;

	glob("/usr/bin/python3", 0, NULL, &found);
	glob("/usr/local/bin/python3", GLOB_APPEND, NULL, &found);
	glob(pattern, GLOB_APPEND, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		unsigned minor = minor_of(found.gl_pathv[i]);

		if (!is_known(minor))
			continue;
		test(found.gl_pathv[i], minor);
		tested++;
	}
	globfree(&found);
	assert_true(tested > 0);
}

struct child {
	pid_t pid;
	FILE *in, *out; /* its standard input and output */
};

static struct child start(const char *python, const char *what)
{
	struct child child;
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	child.pid = fork();
	assert_true(child.pid >= 0);
	if (child.pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl(python, python, "-W", "ignore", "-B", "-X", "utf8", ANSWERS, what, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	child.in = fdopen(in[1], "w");
	child.out = fdopen(out[0], "r");
	return child;
}

static void stop(struct child *child)
{
	int status;

	fclose(child->in);
	fclose(child->out);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	assert_int_equal(status, 0);
}

/* --- lines --- */

static bool read_number(FILE *f, void *number)
{
	return fread(number, sizeof(uint32_t), 1, f) == 1;
}

static enum python_line_format format_of(unsigned minor)
{
	return minor >= 11 ? PYTHON_LOCATIONS : minor == 10 ? PYTHON_LINE_TABLE : PYTHON_LNOTAB;
}

static void compare_lines(const char *python, unsigned minor)
{
	struct child child = start(python, "lines");
	uint32_t size, nranges, range[3], ncodes = 0, noffsets = 0;
	int32_t first_line;

	while (read_number(child.out, &first_line)) {
		_cleanup_free_ uint8_t *table = NULL;

		assert_true(read_number(child.out, &size));
		table = xmalloc(size + 1);
		assert_int_equal(fread(table, 1, size, child.out), size);
		assert_true(read_number(child.out, &nranges));
		for (uint32_t i = 0; i < nranges; i++) {
			assert_int_equal(fread(range, sizeof(range), 1, child.out), 1);
			for (uint32_t at = range[0]; at < range[1]; at += 2, noffsets++)
				assert_int_equal(
					python_line(format_of(minor), table, size, first_line, at),
					range[2]);
		}
		ncodes++;
	}
	stop(&child);
	print_message("%s: %u code objects, %u instructions\n", python, ncodes, noffsets);
	assert_true(ncodes > 1000);
}

static void lines_are_what_python_says(void **state)
{
	(void)state;
	for_each_python(compare_lines);
}

static void lines_of_made_up_tables(void **state)
{
	/* Objects/lnotab_notes.txt: 6 bytes on line 1, 44 on line 2, the rest on line 7 and 50
	 * bytes further 256 + 1 lines on. */
	static const uint8_t lnotab[] = { 0, 1, 6, 1, 44, 5, 50, 127, 0, 127, 0, 3 };
	/* 4 bytes on the first line, 2 without a line, 2 two lines back from 10. */
	static const uint8_t table[] = { 4, 0, 2, 0x80, 2, 0xfe };
	/* Two units on the first line (short form), one 300 lines on (long), one without line. */
	static const uint8_t locations[] = {
		0x80 | 0 << 3 | 1, 0x11, 0x80 | 14 << 3 | 0, 0x40 | (600 & 63), 600 >> 6, 0, 0, 0,
		0x80 | 15 << 3 | 0
	};

	(void)state;
	assert_int_equal(python_line(PYTHON_LNOTAB, lnotab, sizeof(lnotab), 1, 0), 2);
	assert_int_equal(python_line(PYTHON_LNOTAB, lnotab, sizeof(lnotab), 1, 6), 3);
	assert_int_equal(python_line(PYTHON_LNOTAB, lnotab, sizeof(lnotab), 1, 50), 8);
	assert_int_equal(python_line(PYTHON_LNOTAB, lnotab, sizeof(lnotab), 1, 100), 8 + 257);
	assert_int_equal(python_line(PYTHON_LINE_TABLE, table, sizeof(table), 10, 3), 10);
	assert_int_equal(python_line(PYTHON_LINE_TABLE, table, sizeof(table), 10, 4), 0);
	assert_int_equal(python_line(PYTHON_LINE_TABLE, table, sizeof(table), 10, 6), 8);
	assert_int_equal(python_line(PYTHON_LINE_TABLE, table, sizeof(table), 10, 8), 0);
	assert_int_equal(python_line(PYTHON_LOCATIONS, locations, sizeof(locations), 7, 3), 7);
	assert_int_equal(python_line(PYTHON_LOCATIONS, locations, sizeof(locations), 7, 4), 307);
	assert_int_equal(python_line(PYTHON_LOCATIONS, locations, sizeof(locations), 7, 6), 0);
	assert_int_equal(python_line(PYTHON_LOCATIONS, locations, sizeof(locations), 7, 8), 0);
	assert_int_equal(python_line(PYTHON_LOCATIONS, NULL, 0, 7, 0), 0);
}

/* --- names of a live process --- */

static uint64_t read_word(pid_t pid, uint64_t address)
{
	uint64_t word = 0;
	struct iovec here = { &word, sizeof(word) };
	struct iovec there = { (void *)(uintptr_t)address, sizeof(word) };

	assert_int_equal(process_vm_readv(pid, &here, 1, &there, 1, 0), sizeof(word));
	return word;
}

static uint32_t identity_at(pid_t pid, uint64_t code, unsigned minor)
{
	uint16_t offset = 0;
	__u64 pointers[PYTHON_IDENTITY_WORDS];

	for (uint32_t i = 0; python_layout(i); i++)
		if (python_layout(i)->minor == minor)
			offset = python_layout(i)->facts.identity;
	for (size_t i = 0; i < ARRAY_SIZE(pointers); i++)
		pointers[i] = read_word(pid, code + offset + 8 * i);
	return python_identity(pointers);
}

#define NAME_CHARACTERS 512 /* longer names are cut to so many */

static const struct function *function_of(const struct profile *p, uint32_t location)
{
	const struct location *l = profile_get_location(p, location);

	assert_int_equal(l->nlines, 1);
	return profile_get_function(p, l->lines[0].function);
}

static const char *mapping_of(const struct profile *p, uint32_t location)
{
	const struct location *l = profile_get_location(p, location);

	return profile_str(p, profile_get_mapping(p, l->mapping)->file);
}

static void compare_names(const char *python, unsigned minor)
{
	struct child child = start(python, "names");
	struct symbols *symbols = symbols_new(NULL);
	struct profile *p = profile_new();
	char *line = NULL;
	size_t capacity = 0, n = 0;
	unsigned long code = 0;
	uint32_t gone;

	for (; n < 7 && getline(&line, &capacity, child.out) > 0; n++) {
		char name[4096], file[4096];
		unsigned first, offset, at;
		uint32_t location, identity;

		assert_int_equal(sscanf(line, "%lu %u %u %u %4095[^\t]\t%4095[^\n]", &code, &first,
					&offset, &at, name, file),
				 6);
		symbols_on_process(symbols, child.pid);
		identity = identity_at(child.pid, code, minor);
		location = symbols_interpreted_location(symbols, p, child.pid,
							FRAME_INTERPRETED(LANGUAGE_PYTHON, code),
							FRAME_POSITION(identity, offset));
		const struct function *f = function_of(p, location);

		name[strlen(name) > NAME_CHARACTERS ? NAME_CHARACTERS : strlen(name)] = '\0';
		assert_string_equal(profile_str(p, f->name), name);
		assert_string_equal(profile_str(p, f->file), file);
		assert_int_equal(f->start_line, first);
		assert_int_equal(profile_get_location(p, location)->lines[0].line, at);
		assert_string_equal(mapping_of(p, location), "[python]");
		assert_int_equal(profile_frame_kind(p, location), FRAME_JIT);

		/* Another code object at the same address: not this name. */
		gone = symbols_interpreted_location(symbols, p, child.pid,
						    FRAME_INTERPRETED(LANGUAGE_PYTHON, code),
						    FRAME_POSITION(identity + 1, 0));
		assert_string_equal(profile_str(p, function_of(p, gone)->name), "[python]");
		assert_int_equal(profile_get_location(p, gone)->mapping,
				 profile_get_location(p, location)->mapping);
	}
	assert_int_equal(n, 7);
	uint32_t identity = identity_at(child.pid, code, minor);

	stop(&child);
	/* What was named stays named when the process is gone. */
	assert_string_not_equal(
		profile_str(p, function_of(p, symbols_interpreted_location(
						      symbols, p, child.pid,
						      FRAME_INTERPRETED(LANGUAGE_PYTHON, code),
						      FRAME_POSITION(identity, 2)))
				       ->name),
		"[python]");
	free(line);
	profile_free(p);
	symbols_free(symbols);
}

static void functions_have_names_files_and_lines(void **state)
{
	(void)state;
	for_each_python(compare_names);
}

/* --- files --- */

static void other_files_are_no_interpreters(void **state)
{
	static const char *const files[] = { "/proc/self/exe", "/bin/sh", "/usr/bin/gcc" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_close_ int fd = open(files[i], O_RDONLY | O_CLOEXEC);
		struct interpreter interpreter;
		struct image image;
		struct elf elf;

		assert_int_equal(image_of_file(fd, &image), 0);
		assert_int_equal(elf_open(&image, &elf), 0);
		assert_false(language_probe(&elf, &interpreter));
		elf_close(&elf);
	}
}

/* A function that gcc splits: calls of what is cold stand far away. */
static const char split_source[] =
	"__attribute__((cold, noinline)) void cold(int n) { __asm__ volatile(\"\" :: \"r\"(n)); }\n"
	"__attribute__((noinline)) int split(volatile int *p) {\n"
	"	int n = 0;\n"
	"#define STEP(i) n += p[i]; if (p[i] == 7 * i) { cold(n); n ^= i; cold(n + i); }\n"
	"	STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7) STEP(8) STEP(9) STEP(10)\n"
	"	return n;\n"
	"}\n"
	"int main(int n, char **v) { return split(&n) + (int)(long)v; }\n";

static void open_program(const char *path, int *fd, struct elf *elf)
{
	struct image image;

	*fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(image_of_file(*fd, &image), 0);
	assert_int_equal(elf_open(&image, elf), 0);
}

static void cold_parts_are_found_without_symbols(void **state)
{
	char folder[] = "/tmp/plimsoll-cold-XXXXXX";
	uint64_t start, end;
	struct dynsym split, cold;
	struct elf elf;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	_cleanup_free_ char *source = xasprintf("%s/split.c", folder);
	_cleanup_free_ char *program = xasprintf("%s/split", folder);
	_cleanup_free_ char *bare = xasprintf("%s/bare", folder);
	_cleanup_free_ char *command = xasprintf("gcc -O2 -rdynamic -o %s %s && strip -o %s %s && "
						 "nm -S %s | grep ' split.cold'",
						 program, source, bare, program, program);
	_cleanup_free_ char *clear = xasprintf("rm -r %s", folder);
	FILE *f = fopen(source, "w");

	assert_non_null(f);
	fputs(split_source, f);
	fclose(f);
	f = popen(command, "r");
	assert_int_equal(fscanf(f, "%lx %lx", &cold.address, &cold.size), 2);
	pclose(f);
	open_program(bare, &fd, &elf);
	assert_true(dynsym_find(&elf, "split", &split));
	assert_true(cold_part_find(&elf, split.address, split.address + split.size, &start, &end));
	assert_int_equal(start, cold.address);
	assert_true(end >= cold.address + cold.size);
	/* main() is not split. */
	assert_true(dynsym_find(&elf, "main", &split));
	assert_false(cold_part_find(&elf, split.address, split.address + split.size, &start, &end));
	elf_close(&elf);
	close(fd);
	assert_int_equal(system(clear), 0);
}

/* --- memory that lies --- */

/* As 3.11 lays it out; the test's own memory plays the process. */
struct text {
	uint64_t head[2], length, hash;
	uint32_t state, pad;
	uint64_t wide[3];
	uint8_t characters[64];
};

#define ASCII	(1 << 2 | 1 << 5 | 1 << 6)
#define LATIN_1 (1 << 2 | 1 << 5)
#define TWO	(2 << 2 | 1 << 5)
#define FOUR	(4 << 2 | 1 << 5)

struct code_311 {
	uint64_t head[9];
	int32_t first_line;
	uint32_t pad[9];
	uint64_t file, name, qualified_name, lines;
};
_Static_assert(offsetof(struct code_311, first_line) == 72, "3.11");
_Static_assert(offsetof(struct code_311, file) == 112, "3.11");

struct bytes {
	uint64_t head[2], length, hash;
	uint8_t data[16];
};

static struct text file = { .length = 4, .state = ASCII };
static struct text name = { .length = 4, .state = ASCII };
static struct bytes lines = { .length = 2, .data = { 0x80 | 15, 0 } };

static uint32_t row_of(unsigned minor)
{
	uint32_t row = 0;

	while (python_layout(row)->minor != minor)
		row++;
	return row;
}

/* Characters of an ASCII string follow the short head, of others the long one. */
static void set_text(struct text *text, uint32_t state, uint64_t length, const void *characters,
		     size_t size)
{
	text->state = state;
	text->length = length;
	memcpy(state & 1 << 6 ? (uint8_t *)text + 48 : text->characters, characters, size);
}
_Static_assert(offsetof(struct text, characters) == 64, "filled by set_text()");

/* What a function is called whose code object is this. The caller frees it. */
static char *name_of(const struct code_311 *code)
{
	struct interpreter interpreter = { .language = LANGUAGE_PYTHON, .version = row_of(11) };
	struct languages *languages = languages_new();
	struct profile *p = profile_new();
	__u64 pointers[] = { code->file, code->name, code->qualified_name };
	uint32_t location;
	char *result;

	languages_next_profile(languages);
	location = languages_location(languages, p, getpid(), &interpreter,
				      FRAME_INTERPRETED(LANGUAGE_PYTHON, (uintptr_t)code),
				      FRAME_POSITION(python_identity(pointers), 0));
	result = location ? xstrdup(profile_str(p, function_of(p, location)->name)) : NULL;
	profile_free(p);
	languages_free(languages);
	return result;
}

static struct code_311 honest_code(void)
{
	set_text(&file, ASCII, 4, "a.py", 4);
	set_text(&name, ASCII, 4, "work", 4);
	lines.length = 2;
	return (struct code_311){
		.first_line = 3,
		.file = (uintptr_t)&file,
		.name = (uintptr_t)&file.hash,
		.qualified_name = (uintptr_t)&name,
		.lines = (uintptr_t)&lines,
	};
}

static void assert_name(const struct code_311 *code, const char *expected)
{
	_cleanup_free_ char *found = name_of(code);

	assert_string_equal(found, expected);
}

#define UNKNOWN "[python]"

static void lies_cost_the_name_and_nothing_else(void **state)
{
	static const uint16_t surrogate[] = { 'a', 0xdc80, 'b' };
	static const uint32_t beyond[] = { 'a', 0x110000, 0x10ffff };
	static const uint16_t control[] = { 'a', 0, 'b' };
	struct code_311 code = honest_code();
	struct text *last;
	uint8_t *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			      0);

	(void)state;
	assert_name(&code, "work");

	/* Characters that are none. */
	set_text(&name, TWO, 3, surrogate, sizeof(surrogate));
	((uint8_t *)&name)[0] = 0;
	memcpy((uint8_t *)&name + 72, surrogate, sizeof(surrogate));
	assert_name(&code, "a?b");
	name.state = FOUR;
	memcpy((uint8_t *)&name + 72, beyond, sizeof(beyond));
	assert_name(&code, "a?\xf4\x8f\xbf\xbf");
	name.state = TWO;
	memcpy((uint8_t *)&name + 72, control, sizeof(control));
	assert_name(&code, "a");
	name.state = LATIN_1;
	name.length = 2;
	memcpy((uint8_t *)&name + 72, "\xe9\xff", 2);
	assert_name(&code, "éÿ");

	/* Sizes and kinds that are none. */
	code = honest_code();
	name.state = 3 << 2 | 1 << 5;
	assert_name(&code, UNKNOWN);
	name.state = 1 << 2; /* characters elsewhere: no name has this form */
	assert_name(&code, UNKNOWN);
	code = honest_code();
	lines.length = UINT64_MAX;
	assert_name(&code, "work");

	/* Pointers to nowhere, and to the last bytes of memory. */
	assert_true(pages != MAP_FAILED);
	assert_int_equal(munmap(pages + 4096, 4096), 0);
	code.qualified_name = (uintptr_t)(pages + 4096);
	assert_name(&code, UNKNOWN);
	last = (struct text *)(pages + 4096 - 56);
	code.qualified_name = (uintptr_t)last;
	memcpy(last, &name, 48);
	memcpy((uint8_t *)last + 48, "the last", 8);
	last->length = 8;
	assert_name(&code, "the last");
	last->length = 9;
	assert_name(&code, UNKNOWN);
	code = honest_code();
	code.lines = 8;
	assert_name(&code, "work");
	code.file = UINT64_MAX;
	assert_name(&code, UNKNOWN);
	munmap(pages, 4096);
}

static void shims_are_left_out(void **state)
{
	struct code_311 code = honest_code();
	_cleanup_free_ char *found = NULL;

	(void)state;
	code.name = code.file;
	code.first_line = 0;
	found = name_of(&code);
	assert_null(found);
}

static void words_of_no_language_have_a_location(void **state)
{
	struct languages *languages = languages_new();
	struct profile *p = profile_new();
	uint32_t location = languages_location(languages, p, getpid(), NULL,
					       FRAME_INTERPRETED(LANGUAGES, 4096), 0);

	(void)state;
	assert_string_equal(profile_str(p, function_of(p, location)->name), SYMBOL_UNKNOWN);
	profile_free(p);
	languages_free(languages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_made_up_tables),
		cmocka_unit_test(lines_are_what_python_says),
		cmocka_unit_test(functions_have_names_files_and_lines),
		cmocka_unit_test(other_files_are_no_interpreters),
		cmocka_unit_test(cold_parts_are_found_without_symbols),
		cmocka_unit_test(lies_cost_the_name_and_nothing_else),
		cmocka_unit_test(shims_are_left_out),
		cmocka_unit_test(words_of_no_language_have_a_location),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
