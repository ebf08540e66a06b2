/* The programs. Thread creation, start and exit carry the calls, ticks and atomics that a C library
 * has there, so that bugs are as well hidden as in real short programs. */
#include "recorder/sched/tests/programs.h"

/* Pieces. Registers: 0 and 1 are the body's, 2 loops, 3 holds the number of a created task. */
/* clang-format off */
#define NOPS(n) {OP_NOP, n, 0, 0}
#define TICK {OP_TICK, 0, 0, 0}
#define CALL {OP_CALL, 0, 0, 0}
#define XADD(word, n) {OP_XADD, word, n, 0}
/* the library's */
#define L_NOPS(n) {OP_NOP, n, 0, LIBRARY}
#define L_TICK {OP_TICK, 0, 0, LIBRARY}
#define L_XADD(word, n) {OP_XADD, word, n, LIBRARY}
#define LOCK(word) {OP_LOCK, word, 0, 0}, L_NOPS(4)
#define UNLOCK(word) L_NOPS(3), {OP_UNLOCK, word, 0, 0}, L_NOPS(3)
#define CREATE_IN(program, reg)                                                                    \
    L_NOPS(20), L_TICK, L_NOPS(6), L_TICK, L_NOPS(6), L_TICK, L_NOPS(15), CALL, L_NOPS(8), CALL,   \
    L_NOPS(12), L_XADD(31, 1), L_NOPS(9), {OP_CREATE, program, reg, 0}, L_NOPS(6),                 \
    L_XADD(31, -1), L_NOPS(9)
#define CREATE(program) CREATE_IN(program, 3)
#define JOIN(reg) L_NOPS(9), {OP_JOIN, reg, 0, 0}, L_NOPS(7), L_TICK, L_NOPS(9), CALL
#define START L_NOPS(6), CALL, L_NOPS(5), CALL, L_NOPS(8), L_TICK, L_NOPS(3)
#define FINISH                                                                                     \
    L_NOPS(6), L_XADD(30, -1), L_NOPS(7), L_XADD(31, 1), L_NOPS(8), CALL, L_NOPS(3),               \
    {OP_EXIT, 0, 0, 0}
#define REPEAT(n) {OP_SET, 2, n, 0}
#define AGAIN(back) {OP_LOOP, 2, back, 0}
#define FAIL_IF_NOT(word, value)                                                                   \
    {OP_LOAD, 0, word, 0}, {OP_ADD, 0, -(value), 0}, {OP_JZERO, 0, 3, 0}, {OP_SET, 0, 1, 0},       \
    {OP_FAIL, 0, 1, 0}
#define TWO_WORKERS(program, check)                                                                \
    {NOPS(10), CREATE_IN(program, 0), CREATE_IN(program, 1), JOIN(0), JOIN(1), check, FINISH}
/* clang-format on */

typedef const struct op code[];

/* Lost update: a plain counter, n times in each of two threads. */
#define UPDATER(n)                                                                             \
    {                                                                                          \
        START, REPEAT(n), NOPS(2), {OP_LOAD, 0, 0, 0}, {OP_ADD, 0, 1, 0}, {OP_STORE, 0, 0, 0}, \
            AGAIN(-4), FINISH                                                                  \
    }
static code update_1 = UPDATER(1), update_5 = UPDATER(5), update_50 = UPDATER(50);
static code update_main_1 = TWO_WORKERS(1, FAIL_IF_NOT(0, 2));
static code update_main_5 = TWO_WORKERS(1, FAIL_IF_NOT(0, 10));
static code update_main_50 = TWO_WORKERS(1, FAIL_IF_NOT(0, 100));

/* Reading and writing locked each on their own, by main and one thread. */
#define DEPOSIT                                                                              \
    LOCK(1), {OP_LOAD, 0, 0, 0}, UNLOCK(1), {OP_ADD, 0, 1, 0}, LOCK(1), {OP_STORE, 0, 0, 0}, \
        UNLOCK(1)
