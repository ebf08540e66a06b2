/* A program with loops of many kinds, for images that are position-dependent or static. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int table(int op, int value)
{
    switch (op) {
    case 0:
        return value + 1;
    case 1:
        return value * 3;
    case 2:
        return value ^ 0x55;
    case 3:
        return value - 7;
    case 4:
        return value << 1;
    case 5:
        return value >> 1;
    default:
        return value;
    }
}

static int threaded(const unsigned char *code)
{
    static const void *const labels[] = {&&add, &&twice, &&stop};
    int value = 1;

    goto *labels[*code];
add:
    value += 3;
    goto *labels[*++code];
twice:
    value *= 2;
    goto *labels[*++code];
stop:
    return value;
}

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static int ackermann(int m, int n)
{
    if (m == 0)
        return n + 1;
    return n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

int main(void)
{
    unsigned char code[200];
    int numbers[500], sum = 0;
    char text[64];

    for (int i = 0; i < 500; i++)
        numbers[i] = table(i % 8, i * 31 % 97);
    qsort(numbers, 500, sizeof(numbers[0]), compare);
    for (int i = 0; i < 500; i++)
        sum = sum * 31 + numbers[i];
    memset(code, 0, sizeof(code));
    for (int i = 0; i < 199; i += 3)
        code[i] = 1;
    code[199] = 2;
    snprintf(text, sizeof(text), "%d %d %d", sum, threaded(code), ackermann(2, 9));
    puts(text);
    return strlen(text) > 5 ? 0 : 1;
}
