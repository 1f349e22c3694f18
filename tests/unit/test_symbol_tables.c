/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables that names come from, each by itself: ELF files made here by the compiler and by hand,
 * perf maps, kallsyms, mangled names. Ground truth is nm(1), or stands in the fixture.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/utf8.h"
#include "symbol/debugfile.h"
#include "symbol/demangle.h"
#include "symbol/kallsyms.h"
#include "symbol/minidebug.h"
#include "symbol/perf_map.h"
#include "symbol/symtab.h"
#include "symbol/vdso.h"

static char folder[] = "/tmp/plimsoll-tables-XXXXXX";

/* Runs a shell command in the test's folder; it must succeed. */
static void run(const char *command)
{
	_cleanup_free_ char *line = xasprintf("cd %s && { %s; }", folder, command);

	assert_int_equal(system(line), 0);
}

static char *in_folder(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(in_folder(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int open_file(const char *name)
{
	int fd = open(in_folder(name), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* nm's opinion of where a symbol lies. */
static uint64_t address_of(const char *file, const char *symbol)
{
	_cleanup_free_ char *command = xasprintf("nm %s/%s | awk '$NF == \"%s\" { print $1 }'",
						 folder, file, symbol);
	FILE *nm = popen(command, "r");
	uint64_t address = 0;

	assert_non_null(nm);
	assert_int_equal(fscanf(nm, "%" SCNx64, &address), 1);
	pclose(nm);
	return address;
}

/* --- one question, one answer --- */

struct asked {
	struct arena arena;
	uint64_t work;
	const char *names[16], *modules[16];
	struct lookup lookup;
};

static struct lookup *ask(struct asked *asked, const uint64_t *addresses, size_t n)
{
	*asked = (struct asked){ .work = LOOKUP_WORK_SOURCE };
	asked->lookup = (struct lookup){ .addresses = addresses,
					 .n = n,
					 .names = asked->names,
					 .arena = &asked->arena,
					 .work = &asked->work };
	return &asked->lookup;
}

static int elf_of_file(const char *name, struct elf *elf, int *fd)
{
	struct image image;

	*fd = open_file(name);
	assert_int_equal(image_of_file(*fd, &image), 0);
	return elf_open(&image, elf);
}

static void assert_elf_name(const char *file, uint64_t address, const char *expected)
{
	_cleanup_close_ int fd = -1;
	struct asked asked;
	struct elf elf;

	assert_int_equal(elf_of_file(file, &elf, &fd), 0);
	symtab_lookup(&elf, NULL, ask(&asked, &address, 1));
	if (expected) {
		assert_non_null(asked.names[0]);
		assert_string_equal(asked.names[0], expected);
	} else {
		assert_null(asked.names[0]);
	}
	elf_close(&elf);
	arena_free(&asked.arena);
}

static const char program[] =
	"#include <stdio.h>\n"
	"static __attribute__((noinline)) int hidden(int n) { return printf(\"%d\", n) * n; }\n"
	"__attribute__((noinline)) int visible(int n) { return hidden(n) + 1; }\n"
	"int main(int argc, char **argv) { (void)argv; return visible(argc); }\n";

static const char assembly[] = ".text\n"
			       ".type sized, @function\n"
			       ".globl sized\n"
			       "sized: .zero 16\n"
			       ".size sized, 16\n"
			       ".zero 16\n"
			       "unsized: .zero 32\n"
			       ".type next, @function\n"
			       "next: .zero 8\n"
			       ".size next, 8\n"
			       ".type __alias, @function\n"
			       ".globl __alias, alias\n"
			       ".type alias, @function\n"
			       ".weak alias\n"
			       "__alias:\n"
			       "alias: .zero 8\n"
			       ".size alias, 8\n"
			       ".size __alias, 8\n"
			       ".section .note.GNU-stack,\"\",@progbits\n";

static int make_files(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	write_file("program.c", program);
	write_file("assembly.s", assembly);
	run("cc -g -O1 -Wl,--build-id=sha1 -o full program.c");
	run("cc -O1 -Wl,--build-id=none -o nameless program.c");
	run("cc -shared -nostdlib -o assembly.so assembly.s");
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	run("rm -rf \"$PWD\"");
	return 0;
}

/* --- ELF --- */

static void symtab_names_static_functions(void **state)
{
	(void)state;
	assert_elf_name("full", address_of("full", "hidden"), "hidden");
	assert_elf_name("full", address_of("full", "visible") + 3, "visible");
	assert_elf_name("full", address_of("full", "main") + 1, "main");
}

static void addresses_outside_of_every_symbol_have_no_name(void **state)
{
	(void)state;
	assert_elf_name("full", 0, NULL);
	assert_elf_name("full", UINT64_MAX, NULL);
	/* Data is no function. */
	assert_elf_name("full", address_of("full", "_IO_stdin_used"), NULL);
}

static void symbols_without_size_reach_to_the_next_one(void **state)
{
	uint64_t start = address_of("assembly.so", "sized");

	(void)state;
	assert_elf_name("assembly.so", start + 15, "sized");
	assert_elf_name("assembly.so", start + 16, NULL); /* past its size, before the next */
	assert_elf_name("assembly.so", start + 32, "unsized");
	assert_elf_name("assembly.so", start + 63, "unsized");
	assert_elf_name("assembly.so", start + 64, "next");
}

static void of_two_names_the_common_one_is_shown(void **state)
{
	(void)state;
	assert_elf_name("assembly.so", address_of("assembly.so", "__alias") + 2, "alias");
}

static void many_addresses_are_named_in_one_pass(void **state)
{
	uint64_t hidden = address_of("full", "hidden"), visible = address_of("full", "visible");
	uint64_t addresses[] = { hidden, hidden + 1, hidden + 2, visible, visible + 1 };
	_cleanup_close_ int fd = -1;
	struct asked asked;
	struct elf elf;

	(void)state;
	assert_true(hidden < visible);
	assert_int_equal(elf_of_file("full", &elf, &fd), 0);
	symtab_lookup(&elf, NULL, ask(&asked, addresses, ARRAY_SIZE(addresses)));
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		assert_string_equal(asked.names[i], i < 3 ? "hidden" : "visible");
	elf_close(&elf);
	arena_free(&asked.arena);
}

static void plt_stubs_are_named_after_their_function(void **state)
{
	_cleanup_close_ int fd = -1;
	const struct elf_section *plt;
	struct elf elf;

	(void)state;
	run("cc -O1 -fcf-protection=none -Wl,-z,lazy -o plt program.c");
	assert_int_equal(elf_of_file("plt", &elf, &fd), 0);
	plt = elf_section(&elf, ELF_PLT_SEC);
	uint64_t stub = plt ? plt->address : elf_section(&elf, ELF_PLT)->address + 16;

	if (elf.machine == EM_AARCH64)
		stub += 16;
	elf_close(&elf);
#ifdef __x86_64__
	assert_elf_name("plt", stub + 6, "printf@plt");
	run("strip -o plt.stripped plt");
	assert_elf_name("plt.stripped", stub + 6, "printf@plt");
#endif
}

static void minidebuginfo_names_what_dynsym_lacks(void **state)
{
	uint64_t hidden = address_of("full", "hidden");

	(void)state;
	run("objcopy --only-keep-debug full mini && strip --strip-debug -o mini.small mini && "
	    "xz -kf mini.small && strip -o bare full && "
	    "objcopy --add-section .gnu_debugdata=mini.small.xz bare packed");
	assert_elf_name("bare", hidden, NULL);
	assert_elf_name("packed", hidden, "hidden");
}

static void a_decompression_bomb_is_refused(void **state)
{
	_cleanup_close_ int fd = -1;
	struct image image;
	struct elf elf;

	(void)state;
	run("head -c 48M /dev/zero | xz > bomb.xz && strip -o bare full && "
	    "objcopy --add-section .gnu_debugdata=bomb.xz bare bomb");
	assert_int_equal(elf_of_file("bomb", &elf, &fd), 0);
	assert_int_equal(minidebug_read(&elf, &image), -EFBIG);
	elf_close(&elf);
	assert_elf_name("bomb", address_of("full", "hidden"), NULL);

	run("head -c 1000 /dev/urandom > noise && objcopy --add-section .gnu_debugdata=noise bare "
	    "noisy");
	close(fd);
	assert_int_equal(elf_of_file("noisy", &elf, &fd), 0);
	assert_int_equal(minidebug_read(&elf, &image), -EBADMSG);
	elf_close(&elf);
}

static void build_ids_are_read_and_fingerprints_differ(void **state)
{
	_cleanup_close_ int fd = -1, fd2 = -1, fd3 = -1;
	char hex[ELF_ID_HEX], said[64] = "";
	struct elf elf, other, copy;
	FILE *f;

	(void)state;
	assert_int_equal(elf_of_file("full", &elf, &fd), 0);
	assert_int_equal(elf.id_size, 20);
	_cleanup_free_ char *command = xasprintf("readelf -n %s | awk '/Build ID/ { print $3 }'",
						 in_folder("full"));
	f = popen(command, "r");
	assert_int_equal(fscanf(f, "%63s", said), 1);
	pclose(f);
	assert_string_equal(elf_id_hex(elf.id, elf.id_size, hex), said);

	assert_int_equal(elf_of_file("nameless", &other, &fd2), 0);
	assert_int_equal(other.id_size, 0);
	assert_true(elf_fingerprint(&elf) != elf_fingerprint(&other));
	run("cp nameless nameless.copy");
	assert_int_equal(elf_of_file("nameless.copy", &copy, &fd3), 0);
	assert_true(elf_fingerprint(&copy) == elf_fingerprint(&other));
	elf_close(&elf);
	elf_close(&other);
	elf_close(&copy);
}

static void debug_files_are_found_by_link_and_proved_by_crc(void **state)
{
	_cleanup_close_ int fd = -1;
	struct debugfile_search search = { .host = in_folder("nowhere"), .root = -1 };
	char host[256], path[256];
	struct debugfile debug;
	struct elf elf;

	(void)state;
	run("cc -g -O1 -Wl,--build-id=none -o linked program.c && "
	    "objcopy --only-keep-debug linked linked.debug && "
	    "strip linked && objcopy --add-gnu-debuglink=linked.debug linked && "
	    "mkdir -p debug$PWD && mv linked.debug debug$PWD");
	assert_int_equal(elf_of_file("linked", &elf, &fd), 0);
	snprintf(host, sizeof(host), "%s", in_folder("debug"));
	snprintf(path, sizeof(path), "%s", in_folder("linked"));
	search.host = host;
	search.path = path;
	search.elf = &elf;
	debugfile_find(&search, &debug);
	assert_true(debug.fd >= 0);
	assert_true(debug.needs_crc);
	assert_true(debugfile_matches(debug.fd, debug.crc));
	assert_false(debugfile_matches(debug.fd, debug.crc + 1));
	close(debug.fd);

	/* One with another program's build ID is not it, whatever its name. */
	run("cc -g -O1 -Wl,--build-id=sha1 -o other program.c -DOTHER && "
	    "cc -g -O2 -Wl,--build-id=sha1 -o idful program.c && "
	    "objcopy --only-keep-debug other idful.debug && strip idful && "
	    "objcopy --add-gnu-debuglink=idful.debug idful && mv idful.debug debug$PWD");
	elf_close(&elf);
	close(fd);
	assert_int_equal(elf_of_file("idful", &elf, &fd), 0);
	debugfile_find(&search, &debug);
	assert_int_equal(debug.fd, -1);
	elf_close(&elf);
}

static void the_vdso_is_readable_like_a_file(void **state)
{
	struct image image;
	struct elf elf;

	(void)state;
	assert_true(vdso_image(&image));
	assert_int_equal(elf_open(&image, &elf), 0);
	assert_non_null(elf_section_of_type(&elf, SHT_DYNSYM));
	elf_close(&elf);
}

/* --- ELF files that lie --- */

/* A gigabyte of nothing whose .symtab and section headers claim all of it. */
static void a_sparse_gigabyte_takes_neither_memory_nor_time(void **state)
{
	Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, 1 },
		.e_machine = EM_X86_64,
		.e_shoff = sizeof(header),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 3,
	};
	Elf64_Shdr sections[] = {
		{ .sh_type = SHT_NULL },
		{ .sh_type = SHT_SYMTAB, .sh_size = 1UL << 30, .sh_link = 2 },
		{ .sh_type = SHT_STRTAB, .sh_size = 1UL << 30 },
	};
	_cleanup_close_ int fd = open(in_folder("sparse"), O_RDWR | O_CREAT, 0600);
	uint64_t addresses[] = { 1, 2, 3 };
	struct timespec before, after;
	struct rusage usage, then;
	struct asked asked;
	struct image image;
	struct elf elf;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, &header, sizeof(header)), sizeof(header));
	assert_int_equal(write(fd, sections, sizeof(sections)), sizeof(sections));
	assert_int_equal(ftruncate(fd, 1L << 30), 0);
	getrusage(RUSAGE_SELF, &usage);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	assert_int_equal(image_of_file(fd, &image), 0);
	assert_int_equal(elf_open(&image, &elf), 0);
	symtab_lookup(&elf, NULL, ask(&asked, addresses, ARRAY_SIZE(addresses)));
	elf_fingerprint(&elf);
	elf_close(&elf);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	getrusage(RUSAGE_SELF, &then);
	assert_null(asked.names[0]);
	assert_true(then.ru_maxrss - usage.ru_maxrss < 4096); /* KiB */
	assert_true(after.tv_sec - before.tv_sec < 3);
	arena_free(&asked.arena);
}

/* A symbol table in which every symbol contains every address. */
static void symbols_that_cover_everything_run_out_of_allowance(void **state)
{
	enum { SYMBOLS = 100000, ADDRESSES = 4096 };
	Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, 1 },
		.e_machine = EM_X86_64,
		.e_shoff = sizeof(header),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 4,
	};
	size_t table = sizeof(header) + 4 * sizeof(Elf64_Shdr), strings;
	size_t size = table + SYMBOLS * sizeof(Elf64_Sym) + 8;
	_cleanup_free_ uint8_t *data = xcalloc(1, size);
	_cleanup_free_ uint64_t *addresses = xcalloc(ADDRESSES, sizeof(*addresses));
	_cleanup_free_ const char **names = xcalloc(ADDRESSES, sizeof(*names));
	Elf64_Shdr *sections = (Elf64_Shdr *)(data + sizeof(header));
	Elf64_Sym *symbols = (Elf64_Sym *)(data + table);
	const struct image image = { .fd = -1, .data = data, .size = size };
	uint64_t work = LOOKUP_WORK_SOURCE;
	struct arena arena = { 0 };
	struct elf elf;

	(void)state;
	strings = size - 8;
	memcpy(data, &header, sizeof(header));
	sections[1] = (Elf64_Shdr){ .sh_type = SHT_SYMTAB,
				    .sh_offset = table,
				    .sh_size = SYMBOLS * sizeof(Elf64_Sym),
				    .sh_link = 2 };
	sections[2] = (Elf64_Shdr){ .sh_type = SHT_STRTAB, .sh_offset = strings, .sh_size = 8 };
	sections[3] = (Elf64_Shdr){ .sh_type = SHT_NOBITS,
				    .sh_flags = SHF_EXECINSTR,
				    .sh_size = UINT64_MAX };
	for (size_t i = 0; i < SYMBOLS; i++)
		symbols[i] = (Elf64_Sym){ .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
					  .st_shndx = 3,
					  .st_name = 1,
					  .st_size = UINT64_MAX };
	strcpy((char *)data + strings + 1, "all");
	for (size_t i = 0; i < ADDRESSES; i++)
		addresses[i] = i * 4096;
	struct lookup lookup = { .addresses = addresses,
				 .n = ADDRESSES,
				 .names = names,
				 .arena = &arena,
				 .work = &work };

	assert_int_equal(elf_open(&image, &elf), 0);
	symtab_lookup(&elf, NULL, &lookup);
	assert_int_equal(work, 0);
	elf_close(&elf);
	arena_free(&arena);
}

