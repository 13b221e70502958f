/* Threads and memory that calls share: PyTorch's OpenMP threads, and scratch memory, which a thread gives back when it ends. */

#include <pthread.h>
#include <stdlib.h>

#include "vector.h"

typedef void (*team_function)(void (*)(void *), void *, unsigned, unsigned);

static team_function team;

/* GOMP_parallel of the runtime whose threads are to be used. */
void palmette_set_team(void *function) { team = (team_function)function; }

void palmette_share(void (*work)(void *), void *job, int64_t num_pieces, int64_t num_threads) {
    int64_t needed = num_pieces < num_threads ? num_pieces : num_threads;
    if (needed > 1 && team)
        team(work, job, (unsigned)needed, 0);
    else
        work(job);
}

struct memory {
    void *pieces[NUM_SCRATCH];
    int64_t sizes[NUM_SCRATCH];
};

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void give_back(void *of_thread) {
    for (int i = 0; i < NUM_SCRATCH; i++) free(((struct memory *)of_thread)->pieces[i]);
    free(of_thread);
}

static void make_key(void) { pthread_key_create(&key, give_back); }

void *palmette_scratch(enum scratch user, int64_t num_bytes) {
    pthread_once(&once, make_key);
    struct memory *memory = pthread_getspecific(key);
    if (!memory) {
        memory = calloc(1, sizeof *memory);
        if (!memory || pthread_setspecific(key, memory)) {
            free(memory);
            return NULL;
        }
    }
    if (num_bytes > memory->sizes[user]) {
        free(memory->pieces[user]);
        int64_t size = (num_bytes * 5 / 4 + 4095) / 4096 * 4096;
        memory->pieces[user] = aligned_alloc(64, (size_t)size);
        memory->sizes[user] = memory->pieces[user] ? size : 0;
    }
    return memory->pieces[user];
}
