/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The tag of a virtual network, as the packet has it after the Ethernet addresses and their type. */
#pragma once

#include <linux/types.h>

struct vlan_hdr {
	__be16 h_vlan_TCI;
	__be16 h_vlan_encapsulated_proto;
};