static void broken_files_are_told_from_those_that_are_no_elf(void **state)
{
	uint8_t data[64] = "#!/bin/sh\n";
	struct image image = { .fd = -1, .data = data, .size = sizeof(data) };
	struct elf elf;

	(void)state;
	assert_int_equal(elf_open(&image, &elf), -ENOEXEC);
	image.size = 0;
	assert_int_equal(elf_open(&image, &elf), -ENOEXEC);
	image.size = 20;
	memcpy(data, ELFMAG, SELFMAG);
	data[EI_CLASS] = ELFCLASS64;
	data[EI_DATA] = ELFDATA2LSB;
	assert_int_equal(elf_open(&image, &elf), -EBADMSG);
	image.size = sizeof(data);
	((Elf64_Ehdr *)data)->e_phnum = 0xffff;
	assert_int_equal(elf_open(&image, &elf), -EBADMSG);
}

static void a_file_cut_short_while_open_gives_no_names(void **state)
{
	_cleanup_close_ int fd = -1;
	uint64_t address = address_of("full", "hidden");
	struct asked asked;
	struct elf elf;

	(void)state;
	run("cp full cut");
	assert_int_equal(elf_of_file("cut", &elf, &fd), 0);
	assert_int_equal(truncate(in_folder("cut"), 4096), 0);
	symtab_lookup(&elf, NULL, ask(&asked, &address, 1));
	assert_null(asked.names[0]);
	elf_close(&elf);
	arena_free(&asked.arena);
}

