/* SPDX-License-Identifier: Apache-2.0 */
/* One function, of the name that the compiler is given; see places.c. */
void FUNCTION(void (*nap)(void));

void FUNCTION(void (*nap)(void))
{
	nap();
	/* Something is left to do, so that the call cannot become a jump. */
	__asm__ volatile("" ::: "memory");
}
