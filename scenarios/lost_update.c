/* A bank account with two tellers. Reading and writing the balance are locked each on their own, so
 * a deposit booked between another deposit's read and its write is lost. The fix holds one lock
 * over both. */
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

enum { DEPOSITS = 3, CENTS = 100, WORK_AREA_BYTES = 512 * 1024 };

struct account {
    pthread_mutex_t lock;
    pthread_mutex_t booking;
    long cents;
};

static struct account savings = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, 0};

static long account_read(struct account *account)
{
    pthread_mutex_lock(&account->lock);
    long cents = account->cents;
    pthread_mutex_unlock(&account->lock);
    return cents;
}

static void account_write(struct account *account, long cents)
{
    pthread_mutex_lock(&account->lock);
    account->cents = cents;
    pthread_mutex_unlock(&account->lock);
}

static void account_deposit(struct account *account, long cents)
{
#ifdef FIXED
    pthread_mutex_lock(&account->booking);
#endif
    long balance = account_read(account);
    account_write(account, balance + cents);
#ifdef FIXED
    pthread_mutex_unlock(&account->booking);
#endif
}

static void make_deposits(void)
{
    for (int i = 0; i < DEPOSITS; i++)
        account_deposit(&savings, CENTS);
}

/* Fetched before the work begins, so that working never waits for memory. */
static void *work_area_new(void)
{
    return mmap(NULL, WORK_AREA_BYTES, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

static void *teller(void *unused)
{
    (void)unused;
    void *area = work_area_new();
    make_deposits();
    return area;
}

int main(void)
{
    account_deposit(&savings, CENTS);
    pthread_t other;
    if (pthread_create(&other, NULL, teller, NULL) != 0)
        return 2;
    make_deposits();
    pthread_join(other, NULL);

    long expected = (2 * DEPOSITS + 1) * CENTS;
    if (account_read(&savings) != expected) {
        fprintf(stderr, "balance is %ld, expected %ld\n", savings.cents, expected);
        return 1;
    }
    printf("balance is %ld\n", expected);
    return 0;
}