/* --- perf maps --- */

static int perf_map_of(const char *text, size_t size)
{
	int fd = memfd_create("perf-map", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), size);
	return fd;
}

static void the_last_entry_of_a_perf_map_wins(void **state)
{
	static const char text[] = "1000 100 first\n"
				   "0x2000 0x10 with 0x and blanks\n"
				   "1000 80 again\n"
				   "not a line\n"
				   "zz 10 nothing\n"
				   "3000 0 empty\n"
				   "ffffffffffffff00 ffffffffffffffff wraps\n"
				   "4000 10 \xff\xfe bytes\n"
				   "5000 10 not finished";
	uint64_t addresses[] = { 0xfff,	 0x1000, 0x107f, 0x1080,    0x2008,
				 0x3000, 0x4000, 0x5000, UINT64_MAX };
	const char *expected[] = { NULL, "again",    "again", "first", "with 0x and blanks",
				   NULL, "?? bytes", NULL,    "wraps" };
	_cleanup_close_ int fd = perf_map_of(text, sizeof(text) - 1);
	struct asked asked;

	(void)state;
	perf_map_lookup(fd, ask(&asked, addresses, ARRAY_SIZE(addresses)));
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		if (expected[i])
			assert_string_equal(asked.names[i], expected[i]);
		else
			assert_null(asked.names[i]);
	}
	arena_free(&asked.arena);
}

