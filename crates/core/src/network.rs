//! Address blocks: which part of the VPC each subnet has, and which address each host. Pure arithmetic.
//!
//! A zone's blocks follow from its letter, not from its place among the chosen zones, so that choosing another zone
//! later moves no subnet. Private subnets hold brokers and controllers only: their addresses are fixed, and an address
//! that AWS picked for something else in the same subnet (an endpoint's interface, say) could take a broker's.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use sha2::{Digest as _, Sha256};

use crate::file::Network;

/// Every IPv4 address.
pub const EVERYWHERE: &str = "0.0.0.0/0";
/// Every IPv6 address.
pub const EVERYWHERE_V6: &str = "::/0";
/// The number of the first public subnet's part of the VPC's IPv6 block; that of the first private one is 0.
const FIRST_PUBLIC_V6: u8 = 0x80;
/// The smallest VPC: its public subnets are /28, the smallest that AWS makes.
pub const LONGEST_VPC_PREFIX: u8 = 22;
/// Zone letters that have a block: a to g. The eighth private-sized block is divided into the public subnets.
pub const LETTERS: u8 = 7;
/// Host numbers of controllers begin after the four addresses that AWS reserves at a subnet's start.
const FIRST_CONTROLLER: u32 = 5;
/// Host numbers of brokers begin here; at most five controllers come before.
const FIRST_BROKER: u32 = 10;

/// The letter at the end of a zone's name, as the key of its subnets: `ap-northeast-2a` gives `a`.
pub fn zone_letter(zone_name: &str) -> char {
    zone_name.chars().next_back().unwrap_or('a')
}

/// The private block of the zone with `letter`, the `index`-th of the chosen zones.
pub fn private_block(network: &Network, letter: char, index: usize) -> Option<Ipv4Net> {
    match &network.private_cidrs {
        Some(blocks) => blocks.get(index).copied(),
        None => eighths(network)?.nth(letter_index(letter)?),
    }
}

/// The public block of the zone with `letter`, the `index`-th of the chosen zones.
pub fn public_block(network: &Network, letter: char, index: usize) -> Option<Ipv4Net> {
    match &network.public_cidrs {
        Some(blocks) => blocks.get(index).copied(),
        None => {
            let last = eighths(network)?.nth(usize::from(LETTERS))?;
            last.subnets(last.prefix_len() + 3).ok()?.nth(letter_index(letter)?)
        }
    }
}

fn eighths(network: &Network) -> Option<impl Iterator<Item = Ipv4Net>> {
    let cidr = network.cidr?;
    cidr.subnets(cidr.prefix_len() + 3).ok()
}

/// Blocks for a stack that shares its file with others, each with its own first: a block of `prefix` length at the start of
/// every /16 of 10.0.0.0/8 that touches none of `held`. A whole /16 is one stack's, so that blocks of different lengths
/// never meet.
pub fn free_blocks(stack: &str, prefix: u8, held: &[Ipv4Net]) -> Vec<Ipv4Net> {
    let first = Sha256::digest(stack)[0];
    let slots = (0..=u8::MAX).map(|step| Ipv4Addr::new(10, first.wrapping_add(step), 0, 0));
    let free = |address: Ipv4Addr| {
        let slot = Ipv4Net::new(address, 16).ok()?;
        let apart = |block: &Ipv4Net| !slot.contains(block) && !block.contains(&slot);
        held.iter().all(apart).then(|| Ipv4Net::new(address, prefix.max(16)).ok()).flatten()
    };
    slots.filter_map(free).collect()
}

impl Network {
    /// The same network of the stack's own in another `block` of the same length.
    pub fn moved(&self, block: Ipv4Net) -> Network {
        let from = u32::from(self.cidr.unwrap_or(block).network());
        let by = u32::from(block.network()).wrapping_sub(from);
        // What is in a block of its own stays there.
        let first = |old: &Ipv4Net| self.cidr.is_none_or(|cidr| cidr.contains(old));
        let subnet = |old: &Ipv4Net| {
            if !first(old) {
                return *old;
            }
            Ipv4Net::new(Ipv4Addr::from(u32::from(old.network()).wrapping_add(by)), old.prefix_len()).unwrap_or(*old)
        };
        let all = |blocks: &Option<Vec<Ipv4Net>>| blocks.as_ref().map(|blocks| blocks.iter().map(subnet).collect());
        let (private_cidrs, public_cidrs) = (all(&self.private_cidrs), all(&self.public_cidrs));
        Network { cidr: Some(block), private_cidrs, public_cidrs, ..self.clone() }
    }
}

