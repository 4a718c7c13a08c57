//! An endpoint of a PrivateLink service of somebody else's: with its names, and with an owner who has to accept it.

use aws_sdk_ec2::types::VpcEndpoint;
use aws_sdk_route53::types::{HostedZoneConfig, ResourceRecord, RrType, Vpc, VpcRegion};

use crate::company::Company;
use crate::support::Account;
use crate::support::aws::{DEV, PROD, wait};

const DOMAIN: &str = "abc123.aws.confluent.cloud";

/// The name of a service of the account's own in `zones` of `region`; the same one each time.
pub fn service(account: &Account, region: &str, zones: &str, by_hand: bool) -> String {
    let ec2 = account.ec2(region);
    let balancer =
        format!("arn:aws:elasticloadbalancing:{region}:123456789012:loadbalancer/net/{zones}/0123456789abcdef");
    let all = wait(ec2.describe_vpc_endpoint_service_configurations().send());
    let of = |one: &aws_sdk_ec2::types::ServiceConfiguration| one.network_load_balancer_arns().contains(&balancer);
    if let Some(name) = all.service_configurations().iter().find(|one| of(one)).and_then(|one| one.service_name()) {
        return name.to_owned();
    }
    let call = ec2.create_vpc_endpoint_service_configuration().network_load_balancer_arns(balancer);
    let made = wait(call.acceptance_required(by_hand).send()).service_configuration.expect("a service");
    made.service_name.expect("a name")
}

/// The lines of the file that ask for the endpoint of `service`.
fn link(service: &str, more: &str) -> String {
    format!("nat: single\n  privatelink: {{service: {service}, domain: {DOMAIN}{more}}}")
}

fn endpoint(account: &Account, region: &str) -> VpcEndpoint {
    let look = account.look(region);
    let mut all = look.endpoints.iter();
    let found = all.find(|one| one.service_name().is_some_and(|name| name.starts_with("com.amazonaws.vpce.")));
    found.expect("an endpoint").clone()
}

