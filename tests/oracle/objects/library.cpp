// What programs do with the C++ library, so that its templates are compiled in. Compiled in many
// ways and loaded by `make corpus`; never run.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace
{
std::map<std::string, std::vector<int>> index_of(std::istream &in)
{
	std::map<std::string, std::vector<int>> found;
	std::string word;

	for (int position = 0; in >> word; position++)
		found[word].push_back(position);
	return found;
}
} // namespace

std::function<std::string(const std::string &)> replacer(const char *pattern, const char *with)
{
	auto expression = std::make_shared<std::regex>(pattern, std::regex::icase);

	return [=](const std::string &text) { return std::regex_replace(text, *expression, with); };
}

int main(int argc, char **argv)
{
	std::stringstream in;

	for (int i = 1; i < argc; i++)
		in << argv[i] << ' ';
	auto replace = replacer("[aeiou]+", "<$&>");
	try {
		for (const auto &[word, places] : index_of(in))
			std::cout << replace(word) << ' ' << *std::max_element(places.begin(), places.end()) << '\n';
	} catch (const std::regex_error &error) {
		std::cerr << error.what() << std::endl;
		return 1;
	}
	return 0;
}
