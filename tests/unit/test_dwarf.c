/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions, inlined ones included, files and lines from DWARF, and the processes that read it.
 * Ground truth is llvm-addr2line, for every instruction that we ask about; a program that dwz has
 * worked on must tell what it told before; bad DWARF is written by hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "symbol/debugfile.h"
#include "symbol/demangle.h"
#include "symbol/dispatch.h"
#include "symbol/lookup.h"
#include "symbol/namer.h"
#include "symbol/source.h"

#define REFERENCE "llvm-addr2line-14"

static char folder[] = "/tmp/plimsoll-dwarf-XXXXXX";

static void run(const char *command)
{
	_cleanup_free_ char *line = xasprintf("cd %s && { %s; }", folder, command);

	assert_int_equal(system(line), 0);
}

static char *in_folder(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int open_file(const char *name)
{
	int fd = open(in_folder(name), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- what addresses are asked for --- */

struct addresses {
	uint64_t *all;
	size_t n, capacity;
};

/* Every `step`th instruction of a program. */
static struct addresses instructions_of(const char *program, int step)
{
	_cleanup_free_ char *command = xasprintf(
		"objdump -d -j .text --no-show-raw-insn %s/%s | grep -oE '^ +[0-9a-f]+:' | "
		"awk 'NR %% %d == 0'",
		folder, program, step);
	FILE *f = popen(command, "r");
	struct addresses a = { 0 };
	uint64_t address;

	while (fscanf(f, "%" SCNx64 ":", &address) == 1) {
		GROW(a.all, a.n, a.capacity);
		a.all[a.n++] = address;
	}
	pclose(f);
	assert_true(a.n > 50);
	return a;
}

/* --- what we say --- */

struct told {
	char *function, *readable, *file;
	uint32_t line;
};

struct places {
	struct {
		struct told lines[ANSWER_LINES_MAX];
		size_t n;
	} * all;
	size_t n;
	struct reply reply;
	bool answered;
};

static void keep_places(const struct job *job, const struct answer *answer,
			const struct reply *reply, void *context)
{
	struct places *p = context;

	p->n = job->n;
	p->reply = *reply;
	p->answered = answer != NULL;
	p->all = xcalloc(p->n, sizeof(*p->all));
	for (size_t i = 0; answer && i < p->n; i++) {
		p->all[i].n = answer->first[i + 1] - answer->first[i];
		for (size_t k = 0; k < p->all[i].n; k++) {
			const struct answer_line *line = &answer->lines[answer->first[i] + k];
			const struct answer_function *f = &answer->functions[line->function];

			p->all[i].lines[k] = (struct told){
				.function = xstrdup(answer->text + f->name),
				.readable = xstrdup(answer->text + f->readable),
				.file = xstrdup(answer->text + f->file),
				.line = line->line,
			};
		}
	}
}

static void free_places(struct places *p)
{
	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; k < p->all[i].n; k++) {
			free(p->all[i].lines[k].function);
			free(p->all[i].lines[k].readable);
			free(p->all[i].lines[k].file);
		}
	free(p->all);
}

static struct places ask_with(const struct dispatch_options *options, const int files[ASK_FILES],
			      const struct addresses *a, struct dispatch_stats *stats)
{
	struct places places = { 0 };
	struct job job = {
		.request = { .kind = ASK_FILE, .source_work = SOURCE_WORK, .demangles = true },
		.files = { files[0], files[1], files[2] },
		.addresses = a->all,
		.n = a->n,
		.name = "test",
	};

	dispatch(options, &job, 1, keep_places, &places, stats);
	assert_int_equal(places.n, a->n);
	return places;
}

static struct places ask(const char *program, const struct addresses *a)
{
	_cleanup_close_ int fd = open_file(program);
	const int files[ASK_FILES] = { fd, -1, -1 };
	struct dispatch_stats stats = { 0 };
	struct places places = ask_with(&dispatch_usual, files, a, &stats);

	assert_int_equal(stats.failures, 0);
	assert_true(places.answered);
	return places;
}

/* --- what addr2line says --- */

static void demangled(const char *name, char *out, size_t size)
{
	struct arena arena = { 0 };

	demangle_all(&name, 1, &arena);
	snprintf(out, size, "%s", name);
	arena_free(&arena);
}

/* Of several symbols at one address (C1, C2) it may choose another; it has no names for stubs of
 * the PLT, and where a function has no linkage name it tells only its own, not what is around it.
 */
static bool same_function(const struct told *ours, const char *theirs)
{
	size_t n = strlen(ours->function), m = strlen(theirs);
	char readable[4096];

	if (strcmp(ours->function, theirs) == 0 || (!n && strcmp(theirs, "??") == 0))
		return true;
	if (n > m + 2 && strcmp(ours->function + n - m, theirs) == 0 &&
	    strncmp(ours->function + n - m - 2, "::", 2) == 0)
		return true;
	demangled(theirs, readable, sizeof(readable));
	return strcmp(ours->readable, readable) == 0;
}

static bool same_place(const struct told *ours, const char *file, uint32_t line)
{
	/* Where there is no line table it tells the file that the symbol table has. */
	return ours->line == line && (strcmp(ours->file, file) == 0 || (!line && !ours->file[0]));
}

/* Compares with its answers, "ADDRESS", then two lines for each function. The number of addresses
 * that it tells other things of. */
static size_t count_differences(FILE *reference, const struct addresses *a, const struct places *p,
				size_t *deepest)
{
	static char function[65536], place[65536];
	size_t differences = 0, i = SIZE_MAX, k = 0;
	bool same = true;

	*deepest = 0;
	while (fscanf(reference, "%65535[^\n]\n", function) == 1) {
		char *colon;
		uint32_t line;

		if (strncmp(function, "0x", 2) == 0) {
			if (i != SIZE_MAX)
				differences += !same || k != MAX(p->all[i].n, 1U);
			i++;
			assert_true(i < a->n);
			assert_int_equal(strtoull(function, NULL, 16), a->all[i]);
			k = 0;
			same = true;
			continue;
		}
		assert_int_equal(fscanf(reference, "%65535[^\n]\n", place), 1);
		colon = strrchr(place, ':');
		*colon = '\0';
		line = (uint32_t)strtoul(colon + 1, NULL, 10);
		if (k >= p->all[i].n ? strcmp(function, "??") != 0
				     : !same_function(&p->all[i].lines[k], function) ||
					       !same_place(&p->all[i].lines[k], place, line)) {
			const struct told nothing = { .function = "", .file = "" };
			const struct told *ours = k < p->all[i].n ? &p->all[i].lines[k] : &nothing;

			same = false;
			print_message("%#" PRIx64 " %zu: %s %s:%u, and we: %s %s:%u\n", a->all[i],
				      k, function, place, line, ours->function, ours->file,
				      ours->line);
		}
		k++;
		*deepest = MAX(*deepest, k);
	}
	assert_int_equal(i, a->n - 1);
	return differences + !same;
}

static void compare_with_reference(const char *program, int step)
{
	struct addresses a = instructions_of(program, step);
	struct places p = ask(program, &a);
	FILE *list = fopen(in_folder("asked"), "w"), *reference;
	size_t differences, deepest;

	for (size_t i = 0; i < a.n; i++)
		fprintf(list, "0x%" PRIx64 "\n", a.all[i]);
	fclose(list);
	_cleanup_free_ char *command = xasprintf("%s -a -i -f -e %s/%s < %s", REFERENCE, folder,
						 program, in_folder("asked"));
	reference = popen(command, "r");
	differences = count_differences(reference, &a, &p, &deepest);
	assert_int_equal(pclose(reference), 0);
	print_message("%s: %zu addresses, %zu functions deep, %zu differences\n", program, a.n,
		      deepest, differences);
	assert_int_equal(differences, 0);
	assert_true(deepest >= 8);
	free_places(&p);
	free(a.all);
}

static void functions_files_and_lines_are_those_of_addr2line(void **state)
{
	static const char *const compilers[][2] = {
		{ "gcc-4", "g++ -g -gdwarf-4" },
		{ "gcc-5", "g++ -g -gdwarf-5" },
		{ "gcc-5-64", "g++ -g -gdwarf-5 -gdwarf64" },
		{ "gcc-1", "g++ -g1" },
		{ "gcc-packed", "g++ -g -gz" },
		{ "gcc-sections", "g++ -g -ffunction-sections -Wl,--gc-sections" },
		{ "gcc-lto", "g++ -g -flto" },
		{ "clang-4", "clang++-14 -g -gdwarf-4" },
		{ "clang-5", "clang++-14 -g -gdwarf-5" },
		{ "clang-lines", "clang++-14 -gline-tables-only" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(compilers); i++) {
		_cleanup_free_ char *command = xasprintf("%s -O2 -std=c++17 -o %s program.cpp",
							 compilers[i][1], compilers[i][0]);

		run(command);
		compare_with_reference(compilers[i][0], 5);
	}
}

static void assert_same_places(const struct places *x, const struct places *y)
{
	assert_int_equal(x->n, y->n);
	for (size_t i = 0; i < x->n; i++) {
		assert_int_equal(x->all[i].n, y->all[i].n);
		for (size_t k = 0; k < x->all[i].n; k++) {
			const struct told *a = &x->all[i].lines[k], *b = &y->all[i].lines[k];

			assert_string_equal(a->function, b->function);
			assert_string_equal(a->readable, b->readable);
			assert_string_equal(a->file, b->file);
			assert_int_equal(a->line, b->line);
		}
	}
}

static void dwz_changes_nothing(void **state)
{
	(void)state;
	for (int version = 4; version <= 5; version++) {
		_cleanup_free_ char *command =
			xasprintf("g++ -O2 -g -gdwarf-%d -std=c++17 -o plain program.cpp && "
				  "cp plain alone && dwz alone && cp plain one && cp plain two && "
				  "dwz -m shared one two",
				  version);
		struct dispatch_stats stats = { 0 };
		struct places plain, alone, one;
		struct addresses a;

		run(command);
		a = instructions_of("plain", 7);
		plain = ask("plain", &a);
		alone = ask("alone", &a);
		assert_same_places(&plain, &alone);

		_cleanup_close_ int fd = open_file("one"), shared = open_file("shared");
		const int files[ASK_FILES] = { fd, -1, shared };

		one = ask_with(&dispatch_usual, files, &a, &stats);
		assert_same_places(&plain, &one);
		free_places(&plain);
		free_places(&alone);
		free_places(&one);
		free(a.all);
	}
}

static void debug_files_and_what_they_share_are_found(void **state)
{
	struct debugfile_search search = { .root = -1 };
	struct dispatch_stats stats = { 0 };
	struct debugfile debug;
	struct image image;
	char host[PATH_MAX], path[PATH_MAX];
	struct places whole, split;
	struct addresses a;
	struct elf elf;

	(void)state;
	run("g++ -O2 -g -std=c++17 -Wl,--build-id -o whole program.cpp && cp whole split && "
	    "g++ -O1 -g -std=c++17 -Wl,--build-id -o another program.cpp && rm -rf debug && "
	    "debug() { id=$(readelf -n $1 | awk '/Build ID/ { print $3 }'); "
	    "d=debug/.build-id/${id%${id#??}}; mkdir -p $d; "
	    "objcopy --only-keep-debug $1 $d/${id#??}.debug; echo $d/${id#??}.debug; } && "
	    "mkdir -p debug/.dwz && "
	    "dwz -m debug/.dwz/shared -M ../../.dwz/shared $(debug split) $(debug another) && "
	    "strip split");
	a = instructions_of("whole", 31);
	whole = ask("whole", &a);

	_cleanup_close_ int fd = open_file("split");
	assert_int_equal(image_of_file(fd, &image), 0);
	assert_int_equal(elf_open(&image, &elf), 0);
	snprintf(host, sizeof(host), "%s", in_folder("debug"));
	snprintf(path, sizeof(path), "%s", in_folder("split"));
	search.elf = &elf;
	search.host = host;
	search.path = path;
	debugfile_find(&search, &debug);
	assert_true(debug.fd >= 0);
	assert_false(debug.needs_crc);
	assert_true(debug.supplement >= 0);

	const int files[ASK_FILES] = { fd, debug.fd, debug.supplement };

	split = ask_with(&dispatch_usual, files, &a, &stats);
	assert_same_places(&whole, &split);
	free_places(&whole);
	free_places(&split);
	free(a.all);
	elf_close(&elf);
	close(debug.fd);
	close(debug.supplement);
}

static void line_tables_alone_give_lines(void **state)
{
	struct places whole, lines;
	struct addresses a;

	(void)state;
	run("g++ -O2 -g -std=c++17 -o whole program.cpp && "
	    "objcopy -R .debug_info -R .debug_abbrev -R .debug_aranges -R .debug_rnglists whole "
	    "lines");
	a = instructions_of("whole", 31);
	whole = ask("whole", &a);
	lines = ask("lines", &a);
	for (size_t i = 0; i < a.n; i++) {
		if (!whole.all[i].n)
			continue;
		assert_int_equal(lines.all[i].n, 1);
		assert_string_equal(lines.all[i].lines[0].file, whole.all[i].lines[0].file);
		assert_int_equal(lines.all[i].lines[0].line, whole.all[i].lines[0].line);
	}
	free_places(&whole);
	free_places(&lines);
	free(a.all);
}

static void split_dwarf_gives_lines_and_is_counted(void **state)
{
	struct places p;
	struct addresses a;
	size_t with_line = 0;

	(void)state;
	run("clang++-14 -O2 -g -gsplit-dwarf -std=c++17 -o skeleton program.cpp");
	a = instructions_of("skeleton", 31);
	p = ask("skeleton", &a);
	for (size_t i = 0; i < a.n; i++)
		with_line += p.all[i].n == 1 && p.all[i].lines[0].line;
	assert_true(with_line > a.n / 2);
	assert_int_equal(p.reply.units_split, 1);
	free_places(&p);
	free(a.all);
}

/* What gcc leaves nameless is named by what is around it. */
static void lambdas_and_hidden_members_say_where_they_are(void **state)
{
	bool area = false, lambda = false;
	struct places p;
	struct addresses a;

	(void)state;
	run("g++ -O2 -g -std=c++17 -o whole program.cpp");
	a = instructions_of("whole", 3);
	p = ask("whole", &a);
	for (size_t i = 0; i < a.n; i++)
		for (size_t k = 0; k < p.all[i].n; k++) {
			const char *name = p.all[i].lines[k].function;

			area |= strcmp(name,
				       "outer::(anonymous namespace)::power<double, 3>::of") == 0;
			lambda |= strncmp(name, "main::{lambda}::operator()", 26) == 0;
		}
	assert_true(area);
	assert_true(lambda);
	free_places(&p);
	free(a.all);
}

/* --- namers that fail --- */

/* Looks at the next request without taking it. */
static bool asks_for_dwarf(int socket)
{
	struct request request = { 0 };
	struct iovec part = { &request, sizeof(request) };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

	if (recvmsg(socket, &header, MSG_PEEK) != sizeof(request))
		_exit(0);
	return request.source_work != 0;
}

static void crash_on_dwarf(int socket, void *context)
{
	if (asks_for_dwarf(socket))
		__builtin_trap();
	namer_run(socket, context);
}

static void hang_on_dwarf(int socket, void *context)
{
	while (asks_for_dwarf(socket))
		;
	namer_run(socket, context);
}

static void talk_nonsense(int socket, void *context)
{
	struct request request;
	int fds[4];
	size_t nfds = ARRAY_SIZE(fds);

	(void)context;
	while (confined_receive(socket, &request, sizeof(request), fds, &nfds) > 0) {
		const struct answer_head head = { .n = request.n, .nlines = 1U << 31 };
		const struct reply reply = { 0 };

		if (pwrite(fds[0], &head, sizeof(head), (off_t)(request.n * sizeof(uint64_t))) > 0)
			confined_send(socket, &reply, sizeof(reply), NULL, 0);
		nfds = ARRAY_SIZE(fds);
	}
}

static struct places ask_failing(confined_fn namer, int job_ms, struct dispatch_stats *stats)
{
	const struct dispatch_options options = { .run = namer, .job_ms = job_ms };
	_cleanup_close_ int fd = -1;
	struct addresses a;
	struct places p;

	run("g++ -O2 -g -std=c++17 -o whole program.cpp");
	fd = open_file("whole");
	a = instructions_of("whole", 31);
	p = ask_with(&options, (const int[]){ fd, -1, -1 }, &a, stats);
	free(a.all);
	return p;
}

static void assert_named_without_lines(const struct places *p)
{
	size_t named = 0;

	assert_true(p->answered);
	for (size_t i = 0; i < p->n; i++) {
		assert_true(p->all[i].n <= 1);
		assert_true(!p->all[i].n || !p->all[i].lines[0].line);
		named += p->all[i].n && p->all[i].lines[0].function[0];
	}
	assert_true(named > p->n * 9 / 10);
}

static void a_crash_costs_the_lines_and_no_more(void **state)
{
	struct dispatch_stats stats = { 0 };
	struct places p = ask_failing(crash_on_dwarf, 30000, &stats);

	(void)state;
	assert_named_without_lines(&p);
	assert_int_equal(stats.failures, 1);
	assert_int_equal(stats.unanswered, 0);
	free_places(&p);
}

static void one_that_takes_too_long_costs_the_lines_and_no_more(void **state)
{
	struct dispatch_stats stats = { 0 };
	struct places p = ask_failing(hang_on_dwarf, 500, &stats);

	(void)state;
	assert_named_without_lines(&p);
	assert_int_equal(stats.failures, 1);
	free_places(&p);
}

static void nonsense_is_no_answer(void **state)
{
	struct dispatch_stats stats = { 0 };
	struct places p = ask_failing(talk_nonsense, 30000, &stats);

	(void)state;
	assert_false(p.answered);
	assert_int_equal(stats.failures, 3);
	assert_int_equal(stats.unanswered, 1);
	free_places(&p);
}

/* --- answers that do not hold together --- */

static int write_sheet(void)
{
	int sheet = memfd_create("sheet", MFD_CLOEXEC);
	struct answer_draft draft = { 0 };
	struct answer_function f = { 0 };

	answer_next(&draft);
	f.name = answer_string(&draft, "f");
	f.file = answer_string(&draft, "/f.c");
	answer_line(&draft, &f, 7);
	answer_next(&draft);
	answer_next(&draft);
	answer_line(&draft, &f, 8);
	answer_line(&draft, &f, 9);
	assert_int_equal(answer_write(&draft, sheet, 3), 0);
	answer_draft_free(&draft);
	return sheet;
}

static void answers_hold_together_or_are_refused(void **state)
{
	/* Behind three addresses: the head, first[4], three lines, a function, the text. */
	enum { HEAD = 24, FIRST = HEAD + 16, LINES = FIRST + 16, FUNCTIONS = LINES + 24 };
	static const struct {
		off_t at;
		uint32_t value;
	} lies[] = {
		{ HEAD, 4 },
		{ HEAD, UINT32_MAX },
		{ HEAD + 4, 4 },
		{ HEAD + 4, 1U << 30 },
		{ HEAD + 8, 0 },
		{ HEAD + 8, 1U << 30 },
		{ HEAD + 12, 0 },
		{ HEAD + 12, 5 },
		{ HEAD + 12, UINT32_MAX },
		{ FIRST, 1 },
		{ FIRST + 4, 4 },
		{ FIRST + 8, 0 },
		{ FIRST + 12, 2 },
		{ LINES, 1 },
		{ LINES + 16, UINT32_MAX },
		{ FUNCTIONS, 1000 },
		{ FUNCTIONS + 8, 64 },
		{ FUNCTIONS + 16, UINT32_MAX },
		{ FUNCTIONS + 4, 9 },
	};
	struct answer answer;
	int sheet = write_sheet();

	(void)state;
	assert_int_equal(answer_read(sheet, 3, &answer), 0);
	assert_int_equal(answer.first[1], 1);
	assert_int_equal(answer.first[2], 1);
	assert_int_equal(answer.lines[2].line, 9);
	assert_string_equal(answer.text + answer.functions[0].name, "f");
	assert_string_equal(answer.text + answer.functions[0].file, "/f.c");
	answer_free(&answer);
	assert_int_equal(answer_read(sheet, 2, &answer), -EBADMSG);
	close(sheet);
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		sheet = write_sheet();
		assert_int_equal(pwrite(sheet, &lies[i].value, 4, lies[i].at), 4);
		assert_int_equal(answer_read(sheet, 3, &answer), -EBADMSG);
		close(sheet);
	}
}

/* --- bad DWARF; in this process, for the sanitizers' sake --- */

/* A function `f` of 64 bytes and what stands in `info` below the unit's root. Abbreviations: 2 a
 * function, 3 an inlined one, 4 one that is only said to be another, 5 a unit with ranges. */
static void assemble(const char *name, const char *info, const char *lines, const char *ranges)
{
	FILE *f = fopen(in_folder("bad.s"), "w");

	fprintf(f,
		".text\n.globl f\n.type f, @function\nf: .fill 64, 1, 0x90\n.Lend:\n.size f, 64\n"
		".section .debug_abbrev\n"
		".byte 1, 0x11, 1, 0x11, 1, 0x12, 7, 0x10, 0x17, 0, 0\n" /* low, high, lines */
		".byte 2, 0x2e, 1, 0x11, 1, 0x12, 7, 3, 8, 0, 0\n"	 /* low, high, name */
		".byte 3, 0x1d, 1, 0x11, 1, 0x12, 7, 0x31, 0x13, 0x59, 0xb, 0, 0\n" /* .. line */
		".byte 4, 0x2e, 0, 0x31, 0x13, 0, 0\n"
		".byte 5, 0x2e, 1, 0x55, 0x17, 0, 0\n" /* ranges */
		".byte 0\n"
		".section .debug_info\n.Linfo: .long .Linfo_end - .Linfo_start\n.Linfo_start:\n"
		".value 4\n.long 0\n.byte 8\n"
		".byte 1\n.quad f\n.quad 64\n.long 0\n%s\n.byte 0\n.Linfo_end:\n"
		".section .debug_line\n%s\n"
		".section .debug_ranges\n%s\n",
		info, lines, ranges);
	fclose(f);
	_cleanup_free_ char *command = xasprintf("gcc -nostdlib -static -Wl,-e,f -o %s bad.s",
						 name);

	run(command);
}

struct looked {
	struct arena arena;
	struct source_answer answers[64];
	struct source_stats stats;
	uint64_t work; /* spent */
	int err;
};

/* Asks for all 64 bytes of f. */
static struct looked *look_into(const char *name)
{
	static struct looked looked;
	_cleanup_close_ int fd = open_file(name);
	_cleanup_free_ char *command = xasprintf("nm %s | awk '$3 == \"f\" { print $1 }'",
						 in_folder(name));
	FILE *nm = popen(command, "r");
	struct source_files files = { 0 };
	uint64_t addresses[64], work = SOURCE_WORK;
	struct image image;
	struct elf elf;

	looked = (struct looked){ 0 };
	assert_int_equal(fscanf(nm, "%" SCNx64, &addresses[0]), 1);
	pclose(nm);
	for (size_t i = 1; i < ARRAY_SIZE(addresses); i++)
		addresses[i] = addresses[0] + i;
	assert_int_equal(image_of_file(fd, &image), 0);
	assert_int_equal(elf_open(&image, &elf), 0);
	files.elf = &elf;
	looked.err = source_lookup(&files, addresses, ARRAY_SIZE(addresses), &work, &looked.arena,
				   looked.answers, &looked.stats);
	looked.work = SOURCE_WORK - work;
	elf_close(&elf);
	return &looked;
}

#define FUNCTION	"fun: .byte 2\n.quad f\n.quad 64\n.string \"fun\"\n"
#define INLINED(origin) ".byte 3\n.quad f\n.quad 64\n.long " origin "\n.byte 9\n"

static void functions_that_are_copies_of_themselves_are_nameless(void **state)
{
	struct looked *l;

	(void)state;
	assemble("cyclic",
		 FUNCTION INLINED("a - .Linfo") ".byte 0\n.byte 0\n"
						"a: .byte 4\n.long b - .Linfo\n"
						"b: .byte 4\n.long a - .Linfo\n",
		 "", "");
	l = look_into("cyclic");
	assert_int_equal(l->err, 0);
	assert_non_null(l->answers[0].scope);
	assert_null(l->answers[0].scope->function);
	assert_string_equal(l->answers[0].scope->outer->function->name, "fun");
	assert_true(l->work < 1000);
	arena_free(&l->arena);
}

static void references_to_nowhere_are_nameless(void **state)
{
	struct looked *l;

	(void)state;
	assemble("astray", FUNCTION INLINED("0x7fffffff") INLINED("1") ".byte 0, 0\n.byte 0\n", "",
		 "");
	l = look_into("astray");
	assert_null(l->answers[0].scope->function);
	assert_int_equal(l->answers[0].scope->depth, 3);
	arena_free(&l->arena);
}

static void nests_without_end_are_cut(void **state)
{
	struct looked *l;

	(void)state;
	assemble("nested",
		 FUNCTION ".rept 100000\n" INLINED("fun - .Linfo") ".endr\n"
								   ".fill 100000, 1, 0\n.byte 0\n",
		 "", "");
	l = look_into("nested");
	assert_int_equal(l->answers[63].scope->depth, SOURCE_SCOPES_MAX);
	assert_true(l->stats.scopes_cut > 0);
	assert_true(l->work < 1000000);
	arena_free(&l->arena);
}

static void siblings_in_one_place_do_not_nest(void **state)
{
	struct looked *l;

	(void)state;
	assemble("siblings",
		 FUNCTION INLINED("fun - .Linfo")
			 INLINED("fun - .Linfo") ".byte 0, 0\n" INLINED("fun - .Linfo")
				 INLINED("fun - .Linfo") ".byte 0, 0\n.byte 0\n",
		 "", "");
	l = look_into("siblings");
	assert_int_equal(l->answers[0].scope->depth, 3);
	arena_free(&l->arena);
}

static void ranges_without_end_run_out_of_allowance(void **state)
{
	double start = now();
	struct looked *l;

	(void)state;
	assemble("ranges", ".byte 5\n.long 0\n.byte 0\n", "",
		 ".rept 1000000\n.quad 0, 64\n.endr\n.quad 0, 0\n");
	l = look_into("ranges");
	assert_non_null(l->answers[0].scope);
	assert_true(l->work > 64000000);
	assert_true(now() - start < 30);
	arena_free(&l->arena);
}

static void long_line_tables_take_little(void **state)
{
	/* Version 2, one file; set_address f, ten million rows at f, one at its end. */
	static const char table[] =
		".Lline: .long .Lline_end - .Lline_start\n.Lline_start: .value 2\n"
		".long .Lprogram - .Lheader\n.Lheader: .byte 1, 1, 1, 1, 10\n"
		".byte 0, 1, 1, 1, 1, 0, 0, 0, 1\n.byte 0\n.string \"x.c\"\n.byte 0, 0, 0, 0\n"
		".Lprogram: .byte 0, 9, 2\n.quad f\n"
		".fill 10000000, 1, 10\n"
		".byte 3, 6, 1\n" /* line + 6, row */
		".byte 2, 64, 0, 1, 1\n.Lline_end:\n";
	struct looked *l;

	(void)state;
	assemble("rows", FUNCTION ".byte 0\n", table, "");
	l = look_into("rows");
	assert_string_equal(l->answers[0].file, "x.c");
	assert_int_equal(l->answers[0].line, 10000000 + 7);
	assert_int_equal(l->answers[63].line, 10000000 + 7);
	assert_true(l->work > 1000000);
	arena_free(&l->arena);
}

static void a_hole_of_gigabytes_is_no_debug_info(void **state)
{
	int fd = memfd_create("hole", MFD_CLOEXEC);
	struct elf_section sections[] = {
		{ .type = SHT_PROGBITS, .role = ELF_DEBUG_INFO, .size = 8ULL << 30 },
		{ .type = SHT_PROGBITS, .role = ELF_DEBUG_LINE, .size = 8ULL << 30 },
		{ .type = SHT_PROGBITS, .role = ELF_DEBUG_ABBREV, .size = 8ULL << 30 },
	};
	struct elf elf = {
		.image = { .fd = fd, .size = 8ULL << 30 },
		.encoding = ELFDATA2LSB,
		.sections = sections,
		.nsections = ARRAY_SIZE(sections),
	};
	struct source_files files = { .elf = &elf };
	struct source_answer answer = { 0 };
	struct source_stats stats = { 0 };
	uint64_t address = 0x1000, work = SOURCE_WORK;
	struct arena arena = { 0 };
	double start = now();

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)(8ULL << 30)), 0);
	assert_int_equal(source_lookup(&files, &address, 1, &work, &arena, &answer, &stats), 0);
	assert_null(answer.scope);
	assert_true(now() - start < 1);
	close(fd);
	arena_free(&arena);
}