/// The names of the service's domain, each with what it leads to.
fn names(account: &Account, region: &str) -> Vec<(String, String)> {
    let look = account.look(region);
    let records = look.zones.iter().flat_map(|(_, _, records)| records);
    let aliases = records.filter(|one| *one.r#type() == RrType::Cname);
    let mut all: Vec<(String, String)> = aliases
        .map(|one| {
            let target = one.resource_records().iter().map(ResourceRecord::value).collect::<Vec<_>>().join(" ");
            (one.name().replace("\\052", "*"), target)
        })
        .collect();
    all.sort();
    all
}

#[test]
fn the_names_of_a_service_lead_to_the_endpoint_and_those_of_a_zone_to_its_interface_there() {
    let account = Account::new();
    let first = service(&account, DEV, "a-b", false);
    let file = account.write("dev", &[("nat: single", &link(&first, ""))]);
    let run = account.run(&["apply", &file, "--yes"]).expect(0);
    assert!(run.out.contains("there the endpoint has no interface"), "{run}");
    account.assert_converged(&file);
    let made = endpoint(&account, DEV);
    assert_eq!((made.subnet_ids().len(), made.private_dns_enabled()), (2, Some(false)));
    let whole = made.dns_entries()[0].dns_name().expect("a name").to_owned();
    let label = whole.split('.').next().expect("a label");
    let leads = names(&account, DEV);
    assert_eq!(leads.len(), 3, "{leads:#?}");
    assert_eq!(leads[0], (format!("*.{DOMAIN}."), whole.clone()));
    // The name of the file's zone is in the name of the interface, and its id in the name of the service.
    let zones = wait(account.ec2(DEV).describe_availability_zones().send());
    for zone in zones.availability_zones().iter().take(2) {
        let (name, id) = (zone.zone_name().expect("a name"), zone.zone_id().expect("an id"));
        let target = whole.replacen(label, &format!("{label}-{name}"), 1);
        assert!(leads.contains(&(format!("*.{id}.{DOMAIN}."), target.clone())), "{id} to {target}: {leads:#?}");
    }
    let look = account.look(DEV);
    let group = look.groups.iter().find(|one| one.group_name().is_some_and(|name| name.ends_with("-privatelink")));
    let group = group.expect("a group");
    let open: Vec<_> = group.ip_permissions().iter().map(|one| (one.from_port(), one.to_port())).collect();
    assert_eq!(open.len(), 2, "443 and 9092 from the VPC: {open:?}");
    assert!(group.ip_permissions_egress().is_empty());
    let (_, tags, _) = look.zones.iter().find(|(zone, ..)| zone.name().starts_with("abc123")).expect("a zone");
    assert!(tags.contains("hosted_zone/privatelink"), "{tags}");
    assert!(account.run(&["list", "--region", DEV]).expect(0).out.contains("complete"));
    // Another service, in another zone too: its endpoint takes the place of the first, and the names lead there.
    let second = service(&account, DEV, "a-b-c", false);
    account.write("dev", &[("nat: single", &link(&second, ", ports: [9092]"))]);
    account.apply(&file);
    account.assert_converged(&file);
    let now = endpoint(&account, DEV);
    assert_ne!(now.vpc_endpoint_id(), made.vpc_endpoint_id());
    let leads = names(&account, DEV);
    assert_eq!(leads.len(), 4, "{leads:#?}");
    assert!(leads.iter().all(|(_, target)| target.starts_with(now.vpc_endpoint_id().expect("an id"))), "{leads:#?}");
    // Without the key, and with nothing more to ask Route 53 for.
    account.write("dev", &[]);
    account.apply(&file);
    account.assert_converged(&file);
    assert!(account.look(DEV).zones.is_empty());
    account.destroy(&file);
    account.assert_nothing_left();
}

#[test]
fn an_endpoint_that_its_owner_has_to_accept_holds_up_nothing_and_is_gone_on_with() {
    let account = Account::new();
    let name = service(&account, DEV, "a-b-c", true);
    let file = account.write("dev", &[("nat: single", &link(&name, ""))]);
    let run = account.run(&["apply", &file, "--yes"]).expect(0);
    assert!(run.out.contains("has to accept the endpoint"), "{run}");
    let id = endpoint(&account, DEV).vpc_endpoint_id().expect("an id").to_owned();
    let plan = account.run(&["plan", &file, "--detailed-exitcode"]).expect(0);
    assert!(plan.out.contains(&format!("{id} waits until the service's owner accepts it")), "{plan}");
    let owner = name.rsplit('.').next().expect("an id");
    let ec2 = account.ec2(DEV);
    wait(ec2.reject_vpc_endpoint_connections().service_id(owner).vpc_endpoint_ids(&id).send());
    let refused = account.plan(&file);
    assert!(refused.refusals().iter().any(|line| line.contains("has rejected")), "{:#?}", refused.refusals());
    wait(ec2.accept_vpc_endpoint_connections().service_id(owner).vpc_endpoint_ids(&id).send());
    account.run(&["apply", &file, "--yes"]).expect(0);
    account.assert_converged(&file);
    let there = endpoint(&account, DEV);
    assert_eq!(there.state().map(|state| state.as_str().to_lowercase()).as_deref(), Some("available"));
    assert_eq!(there.vpc_endpoint_id(), Some(id.as_str()));
    account.destroy(&file);
    account.assert_nothing_left();
}

#[test]
fn a_network_of_others_gets_the_endpoint_unless_it_has_the_domain() {
    let account = Account::new();
    let company = Company::make(&account, PROD, 71);
    let name = service(&account, PROD, "a-b-c", false);
    let key = format!("privatelink: {{service: {name}, domain: {DOMAIN}}}\n  clients:");
    let file = company.example(&account, &[("clients:", &key)]);
    let config = HostedZoneConfig::builder().private_zone(true).comment("the company's").build();
    let vpc = Vpc::builder().vpc_id(&company.vpc).vpc_region(VpcRegion::from(PROD)).build();
    let call = account.route53().create_hosted_zone().name(DOMAIN).vpc(vpc).hosted_zone_config(config);
    let zone = wait(call.caller_reference("the company's").send()).hosted_zone.expect("a zone");
    let plan = account.plan(&file);
    let id = zone.id().trim_start_matches("/hostedzone/");
    assert!(plan.refusals().iter().any(|line| line.contains(id) && line.contains(DOMAIN)), "{:#?}", plan.refusals());
    wait(account.route53().delete_hosted_zone().id(id).send());
    let others = account.look(PROD).others();
    account.apply(&file);
    account.assert_converged(&file);
    assert_eq!(names(&account, PROD).len(), 4);
    account.run(&["destroy", &file, "--yes"]).expect(0);
    assert_eq!(account.look(PROD).others(), others);
}
