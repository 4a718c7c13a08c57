//! The client host's instance. It has no volume of its own and an interface that EC2 makes with it: what changes it replaces it.

use super::instance_profile::profile_of;
use super::prelude::*;
use crate::engines::ec2::ROOT_GIB;

spec! {
    pub struct ClientInstance {
        pub instance_type: String => Rule::replace(),
        pub image: String => Rule::replace(),
        pub subnet: Ref => Rule::replace(),
        pub security_groups: Vec<Ref> => Rule::replace().hidden(),
        /// The stack's own, or by its name that of others.
        pub profile: Ref => Rule::in_place(),
        /// `required`: IMDSv2 only.
        pub http_tokens: String => Rule::in_place().hidden(),
        pub state: String => Rule::in_place().hidden(),
        // What it runs is known by tags: user data can't be listed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub os: Option<String> => Rule::replace().hidden(),
        /// The version of Kafka's tools.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub kafka: Option<String> => Rule::replace(),
        /// Fingerprint of its configuration.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub config: Option<String> => Rule::replace().hidden().saying("config: the client host's settings differ"),
        /// Of a live one: the id of the interface that goes with it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub interface: Option<String> => Rule::in_place().hidden(),
        /// For creation only; its fingerprint is `config`.
        #[serde(skip)]
        pub user_data: String => Rule::creation_only(),
        /// Where brokers have fixed addresses in the same network: one that none of them ever gets.
        #[serde(skip)]
        pub address: Option<String> => Rule::creation_only(),
        /// The brokers' interfaces, whose addresses are in the user data.
        #[serde(skip)]
        pub brokers: Vec<Ref> => Rule::creation_only(),
        /// The MSK cluster, whose brokers' names go into the user data.
        #[serde(skip)]
        pub cluster: Option<Ref> => Rule::creation_only(),
        #[serde(skip)]
        pub serverless: bool => Rule::creation_only(),
    }
}

impl ClientInstance {
    /// The name of the one that a stack has.
    pub const CLIENT: &str = "client";
}

impl Kind for ClientInstance {
    const NAME: &'static str = "client_instance";
    const OF_CLIENT: bool = true;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let Some(client) = &design.client else { return Vec::new() };
        let own = design.stack.network.own_groups.then(|| Ref::to(super::SecurityGroup::NAME, Self::CLIENT));
        let groups = super::security_group::attached(design, "clients").into_iter().chain(own);
        let brokers = design.hosts.iter().filter(|host| host.broker());
        let instance = ClientInstance {
            instance_type: client.instance_type.clone(),
            image: client.image.clone(),
            subnet: design.private_subnet(&design.zones[client.zone]),
            security_groups: groups.collect(),
            profile: profile_of(design),
            http_tokens: "required".to_owned(),
            state: "running".to_owned(),
            os: Some(client.cloud.os.word().to_owned()),
            kafka: Some(client.cloud.kafka_version.clone()),
            config: Some(client.config.clone()),
            interface: None,
            user_data: client.user_data.clone(),
            address: client.address.map(|address| address.to_string()),
            brokers: brokers.map(|host| Ref::to(super::NetworkInterface::NAME, &host.name)).collect(),
            cluster: design.msk.as_ref().map(|_| Ref::to(super::MskCluster::NAME, "main")),
            serverless: design.msk.as_ref().is_some_and(|msk| msk.provisioned.is_none()),
        };
        vec![(Self::CLIENT.to_owned(), instance)]
    }

    /// It downloads what it needs when it starts, so its way out comes first, and the names that it asks for.
    fn after(&self, _: &str) -> Vec<Address> {
        let table = self.subnet.address().map(|subnet| Address::new(super::RouteTable::NAME, &subnet.name));
        let before = [
            Address::new(super::SecurityGroupRules::NAME, Self::CLIENT),
            Address::new(super::SecurityGroupRules::NAME, "clients"),
            Address::new(super::Role::NAME, "hosts"),
            Address::new(super::ClientCertificate::NAME, Self::CLIENT),
            Address::new(super::DnsRecords::NAME, super::dns_records::MAIN),
        ];
        before.into_iter().chain(table).collect()
    }

    fn tags(&self) -> Tags {
        let pairs = [(tag::OS, &self.os), (tag::KAFKA, &self.kafka), (tag::CONFIG, &self.config)];
        pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect()
    }

    fn home(&self) -> Vec<&str> {
        self.subnet.id().into_iter().collect()
    }

    fn price(&self, costs: &mut Costs<'_>) {
        costs.charge(&format!("ec2 {}", self.instance_type), HOURS_PER_MONTH);
        costs.charge("gp3 size", ROOT_GIB);
    }
}