static code deposit_main = {CREATE(1), DEPOSIT,           DEPOSIT, DEPOSIT,
                            JOIN(3),   FAIL_IF_NOT(0, 6), FINISH};
static code deposit_thread = {START, CALL, DEPOSIT, DEPOSIT, DEPOSIT, FINISH};

/* Check then act without locks: both find the page missing. */
static code check_main = TWO_WORKERS(1, FAIL_IF_NOT(1, 1));
static code check_thread = {START,
                            {OP_LOAD, 0, 0, 0},
                            {OP_JZERO, 0, 2, 0},
                            {OP_JUMP, 7, 0, 0},
                            NOPS(12),
                            {OP_SET, 0, 1, 0},
                            {OP_STORE, 0, 0, 0},
                            {OP_LOAD, 0, 1, 0},
                            {OP_ADD, 0, 1, 0},
                            {OP_STORE, 0, 1, 0},
                            FINISH};

/* ABBA. */
#define TRANSFER(first, second) LOCK(first), LOCK(second), NOPS(6), UNLOCK(second), UNLOCK(first)
static code abba_main = {CREATE(1), TRANSFER(1, 2), TRANSFER(1, 2), JOIN(3), FINISH};
static code abba_thread = {START, CALL, TRANSFER(2, 1), TRANSFER(2, 1), FINISH};

/* Lost wake-up: looks without the lock, then waits. */
static code wakeup_main = {CREATE(1), {OP_LOAD, 0, 0, 0}, {OP_JZERO, 0, 2, 0}, {OP_JUMP, 4, 0, 0},
                           NOPS(5),   XADD(5, 1),         {OP_WAIT, 4, 0, 0},  JOIN(3),
                           FINISH};
static code wakeup_thread = {START,   CALL,       {OP_SET, 0, 1, 0},  {OP_STORE, 0, 0, 0},
                             NOPS(4), XADD(5, 1), {OP_WAKE, 4, 0, 0}, FINISH};

/* A thread uses what its creator sets afterwards; two variants. */
static code order_main = {CREATE(1), {OP_SET, 0, 1, 0}, {OP_STORE, 0, 0, 0}, JOIN(3), FINISH};
static code order_thread = {START, {OP_LOAD, 0, 0, 0}, {OP_FAIL, 0, 0, 0}, FINISH};
static code order_late_thread = {START,
                                 CREATE_IN(2, 1),
                                 JOIN(1),
                                 CREATE_IN(2, 1),
                                 JOIN(1),
                                 {OP_LOAD, 0, 0, 0},
                                 {OP_FAIL, 0, 0, 0},
                                 FINISH};
static code order_fetcher = {START, CALL, FINISH};
/* Main reads what a thread has to set, and joins only later. */
static code early_main = {CREATE(1),          NOPS(8), CALL,  {OP_LOAD, 0, 0, 0},
                          {OP_FAIL, 0, 0, 0}, JOIN(3), FINISH};
static code early_thread = {START, {OP_SET, 0, 1, 0}, {OP_STORE, 0, 0, 0}, FINISH};

/* ABA: words 8.. are successors of nodes 1 to 3; word 0 is the top; word 1 says node 2 is in use.
 */
static code aba_main = {{OP_SET, 0, 1, 0},
                        {OP_STORE, 0, 0, 0},
                        {OP_SET, 0, 2, 0},
                        {OP_STORE, 0, 9, 0},
                        {OP_SET, 0, 3, 0},
                        {OP_STORE, 0, 10, 0},
                        CREATE_IN(1, 2),
                        CREATE_IN(2, 3),
                        JOIN(2),
                        JOIN(3),
                        {OP_LOAD, 0, 0, 0},
                        {OP_FAIL, 0, 2, 0},
                        FINISH};
/* Takes one node and keeps it. */
static code aba_slow = {
    START, {OP_LOAD, 0, 0, 0}, {OP_LOAD, 1, 0, 0}, {OP_LOADX, 1, 8, 0}, NOPS(2), {OP_CAS, 0, 0, 1},
    FINISH};
