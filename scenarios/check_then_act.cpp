// A cache of rendered pages. A page that is not in the cache is rendered and put there, but the
// lookup and the insertion are two critical sections: two threads that miss together both render. A
// page must be rendered once (rendering has side effects). The fix makes lookup and insertion one
// step.
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <sys/mman.h>

namespace
{

constexpr size_t work_area_bytes = 512 * 1024;

class PageCache
{
  public:
    unsigned get(const std::string &name)
    {
#ifdef FIXED
        std::lock_guard<std::mutex> filling(fill_mutex_);
#endif
        unsigned digest = 0;
        if (find(name, &digest))
            return digest;
        digest = render(name);
        insert(name, digest);
        return digest;
    }

    int renders() const
    {
        return renders_;
    }

  private:
    bool find(const std::string &name, unsigned *digest)
    {
        std::lock_guard<std::mutex> guard(mutex_);
        auto page = pages_.find(name);
        if (page == pages_.end())
            return false;
        *digest = page->second;
        return true;
    }

    void insert(const std::string &name, unsigned digest)
    {
        std::lock_guard<std::mutex> guard(mutex_);
        pages_[name] = digest;
        renders_++;
    }

    static unsigned render(const std::string &name)
    {
        unsigned digest = 5381;
        for (char letter : name)
            digest = digest * 33 + static_cast<unsigned char>(letter);
        return digest;
    }

    std::mutex mutex_;
    std::mutex fill_mutex_;
    std::map<std::string, unsigned> pages_;
    int renders_ = 0;
};

PageCache cache;

void serve()
{
    static const char *const names[] = {"/start", "/news", "/about"};
    for (const char *name : names)
        cache.get(name);
}

// Fetched before the work begins, so that working never waits for memory.
void *work_area_new()
{
    return mmap(nullptr, work_area_bytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

void serve_elsewhere()
{
    if (work_area_new() != MAP_FAILED)
        serve();
}

} // namespace

int main()
{
    cache.get("/index");
    std::thread other(serve_elsewhere);
    serve();
    other.join();
    if (cache.renders() != 4) {
        std::fprintf(stderr, "4 pages were rendered %d times\n", cache.renders());
        return 1;
    }
    std::printf("4 pages rendered\n");
    return 0;
}
