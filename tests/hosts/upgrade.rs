//! The oldest Kafka that hosts run becomes the newest, by kstack's commands alone on a secured cluster, while records are written: rolled, cut off, taken back, rolled
//! again, and finalized, with a run killed before the request and one after it, and with its answer lost. A controller that is gone and still
//! registered is in the way once.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::begun::Begun;
use crate::client::{PATIENCE, distribution_of};
use crate::migration::{cut_off, rolled};
use crate::old_cluster::Process;
use crate::processes::{cluster, kstack, kstack_command};
use crate::room::{beside, block};
use crate::support::{Run, poll, skip, text};

const OLD: &str = "4.0.0";
const NEW: &str = "4.4.0";
/// A controller that no file has.
const GHOST: u32 = 1009;
const FEATURES: &str = "org.apache.kafka.tools.FeatureCommand";

/// A folder with both, of which each host of the sandbox takes that of its version.
fn versions(folder: &Path) -> Result<PathBuf, String> {
    fs::create_dir_all(folder).expect("a folder");
    for version in [OLD, NEW] {
        symlink(distribution_of(Some(version))?, folder.join(format!("kafka_2.13-{version}"))).expect("a link");
    }
    Ok(folder.to_owned())
}

/// The value of a setting of a host of the only cluster.
fn setting(file: &str, key: &str) -> String {
    let path = cluster().join("broker-1").join(file);
    let text = fs::read_to_string(path).expect("a file");
    text.lines().find_map(|line| line.strip_prefix(key)).expect("the setting").to_owned()
}

/// Has an empty controller of this version, which votes for nobody, register beside the others. It runs as long as what is given back.
fn ghost(kafka: &Path, folder: &Path, version: &str) -> Process {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).expect("a folder");
    let settings = folder.join("server.properties");
    // It comes in with a host's certificate.
    let host = fs::read_to_string(cluster().join("broker-1/server.properties")).expect("a file");
    let shared = ["ssl.", "listener.security.", "listener.name.quorum.", "controller.", "authorizer.", "super.users"];
    let shared = host.lines().filter(|line| shared.iter().any(|begin| line.starts_with(begin)));
    let text = format!(
        "process.roles=controller\nnode.id={GHOST}\nlisteners=QUORUM://127.{}.254.9:9093\nlog.dirs={}\n{}\n",
        block(),
        folder.join("data").display(),
        shared.collect::<Vec<_>>().join("\n")
    );
    fs::write(&settings, text).expect("a file");
    let kafka = kafka.join(format!("kafka_2.13-{version}"));
    let mut format = Command::new(kafka.join("bin/kafka-storage.sh"));
    format
        .args(["format", "--no-initial-controllers", "--cluster-id"])
        .arg(setting("data/meta.properties", "cluster.id="));
    let output = format.arg("--config").arg(&settings).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
    let process = Process::start(&kafka, folder, "ghost", "kafka.Kafka", &settings);
    poll("the controller being registered", PATIENCE, || {
        let log = fs::read_to_string(folder.join("ghost.log")).unwrap_or_default();
        log.contains("Our registration has been persisted").then_some(())
    });
    process
}

/// `finalize` of the file, where the request that raises features goes wrong as `fault` says.
fn finalize(kafka: &Path, file: &str, fault: Option<&str>) -> Run {
    let mut command = kstack_command(kafka, &["finalize", file, "--yes"]);
    command.env("KSTACK_TEST_LEASE", "60").env("KSTACK_TEST_SETTLE", "0");
    Run::of(command.envs(fault.map(|fault| ("KSTACK_TEST_DIE_IN_KAFKA", fault))))
}

/// The hosts that an apply of the file rolls, in order, and which one the active controller was on before.
fn apply(kafka: &Path, file: &str) -> (Vec<String>, String) {
    let status = kstack(kafka, &["status", file, "--json"]).expect(0).json();
    let events = kstack(kafka, &["apply", file, "--yes", "--json"]).expect(0).events();
    let hosts = events.iter().filter(|event| rolled(event)).map(|event| text(&event["address"]).to_owned());
    (hosts.collect(), format!("instance/broker-{}", status["kafka"]["controller"]))
}

/// The notes of a plan on Kafka.
fn notes(kafka: &Path, file: &str) -> String {
    let plan = kstack(kafka, &["plan", file, "--json"]).expect(0).json();
    let notes = plan["notes"].as_array().expect("notes").iter();
    notes.filter(|note| note["address"] == "kafka/main").map(|note| text(&note["text"])).collect()
}

