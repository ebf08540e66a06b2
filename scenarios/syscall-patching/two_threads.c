/* Threads come to a place at once, and for each of them it is the first time. One of many places
 * after the other, in all shapes. */
#include "scene.h"

enum { THREADS = 3, PLACES = 6 };

#define READ_SITE(name) SITE(name, NR_read, (long fd, void *buffer, size_t size))
READ_SITE(read_a);
READ_SITE(read_b);
READ_SITE(read_c);
READ_SITE(read_d);
READ_SITE(read_e);
READ_SITE(read_f);

typedef long read_call(long fd, void *buffer, size_t size);

static struct pipe pipes[THREADS];
static atomic_int arrived[SHAPE_COUNT * PLACES];
static atomic_int done;

static read_call *place(int index)
{
    enum shape s = (enum shape)(index % SHAPE_COUNT);
    switch (index / SHAPE_COUNT) {
    case 0:
        return read_a_sites[s].call;
    case 1:
        return read_b_sites[s].call;
    case 2:
        return read_c_sites[s].call;
    case 3:
        return read_d_sites[s].call;
    case 4:
        return read_e_sites[s].call;
    default:
        return read_f_sites[s].call;
    }
}

/* All threads have come; the first half of the places without a call between it and the read. */
static void meet(int index)
{
    arrived[index]++;
    for (int turn = 0; arrived[index] < THREADS; turn++)
        if (turn > 1000 || index >= SHAPE_COUNT * PLACES / 2)
            scene_nap();
}

static void *reader(void *data)
{
    const struct pipe *mine = data;
    for (int i = 0; i < SHAPE_COUNT * PLACES; i++) {
        char byte = 0;
        meet(i);
        CHECK_IS(place(i)(mine->read_end, &byte, 1), 1);
        CHECK_IS(byte, 'A' + i);
    }
    done++;
    return NULL;
}

/* Odd places have their bytes when the threads come, at even ones they have to wait. */
static void feed(int index)
{
    if (index % 2 == 0)
        scene_await(&arrived[index], THREADS);
    for (int i = 0; i < THREADS; i++)
        scene_send(&pipes[i], (char)('A' + index));
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    scene_begin(argc, argv);
    for (int i = 0; i < THREADS; i++)
        pipes[i] = scene_pipe();
    for (int i = 0; i < THREADS; i++)
        threads[i] = scene_thread(reader, &pipes[i]);
    for (int i = 0; i < SHAPE_COUNT * PLACES; i++)
        feed(i);
    for (int i = 0; i < THREADS; i++)
        scene_join(threads[i]);
    CHECK_IS(done, THREADS);
    return scene_end();
}