/// The number of the part of the VPC's IPv6 block, one of 256, that the private or public subnet of the zone with `letter` gets.
pub fn ipv6_number(letter: char, public: bool) -> Option<u8> {
    let index = u8::try_from(('a'..='z').position(|known| known == letter)?).ok()?;
    Some(if public { FIRST_PUBLIC_V6 + index } else { index })
}

/// The part of a VPC's IPv6 block with this number: a /64, as subnets have, of a /56, as Amazon gives. `None` for a smaller block.
pub fn ipv6_part(vpc: Ipv6Net, number: u8) -> Option<Ipv6Net> {
    (vpc.prefix_len() <= 56).then_some(())?;
    Ipv6Net::new(Ipv6Addr::from(u128::from(vpc.network()) | u128::from(number) << 64), 64).ok()
}

/// The number of the part of its VPC's block that a subnet with this `block` has.
pub fn ipv6_number_of(block: Ipv6Net) -> u8 {
    (u128::from(block.network()) >> 64) as u8
}

/// The IPv6 address, in its subnet's `block`, of the host whose IPv4 address is `address`: one is the end of the other, so that it is as
/// fixed, and as much nobody else's.
pub fn ipv6_address(block: Ipv6Net, address: Ipv4Addr) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(block.network()) | u128::from(u32::from(address)))
}

/// Whether `ipv6` is the address that a host with the IPv4 address `address` has in some subnet.
pub fn is_ipv6_of(ipv6: Ipv6Addr, address: Ipv4Addr) -> bool {
    u128::from(ipv6) as u64 == u64::from(u32::from(address))
}

fn letter_index(letter: char) -> Option<usize> {
    ('a'..).take(usize::from(LETTERS)).position(|known| known == letter)
}

/// The fixed address of the `number`-th broker (1, 2, ...) of a generation in its zone's private `block`. Two generations have room beside
/// each other: odd ones have the second half of what there is for brokers. The first one of a stack may have all of it, as long as it is
/// alone.
pub fn broker_address(block: Ipv4Net, generation: u32, number: u32) -> Option<Ipv4Addr> {
    let half = brokers_of_two(block);
    let first = if generation.is_multiple_of(2) { FIRST_BROKER } else { FIRST_BROKER + half };
    (generation == 0 || number <= half).then(|| host(block, first + number - 1)).flatten()
}

/// How many brokers each of two generations can have in `block`: beside the last address that a host can have, which a client host has.
pub fn brokers_of_two(block: Ipv4Net) -> u32 {
    let size = u32::from(block.broadcast()) - u32::from(block.network());
    size.saturating_sub(1).saturating_sub(FIRST_BROKER) / 2
}

/// The fixed address of the `number`-th controller (1, 2, ...) in its zone's private `block`.
pub fn controller_address(block: Ipv4Net, number: u32) -> Option<Ipv4Addr> {
    host(block, FIRST_CONTROLLER + number - 1)
}

/// The fixed address of a client host in its zone's private `block`: the last that a host can have.
pub fn client_address(block: Ipv4Net) -> Option<Ipv4Addr> {
    let last = Ipv4Addr::from(u32::from(block.broadcast()).checked_sub(1)?);
    (last > host(block, FIRST_BROKER)?).then_some(last)
}

/// The address with this number, unless it is the last of the block, which AWS reserves, or beyond.
fn host(block: Ipv4Net, number: u32) -> Option<Ipv4Addr> {
    let address = Ipv4Addr::from(u32::from(block.network()).checked_add(number)?);
    (block.contains(&address) && address != block.broadcast()).then_some(address)
}