#[test]
fn the_oldest_kafka_becomes_the_newest_and_goes_back_until_it_is_finalized() {
    let Some((room, tools)) = beside() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let kafka = match versions(&folder.path().join("versions")) {
        Ok(kafka) => kafka,
        Err(why) => return skip(&format!("no two versions of Kafka can be had here: {why}")),
    };
    let of = |version: &str| format!("kafka: {version}");
    let begun = Begun::on(room, &tools, &kafka, &[], "kafka: 4.1.1", &of(OLD));
    let (file, client, producer) = (&begun.file, &begun.client, &begun.producer);
    let write = |version: &str| begun.write(&of(version));
    drop(ghost(&kafka, &folder.path().join("ghost"), OLD));

    // Up, cut off after the first host.
    write(NEW);
    assert!(
        notes(&kafka, file).contains("the features that are finalized stay those of 4.0"),
        "{}",
        notes(&kafka, file)
    );
    let first = cut_off(&kafka, file, rolled);
    let first = text(&first["address"]).trim_start_matches("instance/").to_owned();
    let early = finalize(&kafka, file, None).expect(1);
    let others: Vec<String> = (1..=3).map(|id| format!("broker-{id}")).filter(|host| *host != first).collect();
    let said = format!("{} (Kafka {OLD}) and {} (Kafka {OLD}) are not yet as the file says", others[0], others[1]);
    assert!(early.err.contains(&said), "{early}");
    producer.expect_more("writing to two versions", 20);
    let (rest, _) = apply(&kafka, file);
    assert_eq!(rest.len(), 2, "{first}, and then {rest:?}");

    // What was left of a controller is in the way, and it is said of which.
    let unfinalized = format!("Kafka {NEW} runs, and the features that are finalized are those of 4.0");
    assert!(notes(&kafka, file).contains(&unfinalized), "{}", notes(&kafka, file));
    let refused = finalize(&kafka, file, None).expect(1);
    println!("{refused}");
    assert!(
        refused.err.contains(&format!("controller {GHOST} is no host of this stack, and is registered still")),
        "{refused}"
    );
    producer.expect_more("writing to the new version", 20);

    // Back, all of it, and up again.
    write(OLD);
    assert!(notes(&kafka, file).contains(&format!("Kafka {OLD} supports them")), "{}", notes(&kafka, file));
    let (back, active) = apply(&kafka, file);
    assert_eq!((back.len(), back.last()), (3, Some(&active)), "the active controller is last: {back:?}");
    producer.expect_more("writing to the old version again", 20);
    write(NEW);
    let (again, active) = apply(&kafka, file);
    assert_eq!((again.len(), again.last()), (3, Some(&active)), "the active controller is last: {again:?}");

    // The way out that is told of the controller.
    drop(ghost(&kafka, &folder.path().join("ghost"), NEW));
    let finalized = || client.say(FEATURES, &["describe"]);
    let level = |feature: &str| -> String {
        let said = finalized();
        let line = said.lines().find(|line| line.contains(feature)).expect("the feature").to_owned();
        line.split("FinalizedVersionLevel: ")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next())
            .expect("a level")
            .to_owned()
    };
    // It dies before the request: nothing is done. While its lease is held, nobody else does anything.
    assert!(![0, 1].contains(&finalize(&kafka, file, Some("-1")).code));
    let held = finalize(&kafka, file, None).expect(1);
    assert!(held.err.contains("another kstack process is changing the stack"), "{held}");
    begun.run(&["unlock", file, "--yes"]).expect(0);
    assert!(notes(&kafka, file).contains(&unfinalized), "{}", notes(&kafka, file));
    // It gets no answer: it asks again, and ends well.
    let done = finalize(&kafka, file, Some("~1")).expect(0);
    println!("{done}");
    assert!(done.out.contains("metadata.version                  4.0-IV3 -> 4.4-IV2"), "{done}");
    assert_eq!(notes(&kafka, file), "");
    assert_eq!(level("share.version"), "2");
    // One that was taken back, and a run that dies once it is raised again: the next one finds nothing left to do.
    client.say(FEATURES, &["downgrade", "--feature", "share.version=0"]);
    assert!(![0, 1].contains(&finalize(&kafka, file, Some("1")).code));
    begun.run(&["unlock", file, "--yes"]).expect(0);
    assert_eq!(level("share.version"), "2");
    let nothing = finalize(&kafka, file, None).expect(0);
    assert!(
        nothing.out.contains(&format!("Nothing to finalize: the cluster has the features of Kafka {NEW}.")),
        "{nothing}"
    );
    // Finalizing changes no setting of the file's.
    begun.arrived(&[1, 2, 3]);

    // From here there is no way back.
    write(OLD);
    let plan = begun.run(&["plan", file]).expect(1);
    println!("{plan}");
    assert!(plan.out.contains("metadata.version is finalized at 4.4-IV2, and Kafka 4.0.0 supports"), "{plan}");
    write(NEW);
    begun.end();
}
