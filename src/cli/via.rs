//! `--via` and `--proxy`: by which way the commands that ask Kafka reach its brokers.

use crate::kafka::Via;
use crate::ops::Failure;

/// The way to the brokers.
#[derive(Debug, clap::Args)]
pub struct ViaArgs {
    /// How Kafka's brokers are reached: `auto` (directly, or else through the proxy of ALL_PROXY), `direct`, or a proxy's URL
    /// such as `socks5://localhost:1080` or `http://proxy:3128`
    #[arg(long, value_name = "WAY", default_value = "auto", value_parser = Via::parse)]
    via: Via,
    /// Reach Kafka's brokers through this proxy: `socks5://HOST:PORT` or `http://HOST:PORT`
    #[arg(long, value_name = "URL", value_parser = Via::parse_proxy, conflicts_with = "via")]
    proxy: Option<Via>,
}

impl ViaArgs {
    /// The way that was chosen, by the options and the environment.
    ///
    /// # Errors
    /// That the environment's proxy is none.
    pub fn chosen(&self) -> Result<Via, Failure> {
        let all = ["ALL_PROXY", "all_proxy"].into_iter().find_map(|name| std::env::var(name).ok());
        let via = self.proxy.as_ref().unwrap_or(&self.via).clone();
        via.or_environment(all.as_deref())
            .map_err(|why| Failure::new(why).hint("set it to a proxy that reaches the brokers, or use --via direct"))
    }
}
