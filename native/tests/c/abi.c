/* bpf(2) through libglasshive.so, as a C program uses it. Prints what failed; the exit status counts it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "glasshive.h"

static int failures;

#define CHECK(what, expected)                                                                   \
    do {                                                                                        \
        long got = (what), wanted = (expected);                                                 \
        if (got != wanted) {                                                                    \
            printf("line %d: %s is %ld, not %ld\n", __LINE__, #what, got, wanted);              \
            failures++;                                                                         \
        }                                                                                       \
    } while (0)
#define CHECK_TRUE(what) CHECK(!!(what), 1)

#define ADDRESS(p) ((uint64_t)(uintptr_t)(p))
/* Addresses at which nothing lies. */
#define NOWHERE ((void *)8)
#define FAR_AWAY ((void *)0xffff800000000000ul)

static long bpf(int cmd, union bpf_attr *attr) {
    return glasshive_bpf(cmd, attr, sizeof(*attr));
}

static long map_create(uint32_t type, uint32_t key, uint32_t value, uint32_t entries) {
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.map_type = type;
    attr.key_size = key;
    attr.value_size = value;
    attr.max_entries = entries;
    memcpy(attr.map_name, "counts", 6);
    return bpf(BPF_MAP_CREATE, &attr);
}

static long element(int cmd, long fd, const void *key, const void *value, uint64_t flags) {
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.map_fd = fd;
    attr.key = ADDRESS(key);
    attr.value = ADDRESS(value);
    attr.flags = flags;
    return bpf(cmd, &attr);
}

static long load(const struct bpf_insn *insns, uint32_t count, char *log, uint32_t size, uint32_t level) {
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
    attr.insns = ADDRESS(insns);
    attr.insn_cnt = count;
    attr.license = ADDRESS("GPL");
    attr.log_level = level;
    attr.log_buf = ADDRESS(log);
    attr.log_size = size;
    return bpf(BPF_PROG_LOAD, &attr);
}

static void maps(void) {
    uint32_t key = 1, next = 0;
    uint64_t value = 0;
    long fd = map_create(BPF_MAP_TYPE_HASH, sizeof(key), sizeof(value), 2);
    CHECK_TRUE(fd > 0);

    CHECK(element(BPF_MAP_LOOKUP_ELEM, fd, &key, &value, 0), -ENOENT);
    value = 7;
    CHECK(element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, BPF_EXIST), -ENOENT);
    CHECK(element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, BPF_NOEXIST), 0);
    CHECK(element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, BPF_NOEXIST), -EEXIST);
    CHECK(element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, 99), -EINVAL);
    value = 0;
    CHECK(element(BPF_MAP_LOOKUP_ELEM, fd, &key, &value, 0), 0);
    CHECK(value, 7);
    CHECK(element(BPF_MAP_GET_NEXT_KEY, fd, NULL, &next, 0), 0);
    CHECK(next, 1);
    CHECK(element(BPF_MAP_GET_NEXT_KEY, fd, &key, &next, 0), -ENOENT);
    key = 2;
    CHECK(element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, 0), 0);
    key = 3;
    CHECK(element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, 0), -E2BIG);
    CHECK(element(BPF_MAP_DELETE_ELEM, fd, &key, NULL, 0), -ENOENT);
    key = 2;
    CHECK(element(BPF_MAP_DELETE_ELEM, fd, &key, NULL, 0), 0);

    /* Addresses that are not there: an error, and the process lives on. */
    key = 1;
    CHECK(element(BPF_MAP_LOOKUP_ELEM, fd, NOWHERE, &value, 0), -EFAULT);
    CHECK(element(BPF_MAP_LOOKUP_ELEM, fd, FAR_AWAY, &value, 0), -EFAULT);
    CHECK(element(BPF_MAP_LOOKUP_ELEM, fd, &key, NULL, 0), -EFAULT);
    CHECK(element(BPF_MAP_UPDATE_ELEM, fd, &key, NOWHERE, 0), -EFAULT);
    CHECK(element(BPF_MAP_GET_NEXT_KEY, fd, NULL, FAR_AWAY, 0), -EFAULT);
    CHECK(glasshive_bpf(BPF_MAP_CREATE, NULL, 64), -EFAULT);
    CHECK(glasshive_bpf(BPF_MAP_CREATE, FAR_AWAY, 64), -EFAULT);

    /* A key that ends where a page ends, and a value that is read-only. */
    long page = sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(pages + page, page);
    memcpy(pages + page - sizeof(key), &key, sizeof(key));
    CHECK(element(BPF_MAP_LOOKUP_ELEM, fd, pages + page - sizeof(key), &value, 0), 0);
    CHECK(element(BPF_MAP_LOOKUP_ELEM, fd, pages + page - 2, &value, 0), -EFAULT);
    mprotect(pages, page, PROT_READ);
    CHECK(element(BPF_MAP_LOOKUP_ELEM, fd, &key, pages, 0), -EFAULT);
    munmap(pages, page);

    CHECK(glasshive_close(fd), 0);
    CHECK(element(BPF_MAP_LOOKUP_ELEM, fd, &key, &value, 0), -EBADF);
    CHECK(glasshive_close(fd), -EBADF);
}

