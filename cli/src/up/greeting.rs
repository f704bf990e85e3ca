//! What a person reads first: where it listens, which models there are, and lines to paste.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use penstock_config::{ClientAuth, Snapshot};

/// What the greeting tells.
pub struct Greeting<'a> {
    pub listen: SocketAddr,
    /// `None` when metrics are off.
    pub metrics: Option<SocketAddr>,
    pub manifests: &'a str,
    pub snapshot: &'a Snapshot,
    /// The Secret of client keys, where there is one.
    pub keys_secret: Option<&'a str>,
}

impl Greeting<'_> {
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "penstock {} listening on http://{}", env!("CARGO_PKG_VERSION"), self.listen);
        if let Some(metrics) = self.metrics {
            let _ = writeln!(out, "  metrics    http://{metrics}/metrics");
        }
        let _ = writeln!(out, "  manifests  {}", self.manifests);
        let _ = writeln!(out, "  models     {}", models(self.snapshot));
        let _ = writeln!(out, "  callers    {}", self.callers());
        if let Some(model) = example_model(self.snapshot) {
            let _ = writeln!(
                out,
                "\nTry it:\n\n{}\n\nand as a stream:\n\n{}",
                self.curl(&model, false),
                self.curl(&model, true)
            );
        }
        out
    }

    fn callers(&self) -> String {
        match (&self.snapshot.auth, self.keys_secret) {
            (ClientAuth::Keys { keys }, secret) => {
                let secret = secret.unwrap_or("of client keys");
                match keys.len() {
                    0 => format!("are all refused: Secret {secret} holds no key that can be used"),
                    1 => format!("need the key in Secret {secret}"),
                    n => format!("need one of the {n} keys in Secret {secret}"),
                }
            }
            (ClientAuth::Open, _) if self.listen.ip().is_loopback() => {
                "need no key (only this machine can call)".to_owned()
            }
            (ClientAuth::Open, _) => "need no key: anyone who reaches the port may call".to_owned(),
        }
    }

    fn curl(&self, model: &str, stream: bool) -> String {
        let mut body =
            serde_json::json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
        if stream {
            body["stream"] = true.into();
        }
        let key = match self.snapshot.auth {
            ClientAuth::Open => "",
            ClientAuth::Keys { .. } => " -H \"authorization: Bearer $PENSTOCK_KEY\"",
        };
        format!(
            "  curl -i{} http://{}/v1/chat/completions{key} -H 'content-type: application/json' -d {}",
            if stream { "N" } else { "" },
            reachable(self.listen),
            shell_quoted(&body.to_string()),
        )
    }
}

/// Model names with their routes.
pub fn models(snapshot: &Snapshot) -> String {
    let lines: Vec<String> =
        snapshot.routes.iter().map(|(id, route)| format!("{} ({id})", route.models.join(", "))).collect();
    if lines.is_empty() {
        "none yet: no ModelRoute is being served".to_owned()
    } else {
        lines.join("\n             ")
    }
}

/// A name that a client may ask for: an exact one, or one that a prefix lets through.
fn example_model(snapshot: &Snapshot) -> Option<String> {
    let names = || snapshot.routes.values().flat_map(|route| &route.models);
    let exact = names().find(|name| !name.ends_with('*')).cloned();
    exact.or_else(|| names().next().map(|name| name.replace('*', "1")))
}

/// The address to call from this machine: one cannot call "every interface".
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use penstock_config::{Failover, Route};

    use super::*;

    fn snapshot(models: &[&str]) -> Snapshot {
        let failover = Failover {
            reasons: vec![],
            max_attempts: 1,
            connect_ms: 1,
            first_token_ms: 1,
            answer_ms: None,
            idle_ms: 1,
            total_ms: 1,
            retries: Default::default(),
            hedging: None,
        };
        let models = models.iter().map(|m| (*m).to_owned()).collect();
        let route = Route {
            models,
            rules: vec![],
            failover,
            parameter_policy: Default::default(),
            hooks: vec![],
            intents: None,
        };
        Snapshot {
            auth: ClientAuth::Open,
            pools: BTreeMap::new(),
            routes: BTreeMap::from([("default/support".to_owned(), route)]),
        }
    }

    #[test]
    fn an_exact_name_is_the_better_example() {
        assert_eq!(example_model(&snapshot(&["a-*", "b"])).unwrap(), "b");
        assert_eq!(example_model(&snapshot(&["a-*"])).unwrap(), "a-1");
    }

    #[test]
    fn the_line_can_be_pasted() {
        let snapshot = snapshot(&["it's"]);
        let listen = "0.0.0.0:8080".parse().unwrap();
        let greeting =
            Greeting { listen, metrics: None, manifests: "x", snapshot: &snapshot, keys_secret: None };
        let line = greeting.curl("it's", false);
        assert!(line.contains("http://127.0.0.1:8080/v1") && line.contains(r#""model":"it'\''s""#), "{line}");
        assert!(greeting.text().contains("anyone who reaches the port"));
    }
}
