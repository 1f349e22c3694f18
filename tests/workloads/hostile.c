/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that wants to harm who profiles it. A row of the table is a trick: where its code lies,
 * or what it leaves where a profiler will look for names. All of them burn CPU in it, so that every
 * profile meets it.
 *
 *     hostile TRICK [SECONDS]    works in the current directory and in /tmp
 */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "code.h"
#include "cpu_clock.h"

#define PAGE	    65536 /* the largest page of arm64 */
#define SPARSE_SIZE (1L << 30)

static void *fail(const char *what)
{
	perror(what);
	exit(1);
}

static void write_all(int fd, const void *data, size_t size)
{
	if (write(fd, data, size) != (ssize_t)size)
		fail("write");
}

static void *map(int fd, off_t offset, int protection)
{
	void *memory = mmap(NULL, PAGE, protection, MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd,
			    offset);

	return memory == MAP_FAILED ? fail("mmap") : memory;
}

static void *map_anonymous(void)
{
	void *memory = map(-1, 0, PROT_READ | PROT_WRITE | PROT_EXEC);

	code_write(memory);
	return memory;
}

/* --- names --- */

/* What a terminal, a browser and a reader of folded stacks would each take for an order. */
static void *comm_with_escapes(void)
{
	prctl(PR_SET_NAME, "\033[2J\033]0;x\007\rz");
	return map_anonymous();
}

static void *comm_with_script(void)
{
	prctl(PR_SET_NAME, "<script>a()//");
	return map_anonymous();
}

static void *comm_with_lines(void)
{
	prctl(PR_SET_NAME, "a;b 7\nhost;c 9");
	return map_anonymous();
}

static void *comm_not_utf8(void)
{
	prctl(PR_SET_NAME, "\xff\xfe\xc0\x80\xed\xa0\x80");
	return map_anonymous();
}

/* --- files that code comes from --- */

static void *map_code_file(const char *path)
{
	static char page[PAGE];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0755);

	if (fd < 0)
		fail(path);
	code_write(page);
	write_all(fd, page, sizeof(page));
	void *memory = map(fd, 0, PROT_READ | PROT_EXEC);

	close(fd);
	return memory;
}

/* The mapping's path leads to a FIFO that nobody will ever write to. */
static void *library_is_fifo(void)
{
	void *memory = map_code_file("lib-fifo.so");

	if (unlink("lib-fifo.so") < 0 || mkfifo("lib-fifo.so", 0666) < 0)
		fail("mkfifo");
	return memory;
}

/* A device that never ends. */
static void *library_is_zero(void)
{
	int fd = open("/dev/zero", O_RDWR);

	if (fd < 0)
		fail("/dev/zero");
	void *memory = map(fd, 0, PROT_READ | PROT_WRITE | PROT_EXEC);

	code_write(memory);
	return memory;
}

/* An ELF file of 1 GB on 64 KB of disk, whose symbol table and string table are all of it. */
static void *library_is_sparse(void)
{
	const Elf64_Ehdr head = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_DYN,
#ifdef __x86_64__
		.e_machine = EM_X86_64,
#else
		.e_machine = EM_AARCH64,
#endif
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_shoff = 1024,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 3,
		.e_shstrndx = 2,
	};
	const Elf64_Phdr load = {
		.p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_offset = PAGE,
		.p_vaddr = PAGE,
		.p_filesz = PAGE,
		.p_memsz = PAGE,
		.p_align = PAGE,
	};
	const Elf64_Shdr sections[3] = {
		[1] = { .sh_type = SHT_SYMTAB,
			.sh_offset = 2 * PAGE,
			.sh_size = SPARSE_SIZE - 2 * PAGE,
			.sh_link = 2,
			.sh_entsize = sizeof(Elf64_Sym) },
		[2] = { .sh_type = SHT_STRTAB,
			.sh_offset = 2 * PAGE,
			.sh_size = SPARSE_SIZE - 2 * PAGE },
	};
	int fd = open("lib-sparse.so", O_RDWR | O_CREAT | O_TRUNC, 0755);

	if (fd < 0 || ftruncate(fd, SPARSE_SIZE) < 0)
		fail("lib-sparse.so");
	if (pwrite(fd, &head, sizeof(head), 0) < 0 ||
	    pwrite(fd, &load, sizeof(load), sizeof(head)) < 0 ||
	    pwrite(fd, sections, sizeof(sections), 1024) < 0 ||
	    pwrite(fd, countdown_code, sizeof(countdown_code), PAGE) < 0)
		fail("lib-sparse.so");
	void *memory = map(fd, PAGE, PROT_READ | PROT_EXEC);

	close(fd);
	return memory;
}

