/* A shared document with a reference count. Releasing counts down under the lock, and looks in a
 * second critical section whether the count is zero: two releases in step both find zero, and both
 * destroy. The fix decides on the value its own count left. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { WORK_AREA_BYTES = 512 * 1024 };

struct document {
    pthread_mutex_t lock;
    int references;
    int destroyed;
};

static struct document document = {PTHREAD_MUTEX_INITIALIZER, 2, 0};

static int document_add(struct document *self, int count)
{
    pthread_mutex_lock(&self->lock);
    self->references += count;
    int left = self->references;
    pthread_mutex_unlock(&self->lock);
    return left;
}

static void document_destroy(struct document *self)
{
    if (self->destroyed++ != 0) {
        fprintf(stderr, "document destroyed twice\n");
        abort();
    }
}

static void document_release(struct document *self)
{
    int left = document_add(self, -1);
#ifndef FIXED
    left = document_add(self, 0);
#endif
    if (left == 0)
        document_destroy(self);
}

/* Fetched before the work begins, so that working never waits for memory. */
static void *work_area_new(void)
{
    return mmap(NULL, WORK_AREA_BYTES, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

static void *reader(void *argument)
{
    void *area = work_area_new();
    document_release(argument);
    return area;
}

int main(void)
{
    document_add(&document, 1);
    document_add(&document, -1);
    pthread_t other;
    if (pthread_create(&other, NULL, reader, &document) != 0)
        return 2;
    document_release(&document);
    pthread_join(other, NULL);
    printf("destroyed %d time\n", document.destroyed);
    return document.destroyed == 1 ? 0 : 1;
}
