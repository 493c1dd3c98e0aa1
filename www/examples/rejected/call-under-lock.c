/* Between a lock's taking and its giving back, other helpers can't be called: they could wait for it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct last {
	struct bpf_spin_lock lock;
	__u64 time;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct last);
} seen SEC(".maps");

SEC("xdp")
int remember(struct xdp_md *ctx)
{
	__u32 key = 0;
	struct last *last = bpf_map_lookup_elem(&seen, &key);

	if (!last)
		return XDP_PASS;
	bpf_spin_lock(&last->lock);
	last->time = bpf_ktime_get_ns();
	bpf_spin_unlock(&last->lock);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