/* Moved to where its path has line breaks, escape codes and markup: a folder "<", a file "script>".
 */
static void *library_with_script(void)
{
	mkdir("\033[31m\n<script>alert(1)<", 0755);
	return map_code_file("\033[31m\n<script>alert(1)<"
			     "/script>\"';&\xff.so");
}

/* --- what is said about the code in /tmp/perf-PID.map --- */

static const char *perf_map(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	unlink(path);
	return path;
}

static int create_perf_map(void)
{
	int fd = open(perf_map(), O_RDWR | O_CREAT | O_TRUNC, 0644);

	if (fd < 0)
		fail("perf map");
	return fd;
}

/* Noise, sprinkled with what would be a line that names all of memory. */
static void *perf_map_is_random(void)
{
	static const char line[] = "\n0 ffffffffffffffff x\n";
	static unsigned char noise[1 << 20];
	int fd = create_perf_map();
	unsigned seed = 1;

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = rand_r(&seed) >> 8;
	for (size_t i = 0; i < sizeof(noise); i += 4096)
		memcpy(noise + i, line, strlen(line));
	write_all(fd, noise, sizeof(noise));
	close(fd);
	return map_anonymous();
}

static void *perf_map_is_fifo(void)
{
	if (mkfifo(perf_map(), 0666) < 0)
		fail("mkfifo");
	return map_anonymous();
}

/* One line that names all of memory; what it says is inside the container, and so may be shown. */
static void *perf_map_is_wide(void)
{
	int fd = create_perf_map();

	dprintf(fd, "0 7fffffffffffffff all_of_memory\n");
	close(fd);
	return map_anonymous();
}

/* The host has a file of this name, with symbols in it that must not be seen. */
static void *perf_map_is_link(void)
{
	if (symlink(getenv("SECRET") ? getenv("SECRET") : "/etc/shadow", perf_map()) < 0)
		fail("symlink");
	return map_anonymous();
}

static void *perf_map_is_huge(void)
{
	int fd = create_perf_map();

	if (ftruncate(fd, SPARSE_SIZE) < 0)
		fail("ftruncate");
	close(fd);
	return map_anonymous();
}

static void *perf_map_has_script(void)
{
	void *memory = map_anonymous();
	int fd = create_perf_map();

	dprintf(fd, "%lx %x </title><script>alert(1)</script>\033[31m\007;x 7\n", (long)memory,
		PAGE);
	close(fd);
	return memory;
}

/* --- */

static const struct {
	const char *name;
	void *(*set_up)(void);
} tricks[] = {
	{ "comm-escapes", comm_with_escapes }, { "comm-script", comm_with_script },
	{ "comm-lines", comm_with_lines },     { "comm-bytes", comm_not_utf8 },
	{ "lib-fifo", library_is_fifo },       { "lib-zero", library_is_zero },
	{ "lib-sparse", library_is_sparse },   { "lib-script", library_with_script },
	{ "map-wide", perf_map_is_wide },      { "map-random", perf_map_is_random },
	{ "map-fifo", perf_map_is_fifo },      { "map-link", perf_map_is_link },
	{ "map-huge", perf_map_is_huge },      { "map-script", perf_map_has_script },
};

int main(int argc, char **argv)
{
	int64_t end = end_after(argc > 2 ? argv[2] : NULL);

	for (size_t i = 0; argc > 1 && i < sizeof(tricks) / sizeof(tricks[0]); i++) {
		if (strcmp(argv[1], tricks[i].name))
			continue;
		/* Known by the trick, unless that is about the name itself. */
		prctl(PR_SET_NAME, tricks[i].name);
		countdown_fn countdown = (countdown_fn)tricks[i].set_up();

		while (monotonic_ns() < end)
			countdown(100000);
		return 0;
	}
	fprintf(stderr, "usage: hostile TRICK [SECONDS]\n");
	return 2;
}
