/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What compilers do to functions: templates, lambdas in lambdas, recursion that is inlined into
 * itself some times, members of anonymous namespaces, exceptions (whose code goes elsewhere), all
 * on top of the standard library. test_dwarf.c asks where its instructions come from.
 */
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace outer
{
namespace
{
template <class T, int N> struct power {
	static inline T of(T x)
	{
		return x * power<T, N - 1>::of(x);
	}
};

template <class T> struct power<T, 0> {
	static inline T of(T)
	{
		return 1;
	}
};

struct shape {
	virtual ~shape()
	{
	}
	virtual double area() const = 0;
};

struct square : shape {
	double a;
	square(double x) : a(x)
	{
	}
	double area() const override
	{
		return power<double, 2>::of(a);
	}
};

struct cube : shape {
	double a;
	cube(double x) : a(x)
	{
	}
	double area() const override
	{
		return 6 * power<double, 5>::of(a) / (a + 1);
	}
};
}

static inline int sum_to(int n)
{
	return n <= 0 ? 0 : n + sum_to(n - 1);
}

template <class F> static int apply(F f, int n)
{
	int sum = 0;

	for (int i = 0; i < n; i++)
		sum += f(i);
	return sum;
}

int lambdas(const std::vector<int> &v)
{
	int k = 3;
	auto f = [&](int x) {
		auto g = [&](int y) { return y * k + (int)v.size(); };

		return g(x) + g(x + 1);
	};

	return apply(f, (int)v.size()) + sum_to(10);
}

std::string text(const std::map<std::string, int> &m)
{
	std::string s;

	for (auto &p : m) {
		s += p.first;
		s.push_back('=');
		s += std::to_string(p.second);
	}
	return s;
}
}

int main(int count, char **words)
{
	std::vector<std::unique_ptr<outer::shape>> all;
	std::map<std::string, int> m;
	std::unordered_map<int, std::string> u;
	std::vector<int> n(100);

	for (int i = 0; i < count * 10; i++) {
		if (i % 2)
			all.emplace_back(new outer::square(i));
		else
			all.emplace_back(std::make_unique<outer::cube>(i));
	}
	double a = std::accumulate(all.begin(), all.end(), 0.0,
				   [](double s, auto &p) { return s + p->area(); });

	std::iota(n.begin(), n.end(), count);
	std::sort(n.begin(), n.end(), [](int x, int y) { return (x ^ 5) < (y ^ 5); });
	for (int i = 0; i < count; i++)
		m[words[i]] = i;
	for (int x : n)
		u[x] = std::to_string(x);
	try {
		if (count > 100)
			throw std::runtime_error("many");
	} catch (std::exception &e) {
		puts(e.what());
	}
	std::function<int(int)> fn = [&](int x) { return x + outer::lambdas(n); };

	printf("%f %d %s %zu\n", a, fn(1), outer::text(m).c_str(), u.size());
}
