// Exceptions thrown through loops, recursion and instrumented frames.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

struct Guard {
    int *count;
    ~Guard()
    {
        ++*count;
    }
};

static int descend(int depth, int *count)
{
    Guard guard{count};

    if (depth == 0)
        throw std::runtime_error("deep");
    return descend(depth - 1, count) + 1;
}

int main()
{
    std::map<std::string, int> seen;
    std::vector<int> numbers;
    int count = 0;

    for (int i = 0; i < 300; i++) {
        try {
            descend(i % 40, &count);
        } catch (const std::exception &e) {
            seen[e.what() + std::to_string(i % 7)]++;
        }
    }
    std::function<int(int)> fibonacci = [&](int n) {
        return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
    };
    for (int i = 0; i < 3000; i++)
        numbers.push_back(i * 7919 % 1009);
    std::sort(numbers.begin(), numbers.end(), [](int a, int b) { return a > b; });
    for (const auto &entry : seen)
        std::cout << entry.first << "=" << entry.second << "\n";
    std::cout << count << " " << fibonacci(18) << " " << numbers[10] << "\n";
    try {
        try {
            throw 5;
        } catch (int i) {
            throw std::string("again ") + std::to_string(i);
        }
    } catch (const std::string &text) {
        std::cout << text << "\n";
    }
    return 0;
}
