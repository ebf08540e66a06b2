/* Transfers between two accounts lock the payer, then the payee. Two transfers in opposite
 * directions each hold what the other wants. The fix locks in the order of the account numbers. */
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

enum { TRANSFERS = 2, WORK_AREA_BYTES = 512 * 1024 };

struct account {
    int number;
    long cents;
    pthread_mutex_t lock;
};

static struct account checking = {1, 1000, PTHREAD_MUTEX_INITIALIZER};
static struct account savings = {2, 1000, PTHREAD_MUTEX_INITIALIZER};

static void transfer(struct account *payer, struct account *payee, long cents)
{
    struct account *first = payer;
    struct account *second = payee;
#ifdef FIXED
    if (payee->number < payer->number) {
        first = payee;
        second = payer;
    }
#endif
    pthread_mutex_lock(&first->lock);
    pthread_mutex_lock(&second->lock);
    if (payer->cents >= cents) {
        payer->cents -= cents;
        payee->cents += cents;
    }
    pthread_mutex_unlock(&second->lock);
    pthread_mutex_unlock(&first->lock);
}

/* Fetched before the work begins, so that working never waits for memory. */
static void *work_area_new(void)
{
    return mmap(NULL, WORK_AREA_BYTES, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

static void *standing_order(void *unused)
{
    (void)unused;
    void *area = work_area_new();
    for (int i = 0; i < TRANSFERS; i++)
        transfer(&savings, &checking, 10);
    return area;
}

int main(void)
{
    transfer(&checking, &savings, 100);
    pthread_t other;
    if (pthread_create(&other, NULL, standing_order, NULL) != 0)
        return 2;
    for (int i = 0; i < TRANSFERS; i++)
        transfer(&checking, &savings, 10);
    pthread_join(other, NULL);
    printf("%ld %ld\n", checking.cents, savings.cents);
    return checking.cents + savings.cents == 2000 ? 0 : 1;
}
