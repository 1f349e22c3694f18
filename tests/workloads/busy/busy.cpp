/* SPDX-License-Identifier: Apache-2.0 */
/* For the compiler to work on: templates, containers, a regular expression. */
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <variant>
#include <vector>

template <int N> struct tower {
	static int height(int x)
	{
		return tower<N - 1>::height(x * N) + N;
	}
};

template <> struct tower<0> {
	static int height(int x)
	{
		return x;
	}
};

using value = std::variant<int, double, std::string, std::vector<int>>;

int main(int argc, char **)
{
	std::map<std::string, std::vector<value>> table;
	std::regex pattern("([a-z]+)([0-9]{2,4})?");
	std::function<int(int)> heights[] = { tower<200>::height, tower<150>::height };

	table["a"].push_back(heights[argc % 2](argc));
	table["b"].push_back(std::string("b"));
	for (auto &[name, values] : table) {
		std::sort(values.begin(), values.end());
		if (std::regex_match(name, pattern))
			std::cout << name << values.size() << '\n';
	}
}
