// A client of libbpf: opens an object, loads it, runs it, reads its maps, polls its ring buffer. It prints the
// same on the kernel and on glasshive.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define MUST(what) do { if (!(what)) { printf("%s: %s\n", #what, strerror(errno)); return 1; } } while (0)

static unsigned seen;

static int record(void *context, void *data, size_t len)
{
    (void)context;
    if (len != 4 || *(unsigned *)data != 64 + seen % 3)
        printf("record %u is %u of %zu bytes\n", seen, *(unsigned *)data, len);
    seen++;
    return 0;
}

int main(int count, char **arguments)
{
    MUST(count == 2);
    struct bpf_object *object = bpf_object__open_file(arguments[1], NULL);
    MUST(object);
    MUST(bpf_object__load(object) == 0);
    int program = bpf_program__fd(bpf_object__find_program_by_name(object, "count"));
    struct ring_buffer *ring =
        ring_buffer__new(bpf_object__find_map_fd_by_name(object, "ring"), record, NULL, NULL);
    MUST(ring);

    char packet[80] = { 0 }, back[80];
    for (int at = 0; at < 1000; at++) {
        LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = 64 + at % 3, .data_out = back,
                    .data_size_out = sizeof(back), .repeat = 1);
        MUST(bpf_prog_test_run_opts(program, &run) == 0);
        if (run.retval != 2 || run.data_size_out != 64u + at % 3)
            printf("run %d: %u, %u bytes\n", at, run.retval, run.data_size_out);
        // 16 bytes a record: the ring wraps, and is full now and then.
        if (at % 300 == 299)
            printf("polled %d, %u records\n", ring_buffer__poll(ring, 0), seen);
        if (at % 300 == 299)
            seen = (at + 1) % 3;
        if (at % 300 >= 100)
            ring_buffer__poll(ring, 0);
    }
    printf("nothing left: %d, %d\n", ring_buffer__poll(ring, 0), ring_buffer__poll(ring, 0));

    struct bpf_map *map;
    bpf_object__for_each_map(map, object) {
        struct bpf_map_info info = { 0 };
        __u32 len = sizeof(info);
        MUST(bpf_obj_get_info_by_fd(bpf_map__fd(map), &info, &len) == 0);
        printf("%s: type %u, key %u, value %u, entries %u\n", info.name, info.type, info.key_size,
               info.value_size, info.max_entries);
    }
    struct bpf_map *counts = bpf_object__find_map_by_name(object, "counts");
    for (__u32 key = 63; key < 68; key++) {
        __u64 value = 0;
        int done = bpf_map__lookup_elem(counts, &key, sizeof(key), &value, sizeof(value), 0);
        printf("%u: %d, %llu\n", key, done, value);
    }
    printf("bad pointer: %d\n", bpf_map_lookup_elem(bpf_map__fd(counts), &count, (void *)8));
    int data = bpf_map__fd(bpf_object__find_map_by_name(object, ".bss"));
    __u64 *total = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, data, 0);
    MUST(total != MAP_FAILED);
    printf("total %llu\n", *total);
    *total = 5000;
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = 64, .repeat = 7);
    MUST(bpf_prog_test_run_opts(program, &run) == 0);
    printf("total %llu\n", *total);
    munmap(total, 4096);
    ring_buffer__free(ring);
    bpf_object__close(object);
    return 0;
}
