/* A process of known content: prints where everything lies, then parks or aborts (argument "abort"). */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SALT
#define SALT 0
#endif

#define RODATA 16384
#define HEAP 300000

/* Read-only, several pages: a core by default settings does not hold it. */
__attribute__((aligned(4096))) const unsigned char rodata[RODATA] = {[0 ... RODATA - 1] = 0x5a + SALT};
static unsigned char bss[8192];
static volatile long second_tid, second_self;
static pthread_barrier_t ready;

static void *second(void *unused) {
    second_tid = syscall(SYS_gettid);
    second_self = (long)pthread_self();
    pthread_barrier_wait(&ready);
    for (;;) pause();
    return unused;
}

int main(int argc, char **argv) {
    unsigned char *heap = malloc(HEAP);
    for (int i = 0; i < HEAP; i++) heap[i] = (unsigned char)(i * 7 + 3);
    bss[5000] = 0x77;
    pthread_t t;
    pthread_barrier_init(&ready, NULL, 2);
    pthread_create(&t, NULL, second, NULL);
    pthread_barrier_wait(&ready);
    printf("%lx %lx %lx %lx %ld %lx %ld %lx\n", (long)heap, (long)rodata, (long)bss, (long)&main, (long)getpid(),
           (long)pthread_self(), second_tid, second_self);
    fflush(stdout);
    if (argc > 1 && strcmp(argv[1], "abort") == 0) abort();
    for (;;) pause();
}