/* Whatever stands in the sections: it ends, and the sanitizers are content. */
static void bytes_may_be_anything(void **state)
{
	_cleanup_free_ uint8_t *copy = NULL;
	_cleanup_close_ int fd = -1;
	uint64_t *addresses, random = 88172645463325252ULL;
	struct addresses a;
	struct image image;
	struct elf elf;

	(void)state;
	run("clang++-14 -O2 -g -gdwarf-5 -std=c++17 -o whole program.cpp");
	fd = open_file("whole");
	a = instructions_of("whole", 31);
	addresses = a.all;
	assert_int_equal(image_of_file(fd, &image), 0);
	copy = xmalloc(image.size);
	for (int turn = 0; turn < 200; turn++) {
		struct source_answer *answers = xcalloc(a.n, sizeof(*answers));
		struct source_stats stats = { 0 };
		uint64_t work = 1000000;
		struct arena arena = { 0 };

		assert_int_equal(pread(fd, copy, image.size, 0), image.size);
		image.data = copy;
		assert_int_equal(elf_open(&image, &elf), 0);
		for (size_t i = 0; i < elf.nsections; i++) {
			const struct elf_section *s = &elf.sections[i];

			if (s->role < ELF_DEBUG_INFO || !s->size)
				continue;
			for (int k = 0; k < 20; k++) {
				random ^= random << 13;
				random ^= random >> 7;
				random ^= random << 17;
				copy[s->offset + random % s->size] = (uint8_t)(random >> 32);
			}
		}
		source_lookup(&(struct source_files){ .elf = &elf }, addresses, a.n, &work, &arena,
			      answers, &stats);
		elf_close(&elf);
		arena_free(&arena);
		free(answers);
	}
	free(a.all);
}