static void a_perf_map_of_a_gigabyte_is_read_from_its_end(void **state)
{
	static const char last[] = "\n1000 10 recent\n";
	uint64_t addresses[] = { 0x1008, 0x2008 };
	_cleanup_close_ int fd = perf_map_of("2000 10 old\n", 12);
	struct timespec before, after;
	struct asked asked;

	(void)state;
	assert_int_equal(pwrite(fd, last, sizeof(last) - 1, 1L << 30), sizeof(last) - 1);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	perf_map_lookup(fd, ask(&asked, addresses, ARRAY_SIZE(addresses)));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_string_equal(asked.names[0], "recent");
	assert_null(asked.names[1]);
	assert_true(after.tv_sec - before.tv_sec < 2);
	arena_free(&asked.arena);
}

static void lines_without_end_are_passed_over(void **state)
{
	_cleanup_free_ char *text = xmalloc(300000);
	uint64_t address = 0x1000;
	_cleanup_close_ int fd = -1;
	struct asked asked;

	(void)state;
	memset(text, 'x', 300000);
	memcpy(text + 200000, "\n1000 10 after\n", 15);
	fd = perf_map_of(text, 300000);
	perf_map_lookup(fd, ask(&asked, &address, 1));
	assert_string_equal(asked.names[0], "after");
	arena_free(&asked.arena);
}

