//! Packets to start from: a table.

/// A packet with a name.
#[derive(Debug)]
pub struct Sample {
    /// What it is.
    pub name: &'static str,
    /// As [`crate::hex::parse`] reads it.
    pub hex: &'static str,
}

impl Sample {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        crate::hex::parse(self.hex).unwrap_or_default()
    }
}

/// The packets, between two machines of the documentation's networks (RFC 5737, RFC 3849).
pub const SAMPLES: &[Sample] = &[
    Sample {
        name: "TCP SYN to port 80",
        hex: "02 00 00 00 00 02 02 00 00 00 00 01 08 00
              45 00 00 28 00 01 00 00 40 06 91 0a c0 00 02 01 c6 33 64 02
              9c 40 00 50 00 00 00 01 00 00 00 00 50 02 20 00 00 00 00 00",
    },
    Sample {
        name: "UDP to port 53",
        hex: "02 00 00 00 00 02 02 00 00 00 00 01 08 00
              45 00 00 24 00 02 00 00 40 11 91 02 c0 00 02 01 c6 33 64 02
              9c 40 00 35 00 10 00 00 01 02 03 04 05 06 07 08",
    },
    Sample {
        name: "ICMP echo request",
        hex: "02 00 00 00 00 02 02 00 00 00 00 01 08 00
              45 00 00 24 00 03 00 00 40 01 91 11 c0 00 02 01 c6 33 64 02
              08 00 eb f0 00 01 00 01 01 02 03 04 05 06 07 08",
    },
    Sample {
        name: "IPv6 UDP to port 53",
        hex: "02 00 00 00 00 02 02 00 00 00 00 01 86 dd
              60 00 00 00 00 10 11 40
              20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
              20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
              9c 40 00 35 00 10 00 00 01 02 03 04 05 06 07 08",
    },
    Sample {
        name: "ARP request",
        hex: "ff ff ff ff ff ff 02 00 00 00 00 01 08 06
              00 01 08 00 06 04 00 01 02 00 00 00 00 01 c0 00 02 01 00 00 00 00 00 00 c6 33 64 02
              00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
    },
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_sample_is_a_frame() {
        for sample in super::SAMPLES {
            assert!(crate::hex::parse(sample.hex).is_ok_and(|bytes| bytes.len() >= 42), "{}", sample.name);
        }
    }
}
