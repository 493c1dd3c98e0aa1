// A client of <linux/bpf.h> alone, with the raw system call: what it may do with a descriptor. It prints the
// same on the kernel and on glasshive.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static long bpf(int command, union bpf_attr *attr)
{
    return syscall(__NR_bpf, command, attr, sizeof(*attr));
}

static void say(const char *what, long result)
{
    if (result < 0)
        printf("%s: %s\n", what, errno == 524 ? "ENOTSUPP" : strerrorname_np(errno));
    else
        printf("%s: ok\n", what);
}

static int create(int type, int key, int value, int entries, int flags)
{
    union bpf_attr attr = { .map_type = type, .key_size = key, .value_size = value, .max_entries = entries,
                            .map_flags = flags };
    return bpf(BPF_MAP_CREATE, &attr);
}

static long element(int command, int fd, const void *key, const void *value)
{
    union bpf_attr attr = { .map_fd = fd, .key = (__u64)key, .value = (__u64)value };
    return bpf(command, &attr);
}

static void map(const char *what, int fd, size_t len, int protection, int flags, long offset)
{
    void *at = mmap(NULL, len, protection, flags, fd, offset);
    say(what, at == MAP_FAILED ? -1 : 0);
    if (at != MAP_FAILED)
        munmap(at, len);
}

int main(void)
{
    int key = 1, other = 2;
    long value = 7, found = 0;
    int fd = create(BPF_MAP_TYPE_HASH, 4, 8, 4, 0);
    say("create", fd);
    say("update", element(BPF_MAP_UPDATE_ELEM, fd, &key, &value));
    int copy = dup(fd), third = fcntl(fd, F_DUPFD_CLOEXEC, 100);
    say("third is past 99", third >= 100 ? 0 : -1);
    say("close the first", close(fd));
    say("look-up in the first", element(BPF_MAP_LOOKUP_ELEM, fd, &key, &found));
    say("look-up in the copy", element(BPF_MAP_LOOKUP_ELEM, copy, &key, &found));
    say("close the copy", syscall(__NR_close, copy));
    say("look-up in the third", element(BPF_MAP_LOOKUP_ELEM, third, &key, &found));
    printf("found %ld\n", found);
    int array = create(BPF_MAP_TYPE_ARRAY, 4, 8, 1024, BPF_F_MMAPABLE);
    say("dup2 over the third", dup2(array, third));
    say("the third is the array now", element(BPF_MAP_LOOKUP_ELEM, third, &other, &found));
    say("key at 8", element(BPF_MAP_LOOKUP_ELEM, array, (void *)8, &found));
    say("value at the end of memory", element(BPF_MAP_LOOKUP_ELEM, array, &key, (void *)-4096L));
    void *readable = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    say("value in memory that is not to be written", element(BPF_MAP_LOOKUP_ELEM, array, &key, readable));
    say("close twice", close(copy));

    long *values = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, array, 0);
    say("map the array", values == MAP_FAILED ? -1 : 0);
    values[1023] = 11;
    key = 1023;
    say("look-up", element(BPF_MAP_LOOKUP_ELEM, array, &key, &found));
    printf("found %ld\n", found);
    value = 13;
    say("update", element(BPF_MAP_UPDATE_ELEM, array, &key, &value));
    printf("mapped %ld\n", values[1023]);
    union bpf_attr attr = { .map_fd = array };
    say("freeze while it can be written", bpf(BPF_MAP_FREEZE, &attr));
    say("unmap a page", munmap(values, 4096));
    say("freeze while half of it is left", bpf(BPF_MAP_FREEZE, &attr));
    printf("mapped %ld\n", values[1023]);
    say("unmap the other", munmap(values + 512, 4096));
    say("freeze", bpf(BPF_MAP_FREEZE, &attr));
    map("map to write what is frozen", array, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    map("map to read what is frozen", array, 4096, PROT_READ, MAP_SHARED, 0);
    const long *kept = mmap(NULL, 8192, PROT_READ, MAP_SHARED, array, 0);
    say("make it writable", mprotect((void *)kept, 8192, PROT_READ | PROT_WRITE));
    close(array);
    close(third);
    printf("mapped and closed %ld\n", kept[1023]);
    map("map a hash", create(BPF_MAP_TYPE_HASH, 4, 8, 4, 0), 4096, PROT_READ, MAP_SHARED, 0);
    map("map an array", create(BPF_MAP_TYPE_ARRAY, 4, 8, 4, 0), 4096, PROT_READ, MAP_SHARED, 0);
    array = create(BPF_MAP_TYPE_ARRAY, 4, 8, 1024, BPF_F_MMAPABLE);
    map("map too much", array, 12288, PROT_READ, MAP_SHARED, 0);
    map("map past the end", array, 8192, PROT_READ, MAP_SHARED, 4096);
    map("map its second page", array, 4096, PROT_READ, MAP_SHARED, 4096);
    map("map privately", array, 4096, PROT_READ, MAP_PRIVATE, 0);
    map("map to run", array, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, 0);

    int ring = create(BPF_MAP_TYPE_RINGBUF, 0, 0, 8192, 0);
    map("the consumer's page", ring, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    map("the producer's page, to write", ring, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 4096);
    map("the producer's page and the data twice", ring, 4096 + 2 * 8192, PROT_READ, MAP_SHARED, 4096);
    map("more than twice", ring, 4096 + 3 * 8192, PROT_READ, MAP_SHARED, 4096);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = 42 };
    say("wait for the ring", epoll_ctl(epoll, EPOLL_CTL_ADD, ring, &event));
    say("twice", epoll_ctl(epoll, EPOLL_CTL_ADD, ring, &event));
    printf("ready: %d\n", epoll_wait(epoll, &event, 1, 0));
    struct pollfd one = { .fd = ring, .events = POLLIN };
    printf("ready: %d, %#x\n", poll(&one, 1, 0), one.revents);
    say("no longer", epoll_ctl(epoll, EPOLL_CTL_DEL, ring, NULL));
    say("no longer, twice", epoll_ctl(epoll, EPOLL_CTL_DEL, ring, NULL));
    say("close the ring", close(ring));
    say("wait for what is closed", epoll_ctl(epoll, EPOLL_CTL_ADD, ring, &event));
    for (int at = 0; at < 20000; at++) {
        int made = create(BPF_MAP_TYPE_ARRAY, 4, 65536, 16, 0);
        if (made < 0) {
            printf("create number %d: %s\n", at, strerrorname_np(errno));
            return 1;
        }
        close(made);
    }
    printf("done\n");
    return 0;
}
