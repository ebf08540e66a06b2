// C++ names on stacks: namespaces, templates, lambdas, methods, and an exception nobody catches.
#include <cstring>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

static volatile int sink;

namespace store
{
template <typename T, int N> struct Ring {
    T data[N];

    __attribute__((noinline)) T at(int index) const
    {
        if (index >= N)
            throw std::out_of_range("at");
        return data[index];
    }
};

template <typename T> __attribute__((noinline)) T largest(const std::vector<T> &values)
{
    Ring<T, 2> ring{};
    T result = ring.at(static_cast<int>(values.size()));
    sink = sink + 1;
    return result;
}
} // namespace store

int main(int argc, char **)
{
    std::vector<double> values(5, static_cast<double>(argc));
    auto work = [&values](int extra) {
        values.push_back(extra);
        sink = static_cast<int>(store::largest(values));
        sink = sink + 1;
    };
    if (argc > 1) {
        std::thread thread(work, 3);
        thread.join();
    } else {
        work(4);
    }
    return sink;
}