/* Takes 1, takes 2 and keeps it, gives 1 back. */
static code aba_quick = {START,
                         {OP_LOAD, 0, 0, 0},
                         {OP_LOAD, 1, 0, 0},
                         {OP_LOADX, 1, 8, 0},
                         {OP_CAS, 0, 0, 1},
                         {OP_LOAD, 0, 0, 0},
                         {OP_LOAD, 1, 0, 0},
                         {OP_LOADX, 1, 8, 0},
                         {OP_CAS, 0, 0, 1},
                         {OP_LOAD, 0, 0, 0},
                         {OP_STORE, 0, 9, 0},
                         {OP_SET, 1, 1, 0},
                         {OP_CAS, 0, 0, 1},
                         FINISH};

/* Depth 3: main's flag goes up and down; a thread must see it up and then down. */
static code pulse_main = {CREATE(1),  {OP_SET, 0, 1, 0}, {OP_STORE, 0, 0, 0}, XADD(5, 1), NOPS(8),
                          XADD(5, 1), {OP_SET, 0, 0, 0}, {OP_STORE, 0, 0, 0}, XADD(5, 1), JOIN(3),
                          FINISH};
static code pulse_thread = {START,
                            XADD(5, 1),
                            {OP_LOAD, 0, 0, 0},
                            NOPS(6),
                            XADD(5, 1),
                            NOPS(4),
                            {OP_LOAD, 1, 0, 0},
                            {OP_JZERO, 0, 3, 0},
                            {OP_FAIL, 1, 0, 0},
                            NOPS(1),
                            FINISH};

/* One woken waiter finds that another took the item. */
static code predicate_main = {
    CREATE_IN(1, 0), CREATE_IN(1, 1), LOCK(1), XADD(0, 1), {OP_WAKE, 4, 0, 0}, {OP_WAKE, 4, 0, 0},
    UNLOCK(1),       NOPS(4),         LOCK(1), XADD(0, 1), {OP_WAKE, 4, 0, 0}, {OP_WAKE, 4, 0, 0},
    UNLOCK(1),       JOIN(0),         JOIN(1), FINISH};
static code predicate_thread = {START,
                                LOCK(1),
                                {OP_LOAD, 0, 0, 0},
                                {OP_JZERO, 0, 2, 0},
                                {OP_JUMP, 8, 0, 0},
                                UNLOCK(1),
                                {OP_WAIT, 4, 0, 0},
                                LOCK(1),
                                {OP_LOAD, 0, 0, 0},
                                {OP_FAIL, 0, 0, 0},
                                XADD(0, -1),
                                UNLOCK(1),
                                FINISH};

static const struct op *const update_1_code[] = {update_main_1, update_1};
static const struct op *const update_5_code[] = {update_main_5, update_5};
static const struct op *const update_50_code[] = {update_main_50, update_50};
static const struct op *const deposit_code[] = {deposit_main, deposit_thread};
static const struct op *const check_code[] = {check_main, check_thread};
static const struct op *const abba_code[] = {abba_main, abba_thread};
static const struct op *const wakeup_code[] = {wakeup_main, wakeup_thread};
static const struct op *const order_code[] = {order_main, order_thread};
static const struct op *const order_late_code[] = {order_main, order_late_thread, order_fetcher};
static const struct op *const early_code[] = {early_main, early_thread};
static const struct op *const aba_code[] = {aba_main, aba_slow, aba_quick};
static const struct op *const pulse_code[] = {pulse_main, pulse_thread};
static const struct op *const predicate_code[] = {predicate_main, predicate_thread};

const struct program programs_buggy[] = {
    {"lost update, 1 round", update_1_code, false, 3},
    {"lost update, 5 rounds", update_5_code, false, 25},
    {"lost update, 50 rounds", update_50_code, false, 80},
    {"locked read, locked write", deposit_code, false, 55},
    {"check then act", check_code, false, 20},
    {"ABBA deadlock", abba_code, true, 25},
    {"lost wake-up", wakeup_code, true, 35},
    {"order violation", order_code, false, 220},
    {"order violation, late", order_late_code, false, 40},
    {"used before set", early_code, false, 160},
    {"ABA", aba_code, false, 10},
    {"pulse (depth 3)", pulse_code, false, 8},
    {"missed predicate", predicate_code, false, 100},
};
const size_t programs_buggy_count = sizeof(programs_buggy) / sizeof(*programs_buggy);