/* --- --- */

static int make_folder(void **state)
{
	char here[PATH_MAX];
	const char *slash = strrchr(__FILE__, '/');

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_non_null(getcwd(here, sizeof(here)));
	_cleanup_free_ char *copy = xasprintf(
		"cp %s%s%.*s/dwarf_program.cpp program.cpp", __FILE__[0] == '/' ? "" : here,
		__FILE__[0] == '/' ? "" : "/", (int)(slash - __FILE__), __FILE__);

	run(copy);
	return 0;
}

static int remove_folder(void **state)
{
	_cleanup_free_ char *command = xasprintf("rm -r %s", folder);

	(void)state;
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_files_and_lines_are_those_of_addr2line),
		cmocka_unit_test(dwz_changes_nothing),
		cmocka_unit_test(debug_files_and_what_they_share_are_found),
		cmocka_unit_test(line_tables_alone_give_lines),
		cmocka_unit_test(split_dwarf_gives_lines_and_is_counted),
		cmocka_unit_test(lambdas_and_hidden_members_say_where_they_are),
		cmocka_unit_test(a_crash_costs_the_lines_and_no_more),
		cmocka_unit_test(one_that_takes_too_long_costs_the_lines_and_no_more),
		cmocka_unit_test(nonsense_is_no_answer),
		cmocka_unit_test(answers_hold_together_or_are_refused),
		cmocka_unit_test(functions_that_are_copies_of_themselves_are_nameless),
		cmocka_unit_test(references_to_nowhere_are_nameless),
		cmocka_unit_test(nests_without_end_are_cut),
		cmocka_unit_test(siblings_in_one_place_do_not_nest),
		cmocka_unit_test(ranges_without_end_run_out_of_allowance),
		cmocka_unit_test(long_line_tables_take_little),
		cmocka_unit_test(a_hole_of_gigabytes_is_no_debug_info),
		cmocka_unit_test(bytes_may_be_anything),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