/* A look-up in a per-CPU map writes a value, rounded up to 8 bytes, for each possible CPU, and not a byte more. */
static void per_cpu(void) {
    long cpus = sysconf(_SC_NPROCESSORS_CONF);
    uint32_t key = 0;
    unsigned char values[8 * 8192];
    long fd = map_create(BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(key), 5, 2);
    CHECK_TRUE(fd > 0);
    memset(values, 0xee, sizeof(values));
    CHECK(element(BPF_MAP_LOOKUP_ELEM, fd, &key, values, 0), 0);
    CHECK(values[8 * cpus - 4], 0);
    CHECK(values[8 * cpus], 0xee);
    for (long cpu = 0; cpu < cpus; cpu++)
        memset(values + 8 * cpu, cpu + 1, 8);
    CHECK(element(BPF_MAP_UPDATE_ELEM, fd, &key, values, 0), 0);
    memset(values, 0xee, sizeof(values));
    CHECK(element(BPF_MAP_LOOKUP_ELEM, fd, &key, values, 0), 0);
    for (long cpu = 0; cpu < cpus; cpu++)
        CHECK(values[8 * cpu + 4], (unsigned char)(cpu + 1));
    CHECK(values[8 * cpus], 0xee);
    CHECK(glasshive_close(fd), 0);
}

/* Descriptors are the process's own: never one that is in use, and never 0. */
static void descriptors(void) {
    long fd = map_create(BPF_MAP_TYPE_ARRAY, 4, 8, 1);
    CHECK_TRUE(fcntl(fd, F_GETFD) >= 0);
    int taken = dup(1);
    CHECK_TRUE(taken != fd);
    CHECK(element(BPF_MAP_GET_NEXT_KEY, taken, NULL, &fd, 0), -EINVAL);
    CHECK(glasshive_close(taken), -EBADF);
    CHECK(glasshive_close(0), -EBADF);
    CHECK_TRUE(fcntl(taken, F_GETFD) >= 0);
    close(taken);
    close(0);
    long other = map_create(BPF_MAP_TYPE_ARRAY, 4, 8, 1);
    CHECK_TRUE(other > 0 && other != fd);
    CHECK(fcntl(0, F_GETFD), -1);
    CHECK(glasshive_close(other), 0);
    CHECK(glasshive_close(fd), 0);
}

