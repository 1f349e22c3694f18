/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that the compiler puts into one another, as it does with most of what C++ is made of:
 *
 *     inlines [SECONDS]     main calls run(), all that is below it is inlined
 *
 * To be built with -O2 -g.
 */
#include <cstdint>
#include <vector>

#include "cpu_clock.h"

namespace geometry
{
struct point {
	double x, y;

	__attribute__((always_inline)) double dot(const point &other) const
	{
		return x * other.x + y * other.y;
	}
};

template <typename Shape> struct polygon {
	std::vector<Shape> corners;

	__attribute__((always_inline)) double turn(size_t i) const
	{
		const Shape &before = corners[i], &after = corners[(i + 1) % corners.size()];

		return before.dot(after) > 0.5 ? before.dot(before) : after.dot(after);
	}

	__attribute__((always_inline)) double walk() const
	{
		double sum = 0;

		for (size_t i = 0; i < corners.size(); i++)
			sum += turn(i);
		return sum;
	}
};
} // namespace geometry

static volatile double result;

__attribute__((noinline, noclone)) static void run(int64_t end)
{
	geometry::polygon<geometry::point> shape;

	for (int i = 0; i < 1000; i++)
		shape.corners.push_back({ i * 0.3, i * 0.7 });
	do {
		for (int i = 0; i < 100; i++)
			result = result + shape.walk();
	} while (monotonic_ns() < end);
}

int main(int argc, char **argv)
{
	run(end_after(argc > 1 ? argv[1] : nullptr));
	return 0;
}
