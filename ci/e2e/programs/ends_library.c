/* A library that calls its caller back. */
void library_calls(void (*back)(int), int value);

static volatile int calls;

__attribute__((noinline)) static void inside(void (*back)(int), int value)
{
    back(value);
    calls++;
}

void library_calls(void (*back)(int), int value)
{
    inside(back, value);
    calls++;
}