/* --- kallsyms --- */

static const char kallsyms[] = "0000000000000000 A fixed_percpu_data\n"
			       "ffffffff81000000 T _text\n"
			       "ffffffff81000100 T __x64_sys_read\n"
			       "ffffffff81000200 t helper\n"
			       "ffffffff81000200 T __alias\n"
			       "ffffffff81000200 T alias\n"
			       "ffffffff81000300 T _etext\n"
			       "ffffffff82000000 D some_data\n"
			       "ffffffffc0a00000 t ext4_read\t[ext4]\n"
			       "ffffffffc0a00100 t ext4_write\t[ext4]\n"
			       "ffffffffc0900000 t other\t[other]\n"
			       "ffffffffc0b00000 t bpf_prog_1234_on_sample\t[bpf]\n";

static int kallsyms_of(const char *text)
{
	int fd = perf_map_of(text, strlen(text));

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void kallsyms_names_kernel_modules_and_bpf(void **state)
{
	uint64_t addresses[] = { 0x1000,
				 0xffffffff81000000,
				 0xffffffff810001ff,
				 0xffffffff81000250,
				 0xffffffff82000010,
				 0xffffffffc0900010,
				 0xffffffffc0a000ff,
				 0xffffffffc0a00100,
				 0xffffffffc0b00044,
				 0xffffffffc8000000 };
	static const struct {
		const char *name, *module;
	} expected[] = {
		{ NULL, NULL },
		{ "_text", "" },
		{ "__x64_sys_read", "" },
		{ "alias", "" },
		{ NULL, NULL },
		{ "other", "other" },
		{ "ext4_read", "ext4" },
		{ "ext4_write", "ext4" },
		{ "bpf_prog_1234_on_sample", "bpf" },
		{ NULL, NULL }, /* too far from any symbol */
	};
	_cleanup_close_ int fd = kallsyms_of(kallsyms);
	struct asked asked;

	(void)state;
	ask(&asked, addresses, ARRAY_SIZE(addresses));
	assert_int_equal(kallsyms_lookup(fd, false, &asked.lookup, asked.modules), 0);
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		if (!expected[i].name) {
			assert_null(asked.names[i]);
			continue;
		}
		assert_string_equal(asked.names[i], expected[i].name);
		assert_string_equal(asked.modules[i], expected[i].module);
	}
	arena_free(&asked.arena);
}

