/* A read of a library waits; a signal interrupts it, and while the handler runs another thread
 * closes the library. The handler jumps out: nothing goes back into it. The library is loaded
 * again, and its read works. */
#include <dlfcn.h>
#include <setjmp.h>

#include "scene.h"

enum { ROUNDS = 3 };

typedef long library_read_call(int shape, long fd, void *buffer, size_t size);
typedef unsigned long library_instruction_call(int shape);

static struct interruption interruption = {.signal = SIGUSR2};
static struct pipe never, data, release;
static sigjmp_buf out;
static atomic_int begun, held, finished;
static void *library;
static library_read_call *library_read;
static unsigned long instruction;

static void load(void)
{
    library = dlopen("libdlclose_library.so", RTLD_NOW);
    CHECK(library != NULL);
    library_read = (library_read_call *)dlsym(library, "library_read");
    library_instruction_call *where =
        (library_instruction_call *)dlsym(library, "library_instruction");
    CHECK(library_read && where);
    instruction = where((int)scene_shape());
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (!scene_hit(&interruption, context, instruction))
        return;
    held++;
    CHECK_IS(scene_receive(&release), 'r');
    siglongjmp(out, 1);
}

static void *reader(void *unused)
{
    for (int round = 0; round < ROUNDS; round++) {
        if (sigsetjmp(out, 1) == 0) {
            char byte;
            begun++;
            library_read((int)scene_shape(), never.read_end, &byte, 1);
            CHECK(!"a read that nothing ends has ended");
        }
        finished++;
        scene_await(&begun, 2 * round + 2);
    }
    return unused;
}

int main(int argc, char **argv)
{
    scene_begin(argc, argv);
    never = scene_pipe();
    data = scene_pipe();
    release = scene_pipe();
    scene_handle(SIGUSR2, on_signal, SA_RESTART);
    load();
    pthread_t thread = scene_thread(reader, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        char byte = 0;
        scene_await(&begun, 2 * round + 1);
        scene_interrupt(&interruption, thread);
        scene_await(&held, round + 1);
        CHECK(dlclose(library) == 0);
        CHECK(dlopen("libdlclose_library.so", RTLD_NOW | RTLD_NOLOAD) == NULL);
        scene_send(&release, 'r');
        scene_await(&finished, round + 1);
        load();
        scene_send(&data, (char)('0' + round));
        CHECK_IS(library_read((int)scene_shape(), data.read_end, &byte, 1), 1);
        CHECK_IS(byte, '0' + round);
        CHECK(dlclose(library) == 0);
        load();
        begun++;
    }
    scene_join(thread);
    return scene_end();
}
