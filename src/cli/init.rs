//! `kstack init`: a first stack file, out of five answers.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use clap::ValueEnum;

use super::ui;
use crate::ops::Failure;
use crate::ops::prices::RegionPrices;
use kstack_core::init::{Answers, first_file};
use kstack_core::pricing::without;
use kstack_core::stack::{Engine, Name, Rate, Region, Scalar, TimeSpan};
use kstack_core::text::quoted_list;

/// Write a first stack file, sized for five answers: asked on a terminal, or given as options
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file to write, such as `orders.yaml`; one that is there stays as it is
    file: String,
    /// The stack's name; the file's, without `.yaml`, when absent
    #[arg(long, value_parser = super::name)]
    name: Option<Name>,
    /// The AWS region
    #[arg(long, value_parser = parsed::<Region>)]
    region: Option<Region>,
    /// What runs Kafka: hosts of your own, or Amazon MSK
    #[arg(long, value_enum)]
    engine: Option<EngineWord>,
    /// What it is for: tests have smaller brokers, which are controllers too
    #[arg(long, value_enum)]
    environment: Option<Environment>,
    /// The average rate at which producers write, such as `10 MiB/s`
    #[arg(long, value_parser = parsed::<Rate>)]
    ingress: Option<Rate>,
    /// How long records are kept, such as `7d`
    #[arg(long, value_parser = parsed::<TimeSpan>)]
    retention: Option<TimeSpan>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EngineWord {
    Ec2,
    Msk,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Environment {
    Production,
    Test,
}

fn parsed<T: Scalar>(text: &str) -> Result<T, String> {
    T::parse(text)
}

fn word<T: ValueEnum>(text: &str) -> Result<T, String> {
    let words: Vec<String> =
        T::value_variants().iter().filter_map(|one| Some(one.to_possible_value()?.get_name().to_owned())).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    T::from_str(text, true).map_err(|_| format!("`{text}` is not known here; write one of {}", quoted_list(&words)))
}

/// Asks what is not given, and writes the file.
///
/// # Errors
/// That the file is there, that nobody can be asked, or that no brokers carry the workload.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let path = Path::new(&args.file);
    if path.symlink_metadata().is_ok() {
        return Err(Failure::new(format!("{} is there already; nothing was written", args.file))
            .hint("name another file, or remove this one first"));
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = args.name.clone().map_or_else(|| Name::parse(&stem), Ok).map_err(|problem| {
        Failure::new(format!("the file's name does not make a stack's name: {problem}")).hint("give one with --name")
    })?;
    if !ui::typed() {
        let given = [
            ("--region", args.region.is_some()),
            ("--engine", args.engine.is_some()),
            ("--environment", args.environment.is_some()),
            ("--ingress", args.ingress.is_some()),
            ("--retention", args.retention.is_some()),
        ];
        let missing: Vec<&str> = given.iter().filter(|(_, given)| !given).map(|(flag, _)| *flag).collect();
        if !missing.is_empty() {
            let text =
                format!("standard input is not a terminal, where questions could be asked; add {}", missing.join(", "));
            return Err(Failure::new(text).hint(format!(
                "kstack init {} --region us-east-1 --engine ec2 --environment test --ingress \"1 MiB/s\" --retention 1d",
                args.file
            )));
        }
    }
    let set = |name: &str| std::env::var(name).ok().filter(|region| Region::parse(region).is_ok());
    let region = set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION"));
    let region = region.as_deref().unwrap_or("us-east-1");
    let answers = Answers {
        name,
        region: answer(args.region.clone(), "AWS region", region, parsed)?,
        engine: match answer(args.engine, "Kafka on hosts of your own, or Amazon MSK (ec2, msk)", "ec2", word)? {
            EngineWord::Ec2 => Engine::Ec2,
            EngineWord::Msk => Engine::Msk,
        },
        production: matches!(
            answer(args.environment, "For (production, test)", "production", word)?,
            Environment::Production
        ),
        ingress: answer(args.ingress, "What producers write, on average", "5 MiB/s", parsed)?,
        retention: answer(args.retention, "How long records are kept", "7d", parsed)?,
    };
    let RegionPrices { prices, source } = RegionPrices::load(&answers.region);
    let first = first_file(&answers, &prices).ok_or_else(|| {
        Failure::new(format!("no brokers that `init` tries carry {} for {}", answers.ingress, answers.retention))
            .hint("write a file by hand, from stacks/prod.yaml, and ask `kstack compare FILE` for brokers")
    })?;
    let cannot = |error: std::io::Error| Failure::new(format!("{} can't be written: {error}", args.file));
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(cannot)?;
    file.write_all(first.text.as_bytes()).map_err(cannot)?;
    let file = &args.file;
    let gaps = match first.bill.gaps.is_empty() {
        true => String::new(),
        false => format!(", {}", without("", &first.bill.gaps)),
    };
    let picture = path.with_extension("svg");
    let picture = picture.display();
    ui::out(&format!(
        "Wrote {file}: {}, about {:.0} USD a month with its traffic (`kstack cost {file}`){gaps}.\n{source}\n\n\
         Next:  kstack check {file}\n       kstack diagram {file} --out {picture}   a picture of it\n       kstack apply {file} --sandbox   on this machine, without AWS\n       kstack plan {file}\n",
        first.brokers,
        first.bill.total()
    ));
    Ok(0)
}

/// What was given; else what is typed, asked until it can be read. An empty line is the default.
fn answer<T>(
    given: Option<T>,
    question: &str,
    default: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Failure> {
    if let Some(given) = given {
        return Ok(given);
    }
    loop {
        let typed = ui::ask(&format!("{question} [{default}]: "));
        let typed = typed.ok_or_else(|| Failure::new(format!("nobody answers: {question}")))?;
        match read(if typed.is_empty() { default } else { &typed }) {
            Ok(value) => return Ok(value),
            Err(problem) => ui::err(&format!("{problem}\n")),
        }
    }
}