static void programs(void) {
    long map = map_create(BPF_MAP_TYPE_ARRAY, 4, 8, 1);
    struct bpf_insn count[] = {
        { .code = 0x62, .dst_reg = 10, .off = -4 },              /* *(u32 *)(r10 -4) = 0 */
        { .code = 0xbf, .dst_reg = 2, .src_reg = 10 },           /* r2 = r10 */
        { .code = 0x07, .dst_reg = 2, .imm = -4 },               /* r2 += -4 */
        { .code = 0x18, .dst_reg = 1, .src_reg = 1, .imm = map }, /* r1 = map */
        { 0 },
        { .code = 0x85, .imm = BPF_FUNC_map_lookup_elem },
        { .code = 0x15, .off = 2 },                              /* if r0 == 0 goto pc+2 */
        { .code = 0xb7, .dst_reg = 1, .imm = 1 },                /* r1 = 1 */
        { .code = 0xdb, .src_reg = 1 },                          /* lock *(u64 *)(r0 +0) += r1 */
        { .code = 0xb7, .imm = 42 },                             /* r0 = 42 */
        { .code = 0x95 },
    };
    const uint32_t len = sizeof(count) / sizeof(count[0]);
    static char log[1 << 16];

    long prog = load(count, len, log, sizeof(log), 1);
    CHECK_TRUE(prog > 0 && prog != map);
    CHECK_TRUE(strstr(log, "processed 10 insns"));

    /* Too small a buffer: ENOSPC, and the end of the log. */
    memset(log, 'x', sizeof(log));
    CHECK(load(count, len, log, 128, 2), -ENOSPC);
    CHECK(strlen(log), 127);
    CHECK(log[128], 'x');
    CHECK(load(count, len, log, 0, 1), -EINVAL);
    CHECK(load(count, len, NULL, 128, 1), -EINVAL);
    CHECK(load(count, len, FAR_AWAY, 128, 1), -EFAULT);
    CHECK(load(FAR_AWAY, len, NULL, 0, 0), -EFAULT);
    CHECK(load(count, 0, NULL, 0, 0), -E2BIG);
    CHECK(load(count, len - 1, NULL, 0, 0), -EINVAL);

    /* The program keeps its map: it counts on after the map's descriptor is closed. */
    unsigned char packet[64] = { 0 }, out[64];
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.test.prog_fd = prog;
    attr.test.data_in = ADDRESS(packet);
    attr.test.data_size_in = sizeof(packet);
    attr.test.data_out = ADDRESS(out);
    attr.test.data_size_out = sizeof(out);
    attr.test.repeat = 3;
    CHECK(bpf(BPF_PROG_TEST_RUN, &attr), 0);
    CHECK(attr.test.retval, 42);
    CHECK(attr.test.data_size_out, sizeof(packet));
    uint32_t key = 0;
    uint64_t value = 0;
    CHECK(element(BPF_MAP_LOOKUP_ELEM, map, &key, &value, 0), 0);
    CHECK(value, 3);
    CHECK(glasshive_close(map), 0);
    CHECK(bpf(BPF_PROG_TEST_RUN, &attr), 0);
    attr.test.data_in = ADDRESS(FAR_AWAY);
    CHECK(bpf(BPF_PROG_TEST_RUN, &attr), -EFAULT);
    CHECK(glasshive_close(prog), 0);
    CHECK(bpf(BPF_PROG_TEST_RUN, &attr), -EBADF);

    /* A register that was never written. */
    struct bpf_insn unchecked[] = {
        { .code = 0x61, .dst_reg = 0, .src_reg = 2 },            /* r0 = *(u32 *)(r2 +0) */
        { .code = 0x95 },
    };
    CHECK(load(unchecked, 2, log, sizeof(log), 1), -EACCES);
    CHECK_TRUE(strstr(log, "R2 !read_ok"));
}

/* Bits of capabilities(7). */
#define NET_ADMIN (1ull << 12)
#define PERFMON (1ull << 38)
#define BPF (1ull << 39)