/// A free address in a subnet's `block` that others use too, for `host` of `stack`: the first one from a place that follows from
/// both names. So stacks in one subnet begin apart, and a host whose interface is gone gets its address again. `None` where none
/// is free; AWS's own are the first four and the last. Source: the VPC user guide, "Subnet CIDR blocks", 2026.
pub fn free_address(block: Ipv4Net, stack: &str, host: &str, used: &[Ipv4Net]) -> Option<Ipv4Addr> {
    let (first, last) = (u32::from(block.network()) + 4, u32::from(block.broadcast()));
    let count = last.checked_sub(first).filter(|count| *count > 0)?;
    let hash = Sha256::digest(format!("{stack}/{host}"));
    let start = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % count;
    let all = (0..count).map(|step| Ipv4Addr::from(first + (start + step) % count));
    let taken: BTreeSet<Ipv4Addr> = used.iter().filter(|one| one.prefix_len() == 32).map(Ipv4Net::addr).collect();
    let wide: Vec<&Ipv4Net> = used.iter().filter(|one| one.prefix_len() < 32).collect();
    let mut free = all.filter(|one| !taken.contains(one) && !wide.iter().any(|wide| wide.contains(one)));
    free.next()
}

/// The VPC's own DNS resolver and the hosts' time source are link-local; nothing here needs a block for them.
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::parse;

    fn network(cidr: &str) -> Network {
        let text = format!(
            "apiVersion: kstack/v1\nname: t\nregion: eu-west-1\nnetwork: {{cidr: {cidr}}}\ncluster: {{ec2: {{kafka: 4.1.1, combined: true, brokers: {{count: 3, instance_type: m7g.large}}}}}}\n"
        );
        parse("t.yaml", &text).unwrap().stack.network
    }

    #[test]
    fn blocks_never_overlap_and_lie_in_the_vpc() {
        for cidr in ["10.40.0.0/16", "10.0.0.0/22", "192.168.8.0/21"] {
            let network = network(cidr);
            let blocks: Vec<Ipv4Net> = ('a'..='g')
                .flat_map(|letter| [private_block(&network, letter, 0), public_block(&network, letter, 0)])
                .map(|block| block.expect("a block for each letter"))
                .collect();
            for (index, block) in blocks.iter().enumerate() {
                assert!(
                    network.cidr.is_some_and(|cidr| cidr.contains(block)) && block.prefix_len() <= 28,
                    "{cidr}: {block}"
                );
                assert!(blocks[index + 1..].iter().all(|other| !other.contains(block) && !block.contains(other)));
            }
        }
    }

    #[test]
    fn free_blocks_touch_nothing_that_is_held() {
        let held: Vec<Ipv4Net> = ["10.0.0.0/16", "10.7.128.0/20", "10.64.0.0/12", "192.168.0.0/16"]
            .map(|text| text.parse().unwrap())
            .to_vec();
        let blocks = free_blocks("pr-7", 20, &held);
        assert_eq!(blocks.len(), 256 - 1 - 1 - 16);
        for block in &blocks {
            assert!(block.prefix_len() == 20 && held.iter().all(|one| !one.contains(block)), "{block}");
        }
        let slots: std::collections::BTreeSet<u8> = blocks.iter().map(|block| block.network().octets()[1]).collect();
        assert_eq!(slots.len(), blocks.len(), "each in a /16 of its own");
        assert_ne!(free_blocks("pr-8", 20, &held)[0], blocks[0], "names begin apart");
        assert!(free_blocks("pr-7", 20, &["10.0.0.0/8".parse().unwrap()]).is_empty());
    }

    proptest! {
        /// In a subnet of others: inside, nobody's, none of AWS's; found as long as one is free, and the same again.
        #[test]
        fn free_addresses_are_nobodys(prefix in 16..=28_u8, seed in 0..u16::MAX, taken in prop::collection::vec(0..64_u32, 0..40)) {
            let block = Ipv4Net::new(Ipv4Addr::new(10, 9, 0, 0), prefix).unwrap();
            let used: Vec<Ipv4Net> = taken
                .iter()
                .map(|number| Ipv4Addr::from(u32::from(block.network()) + number))
                .map(|one| Ipv4Net::new(one, if seed % 3 == 0 { 30 } else { 32 }).unwrap().trunc())
                .collect();
            let (first, last) = (u32::from(block.network()) + 4, u32::from(block.broadcast()));
            let nobodys = |one: u32| !used.iter().any(|used| used.contains(&Ipv4Addr::from(one)));
            let stack = format!("stack-{seed}");
            let found = free_address(block, &stack, "broker-1", &used);
            prop_assert_eq!(found, free_address(block, &stack, "broker-1", &used));
            match found.map(u32::from) {
                Some(one) => prop_assert!((first..last).contains(&one) && nobodys(one)),
                None => prop_assert!(!(first..last).any(nobodys)),
            }
        }
    }

    #[test]
    fn parts_of_an_ipv6_block_follow_from_the_zone_and_addresses_from_those_of_ipv4() {
        let vpc: Ipv6Net = "2001:db8:1234:1a00::/56".parse().unwrap();
        let mut all = BTreeSet::new();
        for (letter, public) in ('a'..='z').flat_map(|letter| [(letter, false), (letter, true)]) {
            let number = ipv6_number(letter, public).unwrap();
            let part = ipv6_part(vpc, number).unwrap();
            assert!(vpc.contains(&part) && part.prefix_len() == 64 && ipv6_number_of(part) == number, "{part}");
            assert!(all.insert(part), "{part} is one subnet's");
        }
        assert_eq!((ipv6_number('1', false), ipv6_part("2001:db8::/60".parse().unwrap(), 3)), (None, None));
        let (part, host) = (ipv6_part(vpc, 2).unwrap(), "10.40.64.11".parse().unwrap());
        let address = ipv6_address(part, host);
        assert_eq!(address.to_string(), "2001:db8:1234:1a02::a28:400b");
        assert!(is_ipv6_of(address, host) && !is_ipv6_of(address, "10.40.64.12".parse().unwrap()));
        assert!(!is_ipv6_of("2001:db8:1234:1a02:1::a28:400b".parse().unwrap(), host));
    }

    #[test]
    fn stacks_in_one_subnet_begin_apart() {
        let block: Ipv4Net = "10.9.0.0/20".parse().unwrap();
        let of = |stack: &str| free_address(block, stack, "broker-1", &[]).unwrap();
        let all: BTreeSet<Ipv4Addr> = (1..=20).map(|number| of(&format!("pr-{number}"))).collect();
        assert!(all.len() >= 19, "{all:?}");
        assert_eq!(free_address("10.9.0.0/30".parse().unwrap(), "pr-1", "broker-1", &[]), None);
    }

    #[test]
    fn a_network_moves_with_its_subnets() {
        let mut from = network("10.40.16.0/20");
        from.private_cidrs = Some(vec!["10.40.16.0/24".parse().unwrap(), "10.40.31.0/24".parse().unwrap()]);
        let moved = from.moved("10.7.0.0/20".parse().unwrap());
        let blocks: Vec<String> = moved.private_cidrs.iter().flatten().map(Ipv4Net::to_string).collect();
        assert_eq!(
            (moved.cidr.map(|cidr| cidr.to_string()).as_deref(), &blocks[..]),
            (Some("10.7.0.0/20"), &["10.7.0.0/24", "10.7.15.0/24"].map(str::to_owned)[..])
        );
        assert_eq!(moved.public_cidrs, None);
    }

    #[test]
    fn addresses_are_fixed_by_the_node() {
        let block = private_block(&network("10.40.0.0/16"), 'b', 0).unwrap();
        assert_eq!(block.to_string(), "10.40.32.0/19");
        assert_eq!(broker_address(block, 0, 2).unwrap().to_string(), "10.40.32.11");
        assert_eq!(controller_address(block, 2).unwrap().to_string(), "10.40.32.6");
        assert_eq!(broker_address("10.0.0.0/28".parse().unwrap(), 0, 6), None, "the last address is AWS's");
    }

    #[test]
    fn two_generations_have_addresses_beside_each_other_and_beside_the_client_host() {
        for (block, most) in [("10.0.0.0/28", 2), ("10.0.0.0/26", 26), ("10.40.32.0/19", 4090)] {
            let block: Ipv4Net = block.parse().unwrap();
            assert_eq!(brokers_of_two(block), most, "{block}");
            let of = |generation| (1..=most).filter_map(move |number| broker_address(block, generation, number));
            let all: BTreeSet<Ipv4Addr> = of(0).chain(of(1)).chain(client_address(block)).collect();
            assert_eq!(all.len() as u32, 2 * most + 1, "{block}");
            assert!(all.iter().all(|one| block.contains(one) && *one != block.broadcast()), "{block}");
            assert!((1..=most).all(|number| broker_address(block, 2, number) == broker_address(block, 0, number)));
            assert_eq!((broker_address(block, 1, most + 1), broker_address(block, 2, most + 1)), (None, None));
        }
        assert_eq!(brokers_of_two("10.0.0.0/30".parse().unwrap()), 0);
    }
}
