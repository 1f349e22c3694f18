/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library of stacks.c, linked in the way that leaves every call to be bound when it is made
 * first. Its only calls through the linker's table are those to empty(), whose slot is therefore
 * the table's first, behind the three that belong to the dynamic linker (System V ABI, x86-64
 * supplement, 5.2).
 */
#define EXPORT __attribute__((visibility("default"), noinline, noclone))
#define INNER  __attribute__((visibility("hidden"), noinline, noclone))

EXPORT void empty(void)
{
	__asm__ volatile("");
}

INNER void library_inner(void (*leaf)(void))
{
	leaf();
	__asm__ volatile("" ::: "memory");
}

EXPORT void library_outer(void (*leaf)(void))
{
	library_inner(leaf);
	__asm__ volatile("" ::: "memory");
}

EXPORT void calls_empty(long times)
{
	while (times--)
		empty();
}

extern void *volatile _GLOBAL_OFFSET_TABLE_[] __attribute__((visibility("hidden")));
#define SLOT 3

/* What the dynamic linker wrote into the slot before it knew of empty(). */
static void *unbound_slot;

__attribute__((constructor)) static void remember(void)
{
	unbound_slot = _GLOBAL_OFFSET_TABLE_[SLOT];
}

EXPORT void calls_unbound(long times)
{
	while (times--) {
		_GLOBAL_OFFSET_TABLE_[SLOT] = unbound_slot;
		empty();
	}
}
