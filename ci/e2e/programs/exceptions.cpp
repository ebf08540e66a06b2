// Exceptions thrown through loops and recursion in hot code, cleanups on the way, and the symbols
// of a backtrace taken inside: an unwinder must see the program's own addresses and nothing else.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <execinfo.h>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace
{

int cleanups;

struct Cleanup {
    ~Cleanup()
    {
        cleanups++;
    }
};

} // namespace

extern "C" {

__attribute__((noinline)) long leaf(long value)
{
    if (value % 97 == 96)
        throw std::runtime_error("at " + std::to_string(value));
    return value * 3 + 1;
}

__attribute__((noinline)) long recursive(int depth, long value)
{
    Cleanup cleanup;
    long sum = 0;
    for (int i = 0; i < 3; i++)
        sum += leaf(value + depth * 5 + i);
    if (depth > 0)
        sum += recursive(depth - 1, value);
    return sum;
}

// The frames between here and main, by symbol, without offsets.
__attribute__((noinline)) void print_backtrace(void)
{
    void *frames[32];
    int count = backtrace(frames, 32);
    char **names = backtrace_symbols(frames, count);
    if (names == nullptr)
        std::abort();
    for (int i = 0; i < count; i++) {
        char *open = std::strchr(names[i], '(');
        char *end = open != nullptr ? std::strpbrk(open, "+)") : nullptr;
        if (end != nullptr) {
            *end = '\0';
            std::printf("  %s\n", open[1] != '\0' ? open + 1 : "?");
            if (std::strcmp(open + 1, "main") == 0)
                break;
        } else {
            std::printf("  unknown\n");
        }
    }
    std::free(names);
}

__attribute__((noinline)) int walk(int depth)
{
    volatile int below = 0;
    if (depth == 0)
        print_backtrace();
    else
        for (int i = 0; i < 1; i++)
            below = walk(depth - 1);
    return below + 1;
}
}

namespace
{

long throw_and_catch(long rounds)
{
    long caught = 0;
    for (long i = 0; i < rounds; i++) {
        try {
            recursive(static_cast<int>(i % 20), i);
        } catch (const std::runtime_error &error) {
            caught += std::atol(error.what() + 3);
        }
    }
    return caught;
}

void nested()
{
    try {
        try {
            leaf(96);
        } catch (...) {
            std::throw_with_nested(std::logic_error("outer"));
        }
    } catch (const std::exception &outer) {
        std::cout << "caught " << outer.what();
        try {
            std::rethrow_if_nested(outer);
        } catch (const std::exception &inner) {
            std::cout << " because " << inner.what();
        }
        std::cout << std::endl;
    }
}

} // namespace

int main()
{
    std::cout << "sum " << throw_and_catch(300) << ", cleanups " << cleanups << std::endl;
    nested();
    std::cout << "depth " << walk(5) << std::endl;

    std::vector<long> results(3);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < results.size(); i++)
        threads.emplace_back([&results, i] {
            std::ostringstream text;
            try {
                for (long value = static_cast<long>(i) * 97;; value++)
                    text << leaf(value);
            } catch (const std::exception &error) {
                text << error.what();
            }
            results[i] = static_cast<long>(text.str().size());
        });
    for (auto &thread : threads)
        thread.join();
    for (long result : results)
        std::cout << "thread text " << result << std::endl;
    return 0;
}
