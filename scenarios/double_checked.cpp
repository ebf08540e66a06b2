// Settings that are created at first use, with double-checked locking. The pointer is published
// before the object is complete, so a thread that comes by without taking the lock reads half-made
// settings. The fix completes the object first.
#include <atomic>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
#include <sys/mman.h>

namespace
{

constexpr size_t work_area_bytes = 512 * 1024;

class Settings
{
  public:
    static Settings &get()
    {
        if (instance.load() == nullptr) {
            std::lock_guard<std::mutex> guard(mutex);
            if (instance.load() == nullptr) {
                Settings *made = new Settings;
#ifdef FIXED
                made->load();
                instance.store(made);
#else
                instance.store(made);
                made->load();
#endif
            }
        }
        return *instance.load();
    }

    size_t size() const
    {
        return size_;
    }

  private:
    void load()
    {
        static const char text[] = "port=80,root=/srv,user=www,log=on";
        std::string entry;
        for (const char *at = text; *at != '\0'; at++) {
            if (*at == ',') {
                entries_.push_back(entry);
                entry.clear();
            } else {
                entry += *at;
            }
        }
        entries_.push_back(entry);
        size_ = entries_.size();
    }

    std::vector<std::string> entries_;
    size_t size_ = 0;

    static std::atomic<Settings *> instance;
    static std::mutex mutex;
};

std::atomic<Settings *> Settings::instance{nullptr};
std::mutex Settings::mutex;

// Fetched by a thread of its own, as fetching takes long.
void *work_area_new()
{
    void *area = MAP_FAILED;
    std::thread fetcher([&area] {
        area = mmap(nullptr, work_area_bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    });
    fetcher.join();
    return area;
}

} // namespace

int main()
{
    size_t seen_by_worker = 0;
    std::thread worker([&seen_by_worker] {
        if (work_area_new() != MAP_FAILED)
            seen_by_worker = Settings::get().size();
    });
    size_t seen_by_main = Settings::get().size();
    worker.join();
    if (seen_by_main != 4 || seen_by_worker != 4) {
        std::fprintf(stderr, "settings with %zu and %zu entries instead of 4\n", seen_by_main,
                     seen_by_worker);
        return 1;
    }
    std::printf("4 settings\n");
    return 0;
}
