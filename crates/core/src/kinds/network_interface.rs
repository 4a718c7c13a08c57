//! Network interfaces with fixed private addresses: the place of a broker or controller in the cluster. They outlive instances.

use super::prelude::*;

spec! {
    pub struct NetworkInterface {
        pub subnet: Ref => Rule::fixed("a host's subnet", "keep the zones as they are: its volume is in that zone"),
        pub address: String => Rule::fixed("a host's address", NEW_STACK),
        /// Whether it has the IPv6 address in its subnet whose end is `address`. Others may add some more.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        pub ipv6: bool => Rule::in_place(),
        pub security_groups: Vec<Ref> => Rule::in_place(),
        /// Of a live one: the id of the instance that has it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub attached_to: Option<String> => Rule::in_place().hidden(),
    }
}

impl Kind for NetworkInterface {
    const NAME: &'static str = "network_interface";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let interface = |host: &HostDesign| NetworkInterface {
            subnet: host.subnet.clone(),
            address: host.address.to_string(),
            ipv6: host.ipv6,
            security_groups: super::security_group::attached(
                design,
                if host.broker() { "brokers" } else { "controllers" },
            ),
            attached_to: None,
        };
        design.hosts.iter().map(|host| (host.name.clone(), interface(host))).collect()
    }

    /// The data volume comes first: an interface without its volume then proves that the volume was lost.
    fn after(&self, name: &str) -> Vec<Address> {
        vec![Address::new(super::Volume::NAME, name)]
    }

    fn home(&self) -> Vec<&str> {
        self.subnet.id().into_iter().collect()
    }

    fn holders(&self) -> Vec<&str> {
        self.attached_to.as_deref().into_iter().collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}
