/* A lock that was taken is still held where the program returns. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct total {
	struct bpf_spin_lock lock;
	__u32 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct total);
} totals SEC(".maps");

SEC("xdp")
int add(struct xdp_md *ctx)
{
	__u32 key = 0, length = ctx->data_end - ctx->data;
	struct total *total = bpf_map_lookup_elem(&totals, &key);

	if (!total)
		return XDP_PASS;
	bpf_spin_lock(&total->lock);
	if (length > 1500)
		return XDP_DROP;
	total->packets++;
	total->bytes += length;
	bpf_spin_unlock(&total->lock);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
