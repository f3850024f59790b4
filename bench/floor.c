/*
 * floor PID THREADS RUNS < ranges: how fast process_vm_readv can read these ranges of a process, at best.
 *
 * Each line of the input is a range, "START LENGTH" in hexadecimal. The destination is as large as all ranges together and
 * is written to beforehand. The threads exist beforehand, too; each takes pieces of 512 KiB off the same list, as many
 * ranges per call as the kernel allows. Prints one line per run: nanoseconds and bytes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

#define CHUNK (512u << 10)
#define MOST_PIECES 1024

struct range { unsigned long start, length, place; };

static struct range *ranges;
static size_t count;
static unsigned long total;
static char *destination;
static int pid;
static atomic_ulong next;
static pthread_barrier_t begin, end;
static int runs;

/* The range that holds a place of the destination. */
static size_t find(unsigned long place)
{
    size_t low = 0, high = count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (ranges[middle].place <= place)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void read_chunk(unsigned long from, unsigned long to)
{
    struct iovec remote[MOST_PIECES];
    while (from < to) {
        unsigned long place = from;
        int pieces = 0;
        for (size_t i = find(place); place < to && i < count && pieces < MOST_PIECES; i++, pieces++) {
            unsigned long skip = place - ranges[i].place;
            unsigned long length = ranges[i].length - skip;
            if (length > to - place)
                length = to - place;
            remote[pieces].iov_base = (void *)(ranges[i].start + skip);
            remote[pieces].iov_len = length;
            place += length;
        }
        struct iovec local = { destination + from, place - from };
        ssize_t got = process_vm_readv(pid, &local, 1, remote, pieces, 0);
        if (got <= 0) {
            fprintf(stderr, "floor: process_vm_readv: %s\n", got < 0 ? strerror(errno) : "nothing read");
            exit(1);
        }
        from += got;
    }
}

static void *work(void *unused)
{
    (void)unused;
    for (int run = 0; run < runs; run++) {
        pthread_barrier_wait(&begin);
        for (;;) {
            unsigned long from = atomic_fetch_add(&next, CHUNK);
            if (from >= total)
                break;
            read_chunk(from, from + CHUNK < total ? from + CHUNK : total);
        }
        pthread_barrier_wait(&end);
    }
    return NULL;
}

static unsigned long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ul + t.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: floor PID THREADS RUNS < ranges\n");
        return 2;
    }
    pid = atoi(argv[1]);
    int threads = atoi(argv[2]);
    runs = atoi(argv[3]);
    size_t room = 0;
    unsigned long start, length;
    while (scanf("%lx %lx", &start, &length) == 2) {
        if (count == room) {
            room = room ? room * 2 : 1024;
            ranges = realloc(ranges, room * sizeof *ranges);
            if (!ranges)
                return 1;
        }
        ranges[count++] = (struct range){ start, length, total };
        total += length;
    }
    if (!count || threads < 1 || runs < 1) {
        fprintf(stderr, "floor: nothing to read\n");
        return 2;
    }
    destination = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (destination == MAP_FAILED) {
        perror("floor: mmap");
        return 1;
    }
    pthread_barrier_init(&begin, NULL, threads + 1);
    pthread_barrier_init(&end, NULL, threads + 1);
    for (int i = 0; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, NULL))
            return 1;
    }
    for (int run = 0; run < runs; run++) {
        atomic_store(&next, 0);
        unsigned long before = now();
        pthread_barrier_wait(&begin);
        pthread_barrier_wait(&end);
        printf("%lu %lu\n", now() - before, total);
        fflush(stdout);
    }
    return 0;
}
