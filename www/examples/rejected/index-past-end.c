/* Counts by the first byte's upper half: sixteen cells, and an index that can be sixteen. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct counts {
	__u64 cells[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counts);
} counts SEC(".maps");

SEC("xdp")
int count(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	__u32 key = 0;
	struct counts *counted = bpf_map_lookup_elem(&counts, &key);

	if (!counted || data + 1 > (__u8 *)(long)ctx->data_end)
		return XDP_PASS;

	__u64 index = data[0];
	if (index > 16)
		return XDP_PASS;
	counted->cells[index]++;
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