static void hidden_kernel_addresses_are_an_error(void **state)
{
	uint64_t address = 0xffffffff81000000;
	_cleanup_close_ int fd = kallsyms_of("0000000000000000 T _text\n"
					     "0000000000000000 T _stext\n");
	struct asked asked;

	(void)state;
	ask(&asked, &address, 1);
	assert_int_equal(kallsyms_lookup(fd, false, &asked.lookup, asked.modules), -EACCES);
	assert_null(asked.names[0]);
	arena_free(&asked.arena);
}

/* --- names --- */

static void assert_demangled(const char *mangled, const char *expected)
{
	struct arena arena = { 0 };
	const char *name = mangled;

	demangle_all(&name, 1, &arena);
	assert_string_equal(name, expected ? expected : mangled);
	arena_free(&arena);
}

static void names_are_demangled_without_parameters(void **state)
{
	(void)state;
	assert_demangled("_ZN3foo3barEi", "foo::bar");
	assert_demangled("_ZN12_GLOBAL__N_13fooEv", "(anonymous namespace)::foo");
	assert_demangled("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE",
			 "core::fmt::Write::write_fmt");
	assert_demangled("_RNvCs1234_7mycrate3foo", "mycrate::foo");
	assert_demangled("_RNvC7mycrateu8gdel_5qa", "mycrate::g\xc3\xb6"
						    "del");
	assert_demangled("main", NULL);
	assert_demangled("_Z", NULL);
	assert_demangled("_start", NULL);
	assert_demangled("", NULL);
}

