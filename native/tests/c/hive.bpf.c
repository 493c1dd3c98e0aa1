// What the client of libbpf.c loads. Compiled with
//   clang -O2 -g -target bpf -I/usr/include/x86_64-linux-gnu -c hive.bpf.c -o hive.bpf.o
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} ring SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

__u64 total;
const volatile __u32 step = 1;

SEC("xdp")
int count(struct xdp_md *ctx)
{
    __u32 key = ctx->data_end - ctx->data;
    __u64 one = 1, *n = bpf_map_lookup_elem(&counts, &key);

    if (n)
        *n += 1;
    else
        bpf_map_update_elem(&counts, &key, &one, BPF_ANY);
    total += step;
    __u32 *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);

    if (record) {
        *record = key;
        bpf_ringbuf_submit(record, 0);
    }
    return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
