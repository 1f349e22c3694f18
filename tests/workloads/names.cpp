/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C++ names of every kind that has to be demangled: namespace, template, operator, lambda.
 *
 *     names-cpp [SECONDS]
 */
#include <cstdlib>
#include <string>
#include <vector>

#include "cpu_clock.h"

#define BURNS __attribute__((noinline, noclone))

namespace shop::cart
{

template <typename Item> struct Basket {
	std::vector<Item> items;

	BURNS void total() const
	{
		burn_until(thread_cpu_ns() + 1000000, 3);
	}
	BURNS bool operator==(const Basket &) const
	{
		burn_until(thread_cpu_ns() + 1000000, 5);
		return true;
	}
};

} // namespace shop::cart

/* A lambda's own type makes each a function of its own; the call below is what keeps it out of
 * line. */
template <typename F> BURNS static void call(F f)
{
	f();
	__asm__ volatile("" ::: "memory");
}

int main(int argc, char **argv)
{
	int64_t end = end_after(argc > 1 ? argv[1] : NULL);
	shop::cart::Basket<std::string> a, b;
	volatile bool equal;
	auto checkout = []() __attribute__((noinline))
	{
		burn_until(thread_cpu_ns() + 1000000, 7);
	};

	while (monotonic_ns() < end) {
		a.total();
		equal = a == b;
		(void)equal;
		call(checkout);
	}
	return 0;
}
