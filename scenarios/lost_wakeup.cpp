// A future made by hand. get() looks whether the value is there without the lock and then waits
// without looking again: a notification in between wakes nobody, and get() sleeps for ever. The fix
// looks while it holds the lock, and waits until the value is there.
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>
#include <sys/mman.h>

namespace
{

constexpr size_t work_area_bytes = 512 * 1024;

class Future
{
  public:
    void set(int value)
    {
        std::lock_guard<std::mutex> guard(mutex_);
        value_ = value;
        ready_ = true;
        changed_.notify_one();
    }

    int get()
    {
#ifdef FIXED
        std::unique_lock<std::mutex> lock(mutex_);
        while (!ready_)
            changed_.wait(lock);
#else
        if (!ready_) {
            std::unique_lock<std::mutex> lock(mutex_);
            changed_.wait(lock);
        }
#endif
        return value_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::atomic<bool> ready_{false};
    int value_ = 0;
};

// Fetched before the work begins, so that working never waits for memory.
void *work_area_new()
{
    return mmap(nullptr, work_area_bytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

int squared_elsewhere(int number)
{
    Future square;
    std::thread worker([&square, number] {
        if (work_area_new() != MAP_FAILED)
            square.set(number * number);
    });
    int result = square.get();
    worker.join();
    return result;
}

} // namespace

int main()
{
    int sum = 0;
    for (int number = 1; number <= 3; number++)
        sum += squared_elsewhere(number);
    std::printf("sum of squares %d\n", sum);
    return sum == 14 ? 0 : 1;
}