/* Spinning. */
static code spin_main = {CREATE(1), {OP_SPIN, 0, 0, 0}, JOIN(3), FINISH};
static code spin_thread = {
    START, REPEAT(500), NOPS(3), AGAIN(-1), {OP_SET, 0, 1, 0}, {OP_STORE, 0, 0, 0}, FINISH};
static code yield_main = {CREATE(1),
                          {OP_LOAD, 0, 0, 0},
                          {OP_JZERO, 0, 2, 0},
                          {OP_JUMP, 4, 0, 0},
                          {OP_YIELD, 0, 0, 0},
                          TICK,
                          {OP_JUMP, -5, 0, 0},
                          JOIN(3),
                          FINISH};
static code poll_main = {CREATE(1),
                         {OP_LOAD, 0, 0, 0},
                         {OP_JZERO, 0, 2, 0},
                         {OP_JUMP, 4, 0, 0},
                         CALL,
                         TICK,
                         {OP_JUMP, -5, 0, 0},
                         JOIN(3),
                         FINISH};
static code sleep_main = {CREATE(1),
                          {OP_LOAD, 0, 0, 0},
                          {OP_JZERO, 0, 2, 0},
                          {OP_JUMP, 4, 0, 0},
                          {OP_SLEEP, 50, 0, 0},
                          TICK,
                          {OP_JUMP, -5, 0, 0},
                          JOIN(3),
                          FINISH};
/* Three spinners wait for the fourth task, created last. */
static code many_main = {CREATE(1),          CREATE(1), CREATE(1), CREATE(2),
                         {OP_SPIN, 0, 0, 0}, JOIN(3),   FINISH};
static code many_spinner = {START, {OP_SPIN, 0, 0, 0}, FINISH};
/* Ping-pong over two flags, spinning on both sides. */
static code ping_main = {CREATE(1),
                         REPEAT(5),
                         {OP_SPIN, 0, 0, 0},
                         {OP_SET, 0, 0, 0},
                         {OP_STORE, 0, 0, 0},
                         {OP_SET, 0, 1, 0},
                         {OP_STORE, 0, 1, 0},
                         AGAIN(-5),
                         JOIN(3),
                         FINISH};
static code ping_thread = {START,
                           REPEAT(5),
                           {OP_SET, 0, 1, 0},
                           {OP_STORE, 0, 0, 0},
                           {OP_SPIN, 1, 0, 0},
                           {OP_SET, 0, 0, 0},
                           {OP_STORE, 0, 1, 0},
                           AGAIN(-5),
                           FINISH};
/* A spin lock held across work. */
static code spinlock_main = TWO_WORKERS(1, FAIL_IF_NOT(0, 20));
static code spinlock_thread = {START,
                               REPEAT(10),
                               {OP_SET, 0, 0, 0},
                               {OP_SET, 1, 1, 0},
                               {OP_CAS, 5, 0, 1},
                               TICK,
                               {OP_JZERO, 0, -4, 0},
                               {OP_LOAD, 0, 0, 0},
                               {OP_ADD, 0, 1, 0},
                               TICK,
                               {OP_STORE, 0, 0, 0},
                               {OP_SET, 0, 0, 0},
                               {OP_STORE, 0, 5, 0},
                               AGAIN(-11),
                               FINISH};

static const struct op *const spin_code[] = {spin_main, spin_thread};
static const struct op *const yield_code[] = {yield_main, spin_thread};
static const struct op *const poll_code[] = {poll_main, spin_thread};
static const struct op *const sleep_code[] = {sleep_main, spin_thread};
static const struct op *const many_code[] = {many_main, many_spinner, spin_thread};
static const struct op *const ping_code[] = {ping_main, ping_thread};
static const struct op *const spinlock_code[] = {spinlock_main, spinlock_thread};