static void capabilities(void) {
    struct bpf_insn trivial[] = { { .code = 0xb7 }, { .code = 0x95 } };
    /* It tells whether the context lies below the stack, which says something of the kernel's addresses. */
    struct bpf_insn compares[] = {
        { .code = 0xb7 },                                         /* r0 = 0 */
        { .code = 0xad, .dst_reg = 1, .src_reg = 10, .off = 1 },  /* if r1 < r10 goto +1 */
        { .code = 0xb7, .imm = 1 },                               /* r0 = 1 */
        { .code = 0x95 },
    };
    /* It reads the kernel's memory. */
    struct bpf_insn reads[] = {
        { .code = 0xbf, .dst_reg = 1, .src_reg = 10 },            /* r1 = r10 */
        { .code = 0x07, .dst_reg = 1, .imm = -8 },                /* r1 += -8 */
        { .code = 0xb7, .dst_reg = 2, .imm = 8 },                 /* r2 = 8 */
        { .code = 0xb7, .dst_reg = 3 },                           /* r3 = 0 */
        { .code = 0x85, .imm = BPF_FUNC_probe_read_kernel },
        { .code = 0xb7 },
        { .code = 0x95 },
    };
    const struct { unsigned long long mask; int trivial, compares, reads; } rows[] = {
        { ~0ull, 0, 0, 0 },
        { ~PERFMON & ~(1ull << 21), 0, -EACCES, -EINVAL },        /* 21: CAP_SYS_ADMIN stands for both */
        { BPF | NET_ADMIN, 0, -EACCES, -EINVAL },
        { BPF | PERFMON, 0, 0, 0 },
        { ~0ull, 0, 0, 0 },
    };
    for (unsigned at = 0; at < sizeof(rows) / sizeof(*rows); at++) {
        static char log[4096];
        /* All capabilities are there until something is said: the first row says nothing. */
        if (at)
            CHECK(glasshive_caps(rows[at].mask), 0);
        long prog = load(trivial, 2, NULL, 0, 0);
        CHECK(prog < 0 ? prog : glasshive_close(prog), rows[at].trivial);
        prog = load(compares, 4, log, sizeof(log), 1);
        CHECK(prog < 0 ? prog : glasshive_close(prog), rows[at].compares);
        CHECK(!!strstr(log, "R10 pointer comparison prohibited"), rows[at].compares != 0);
        prog = load(reads, 7, log, sizeof(log), 1);
        CHECK(prog < 0 ? prog : glasshive_close(prog), rows[at].reads);
        CHECK(!!strstr(log, "program of this type cannot use helper bpf_probe_read_kernel#113"), rows[at].reads != 0);
    }
}

/* Calls a kernel function, bpf_rcu_read_lock, and the one that ends it, by their numbers in the kernel's BTF:
 * what the load answers. */
static long kernel_functions(int lock, int unlock) {
    struct bpf_insn calls[] = {
        { .code = 0x85, .src_reg = BPF_PSEUDO_KFUNC_CALL, .imm = lock },
        { .code = 0x85, .src_reg = BPF_PSEUDO_KFUNC_CALL, .imm = unlock },
        { .code = 0xb7 },
        { .code = 0x95 },
    };
    long prog = load(calls, 4, NULL, 0, 0);
    return prog < 0 ? prog : glasshive_close(prog);
}

static void unknown_commands(void) {
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    CHECK(bpf(-1, &attr), -EINVAL);
    CHECK(bpf(1000, &attr), -EINVAL);
    CHECK(glasshive_bpf(BPF_MAP_CREATE, &attr, 5000), -E2BIG);
}

/* With the numbers of two kernel functions as arguments it loads a program that calls them, and prints the answer. */
int main(int count, char **arguments) {
    if (count == 3) {
        printf("%ld\n", kernel_functions(atoi(arguments[1]), atoi(arguments[2])));
        return 0;
    }
    maps();
    per_cpu();
    descriptors();
    programs();
    capabilities();
    unknown_commands();
    if (!failures)
        puts("every check passed");
    return failures != 0;
}
