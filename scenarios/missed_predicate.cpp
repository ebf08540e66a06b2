// A queue whose pop() looks once, before it waits, whether the queue is empty. Both consumers are
// woken by one item, one of them takes it, and the other pops from an empty queue. The fix looks
// again after each wait.
#include <cassert>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>
#include <thread>
#include <sys/mman.h>

namespace
{

constexpr size_t work_area_bytes = 512 * 1024;

class Queue
{
  public:
    void push(int item)
    {
        std::lock_guard<std::mutex> guard(mutex_);
        items_.push_back(item);
        changed_.notify_all();
    }

    int pop()
    {
        std::unique_lock<std::mutex> lock(mutex_);
#ifdef FIXED
        while (items_.empty())
#else
        if (items_.empty())
#endif
            changed_.wait(lock);
        assert(!items_.empty());
        int item = items_.front();
        items_.pop_front();
        return item;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<int> items_;
};

Queue queue;

// Fetched before the work begins, so that working never waits for memory.
void *work_area_new()
{
    return mmap(nullptr, work_area_bytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

void consume(int *taken)
{
    if (work_area_new() != MAP_FAILED)
        *taken = queue.pop();
}

} // namespace

int main()
{
    int taken[2] = {0, 0};
    std::thread first(consume, &taken[0]);
    std::thread second(consume, &taken[1]);
    queue.push(1);
    queue.push(2);
    first.join();
    second.join();
    std::printf("taken %d\n", taken[0] + taken[1]);
    return taken[0] + taken[1] == 3 ? 0 : 1;
}
