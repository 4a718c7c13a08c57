//! `--via` and `--proxy`: by which way the commands that ask Kafka reach its brokers.

use crate::kafka::Via;
use crate::ops::Failure;

/// The way to the brokers.
#[derive(Debug, clap::Args)]
pub struct ViaArgs {
    /// How Kafka's brokers are reached: `auto` (directly, or else through the proxy of ALL_PROXY, or else `ssm` where
    /// session-manager-plugin is installed), `direct`, `ssm` (port forwarding by Session Manager), or a proxy's URL such as
    /// `socks5://localhost:1080` or `http://proxy:3128`
    #[arg(long, value_name = "WAY", default_value = "auto")]
    via: String,
    /// Reach Kafka's brokers through this proxy: `socks5://HOST:PORT` or `http://HOST:PORT`
    #[arg(long, value_name = "URL", conflicts_with = "via")]
    proxy: Option<String>,
}

impl ViaArgs {
    /// The way that was chosen, by the options and the environment.
    ///
    /// # Errors
    /// What is wrong with the option or with the environment's proxy. A password in it is not shown, so it is not clap that reads it.
    pub fn chosen(&self) -> Result<Via, Failure> {
        let all = ["ALL_PROXY", "all_proxy"].into_iter().find_map(|name| std::env::var(name).ok());
        let via = match &self.proxy {
            Some(url) => Via::parse_proxy(url).map_err(|why| Failure::new(format!("--proxy can't be read: {why}")))?,
            None => Via::parse(&self.via).map_err(|why| Failure::new(format!("--via can't be read: {why}")))?,
        };
        let hint = "set it to a proxy that reaches the brokers, or use --via direct";
        via.or_environment(all.as_deref()).map_err(|why| Failure::new(why).hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_proxys_url_is_not_shown() {
        let url = "https://me:canary@proxy:8443".to_owned();
        let (auto, none) = ("auto".to_owned(), None);
        for args in [ViaArgs { via: url.clone(), proxy: none }, ViaArgs { via: auto, proxy: Some(url) }] {
            let failure = args.chosen().expect_err("kstack does not speak that");
            assert!(failure.message.contains("can't be read: kstack does not speak https with a proxy"), "{failure:?}");
            assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
        }
    }
}