const struct program programs_spinning[] = {
    {"spin", spin_code, false, 0},          {"yield", yield_code, false, 0},
    {"poll", poll_code, false, 0},          {"sleep", sleep_code, false, 0},
    {"many spinners", many_code, false, 0}, {"ping-pong", ping_code, false, 0},
    {"spin lock", spinlock_code, false, 0},
};
const size_t programs_spinning_count = sizeof(programs_spinning) / sizeof(*programs_spinning);

/* Correct twins. */
static code fixed_deposit_main = {CREATE(1), LOCK(2),   DEPOSIT, UNLOCK(2),         LOCK(2),
                                  DEPOSIT,   UNLOCK(2), JOIN(3), FAIL_IF_NOT(0, 4), FINISH};
static code fixed_deposit_thread = {START,   LOCK(2), DEPOSIT,   UNLOCK(2),
                                    LOCK(2), DEPOSIT, UNLOCK(2), FINISH};
static code fixed_abba_thread = {START, CALL, TRANSFER(1, 2), TRANSFER(1, 2), FINISH};
static code fixed_update = {START, REPEAT(50), XADD(0, 1), AGAIN(-1), FINISH};

static const struct op *const fixed_deposit_code[] = {fixed_deposit_main, fixed_deposit_thread};
static const struct op *const fixed_abba_code[] = {abba_main, fixed_abba_thread};
static const struct op *const fixed_update_code[] = {update_main_50, fixed_update};

const struct program programs_correct[] = {
    {"deposits under one lock", fixed_deposit_code, false, 0},
    {"locks in one order", fixed_abba_code, false, 0},
    {"atomic counter", fixed_update_code, false, 0},
};
const size_t programs_correct_count = sizeof(programs_correct) / sizeof(*programs_correct);

#define PRINTER(letter)                                                                          \
    {                                                                                            \
        START, {OP_PRINT, letter, 0, 0}, NOPS(9), TICK, {OP_PRINT, letter, 0, 0}, NOPS(9), TICK, \
            {OP_PRINT, letter, 0, 0}, FINISH                                                     \
    }
static code letters_main = {CREATE(1), CREATE(2), CREATE(3), CREATE(4),
                            CREATE(5), CREATE(6), FINISH};
static code letter_a = PRINTER('a'), letter_b = PRINTER('b'), letter_c = PRINTER('c'),
            letter_d = PRINTER('d'), letter_e = PRINTER('e'), letter_f = PRINTER('f');
static const struct op *const letters_code[] = {letters_main, letter_a, letter_b, letter_c,
                                                letter_d,     letter_e, letter_f};
const struct program program_letters = {"letters", letters_code, false, 0};

#define NOTER(letter)                                                                        \
    {                                                                                        \
        START, REPEAT(12), NOPS(4), XADD(5, 1), {OP_NOTE, letter, 0, 0}, {OP_SET, 1, 20, 0}, \
            NOPS(3), {OP_LOOP, 1, -1, 0}, AGAIN(-6), FINISH                                  \
    }
static code racy_main = {CREATE_IN(1, 0), CREATE_IN(2, 1), CREATE_IN(3, 2),
                         CREATE_IN(4, 3), JOIN(0),         JOIN(1),
                         JOIN(2),         JOIN(3),         FINISH};
static code racy_a = NOTER('a'), racy_b = NOTER('b'), racy_c = NOTER('c'), racy_d = NOTER('d');
static const struct op *const racy_code[] = {racy_main, racy_a, racy_b, racy_c, racy_d};
const struct program program_racy = {"racy", racy_code, false, 0};

static code long_thread = {START, REPEAT(1000000), NOPS(1), AGAIN(-1), FINISH};
static code long_main = {CREATE_IN(1, 0), CREATE_IN(1, 1), JOIN(0), JOIN(1), FINISH};
static const struct op *const long_code[] = {long_main, long_thread};
const struct program program_long = {"long", long_code, false, 0};