/* Writes `before`, then a<S1_, S1_>, a<S2_, S2_>...: each level twice as large as the last. */
static void write_doubling(char *name, const char *before, char first, const char *after)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *digit = strchr(digits, first);
	size_t n = (size_t)sprintf(name, "%s", before);

	for (int i = 0; i < 28; i++, digit++)
		n += (size_t)sprintf(name + n, "S1_IS%c_S%c_E", *digit, *digit);
	strcpy(name + n, after);
}

static void hostile_names_stay_mangled_and_the_others_are_read(void **state)
{
	enum { NAMES = 8 };
	static char nested[60000], levels[1024], printed[1024], searched[1024];
	const char *names[NAMES] = {
		"_ZN3foo3barEi",
		nested,
		levels,
		printed,
		searched,
		/* A binder of 62^9 lifetimes. */
		"_RMINvC1a1bFGzzzzzzzzz_EuEuu",
		"_RNvC7mycrate3foo",
		"main",
	};
	const char *before[NAMES];
	struct arena arena = { 0 };

	(void)state;
	memset(nested, 'P', sizeof(nested) - 1);
	memcpy(nested, "_Z1f", 4);
	memset(levels, 'N', 1000);
	memcpy(levels, "_Z", 2);
	/* 2^28 times the text, and a tree as large that is searched for a pack before. */
	write_doubling(printed, "_Z1fI1bI1aIiiE", '2', "EEvv");
	write_doubling(searched, "_Z1fIDp1aI1bIiiE", '3', "EEvv");
	memcpy(before, names, sizeof(names));
	demangle_all(names, NAMES, &arena);
	assert_string_equal(names[0], "foo::bar");
	assert_string_equal(names[6], "mycrate::foo");
	for (size_t i = 1; i < 6; i++)
		assert_ptr_equal(names[i], before[i]);
	assert_ptr_equal(names[7], before[7]);
	arena_free(&arena);
}

static void only_valid_utf8_passes(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain", "plain" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xf0\x9f\x9a\xa2", "\xf0\x9f\x9a\xa2" },
		{ "\xc0\x80", "??" },		/* overlong */
		{ "\xed\xa0\x80", "???" },	/* surrogate */
		{ "\xf4\x90\x80\x80", "????" }, /* above U+10FFFF */
		{ "cut \xe2\x82", "cut ??" },
		{ "\x1b[31m", "\x1b[31m" }, /* escaped on the way out */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *s = xstrdup(cases[i].in);

		assert_string_equal(utf8_clean(s), cases[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(symtab_names_static_functions),
		cmocka_unit_test(addresses_outside_of_every_symbol_have_no_name),
		cmocka_unit_test(symbols_without_size_reach_to_the_next_one),
		cmocka_unit_test(of_two_names_the_common_one_is_shown),
		cmocka_unit_test(many_addresses_are_named_in_one_pass),
		cmocka_unit_test(plt_stubs_are_named_after_their_function),
		cmocka_unit_test(minidebuginfo_names_what_dynsym_lacks),
		cmocka_unit_test(a_decompression_bomb_is_refused),
		cmocka_unit_test(build_ids_are_read_and_fingerprints_differ),
		cmocka_unit_test(debug_files_are_found_by_link_and_proved_by_crc),
		cmocka_unit_test(the_vdso_is_readable_like_a_file),
		cmocka_unit_test(a_sparse_gigabyte_takes_neither_memory_nor_time),
		cmocka_unit_test(symbols_that_cover_everything_run_out_of_allowance),
		cmocka_unit_test(broken_files_are_told_from_those_that_are_no_elf),
		cmocka_unit_test(a_file_cut_short_while_open_gives_no_names),
		cmocka_unit_test(the_last_entry_of_a_perf_map_wins),
		cmocka_unit_test(a_perf_map_of_a_gigabyte_is_read_from_its_end),
		cmocka_unit_test(lines_without_end_are_passed_over),
		cmocka_unit_test(kallsyms_names_kernel_modules_and_bpf),
		cmocka_unit_test(hidden_kernel_addresses_are_an_error),
		cmocka_unit_test(names_are_demangled_without_parameters),
		cmocka_unit_test(hostile_names_stay_mangled_and_the_others_are_read),
		cmocka_unit_test(only_valid_utf8_passes),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
