/* Headers of packets (IEEE 802.3, RFC 791, RFC 768, RFC 9293). */
#pragma once
#include "bpf.h"

enum { ETH_IP = 0x0800, ETH_ARP = 0x0806, ETH_IPV6 = 0x86dd };
enum { IP_ICMP = 1, IP_TCP = 6, IP_UDP = 17 };

struct ethernet {
	u8 to[6];
	u8 from[6];
	u16 type;
};

struct ipv4 {
	u8 version_and_length;
	u8 service;
	u16 length;
	u16 id;
	u16 fragment;
	u8 ttl;
	u8 protocol;
	u16 checksum;
	u32 from;
	u32 to;
};

struct ports {
	u16 from;
	u16 to;
};
