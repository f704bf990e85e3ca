//! What the status of an object should say. Pure.

use penstock_crds::status::{MOST_WARNINGS, condition, reason};

use super::health::ObjectHealth;
use crate::compile::{Problem, Verdict};
use crate::hub::{Follower, Published};

/// Names listed in a message; the rest is a number.
const LISTED: usize = 3;
/// Messages are for people; a proxy's error is cut here.
const LONGEST_MESSAGE: usize = 2048;

/// A status, without its times.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    pub generation: i64,
    /// For the column of kubectl that says what the object is about; `None` when it cannot be read.
    pub summary: Option<String>,
    /// Accepted, ResolvedRefs, Programmed.
    pub conditions: [WantedCondition; 3],
    pub proxies: Option<String>,
    pub last_proxy_error: Option<String>,
    pub warnings: Vec<String>,
    /// What to show of health: it does not follow from the verdict, and is chosen apart.
    pub health: Option<ObjectHealth>,
}

impl Wanted {
    /// After a restart of the operator, before its proxies are back: not to have heard of a proxy is no proof that
    /// it serves this generation. `before` is how many there were.
    pub fn until_fleet_is_back(mut self, before: usize, fleet: usize) -> Self {
        if fleet < before && self.conditions[2].status == "True" {
            self.conditions[2] = programmed_false(
                reason::PENDING,
                format!(
                    "{fleet}/{before} proxies acknowledged; the operator has just started, and the others are not back yet"
                ),
            );
            self.proxies = Some(format!("{fleet}/{before}"));
        }
        self
    }

    pub fn programmed(&self) -> &WantedCondition {
        &self.conditions[2]
    }
}

/// A condition, without its time.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedCondition {
    pub r#type: &'static str,
    pub status: &'static str,
    pub reason: &'static str,
    pub message: String,
}

/// What the status of `object` should be, with these proxies in the fleet.
pub fn decide(object: &Published, summary: Option<&str>, fleet: &[Follower]) -> Wanted {
    let Published { verdict, since } = object;
    let serving = |proxy: &&Follower| proxy.acked >= *since;
    let served = verdict.accepted.is_ok() && verdict.resolved_refs.is_ok();
    let count = if served { fleet.iter().filter(serving).count() } else { 0 };
    let refusal = fleet
        .iter()
        .filter(|proxy| !serving(proxy))
        .filter_map(|proxy| {
            let (sequence, error) = proxy.refused.as_ref()?;
            (sequence >= since).then_some((*sequence, proxy.id.as_str(), error.as_str()))
        })
        .max();
    let accepted = of_result(condition::ACCEPTED, &verdict.accepted, reason::ACCEPTED, "the spec is valid");
    let resolved = of_result(
        condition::RESOLVED_REFS,
        &verdict.resolved_refs,
        reason::RESOLVED,
        "everything it names exists and can be used",
    );
    let programmed = if !served {
        not_compiled(verdict)
    } else if fleet.is_empty() {
        programmed_false(
            reason::NO_PROXIES,
            "no proxy is connected; check that the proxies run and reach the operator".to_owned(),
        )
    } else if count == fleet.len() {
        condition_of(
            condition::PROGRAMMED,
            "True",
            reason::PROGRAMMED,
            format!("{count}/{count} proxies serve this generation"),
        )
    } else if let Some((_, proxy, error)) = refusal {
        let total = fleet.len();
        programmed_false(
            reason::REFUSED,
            format!("{count}/{total} proxies acknowledged; {proxy} refused the configuration: {error}"),
        )
    } else {
        pending(count, fleet, *since)
    };
    Wanted {
        generation: verdict.generation,
        summary: summary.map(str::to_owned),
        conditions: [accepted, resolved, programmed],
        proxies: Some(format!("{count}/{}", fleet.len())),
        last_proxy_error: refusal
            .filter(|_| served)
            .map(|(_, proxy, error)| cut(format!("{proxy}: {error}"))),
        warnings: bounded(&verdict.warnings),
        health: None,
    }
}

/// The last one that fits says how many more there are.
fn bounded(warnings: &[String]) -> Vec<String> {
    let listed = if warnings.len() > MOST_WARNINGS { MOST_WARNINGS - 1 } else { warnings.len() };
    let more = warnings.len() - listed;
    let last = (more > 0).then(|| format!("and {more} more; `penstock lint` lists them all"));
    warnings.iter().take(listed).cloned().map(cut).chain(last).collect()
}

fn of_result(
    r#type: &'static str,
    result: &Result<(), Problem>,
    good_reason: &'static str,
    good: &str,
) -> WantedCondition {
    match result {
        Ok(()) => condition_of(r#type, "True", good_reason, good.to_owned()),
        // Not known yet is not False: nobody should be alarmed by a Secret that is being read.
        Err(problem) if problem.reason == reason::PENDING => {
            condition_of(r#type, "Unknown", problem.reason, problem.message.clone())
        }
        Err(problem) => condition_of(r#type, "False", problem.reason, problem.message.clone()),
    }
}

fn not_compiled(verdict: &Verdict) -> WantedCondition {
    let r#type = if verdict.accepted.is_err() { condition::ACCEPTED } else { condition::RESOLVED_REFS };
    let meanwhile = if verdict.fragment.is_nothing() {
        "nothing of it is served"
    } else {
        "what was last good, or can be used of it, is served"
    };
    programmed_false(reason::NOT_COMPILED, format!("{type} is not True; until it is, {meanwhile}"))
}

fn pending(count: usize, fleet: &[Follower], since: u64) -> WantedCondition {
    let name = |proxy: &Follower| {
        if proxy.connected { proxy.id.clone() } else { format!("{} (not connected)", proxy.id) }
    };
    let waiting: Vec<String> = fleet.iter().filter(|proxy| proxy.acked < since).map(name).collect();
    let listed = waiting.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    let more = match waiting.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    programmed_false(
        reason::PENDING,
        format!("{count}/{} proxies acknowledged; waiting for {listed}{more}", fleet.len()),
    )
}

fn programmed_false(reason: &'static str, message: String) -> WantedCondition {
    condition_of(condition::PROGRAMMED, "False", reason, message)
}

fn condition_of(
    r#type: &'static str,
    status: &'static str,
    reason: &'static str,
    message: String,
) -> WantedCondition {
    WantedCondition { r#type, status, reason, message: cut(message) }
}

fn cut(mut message: String) -> String {
    if message.len() > LONGEST_MESSAGE {
        message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
        message.push_str("...");
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restarted_operator_waits_for_the_proxies_that_it_knew() {
        let condition = |r#type| condition_of(r#type, "True", "Good", String::new());
        let wanted = Wanted {
            generation: 1,
            conditions: [condition("Accepted"), condition("ResolvedRefs"), condition("Programmed")],
            proxies: Some("1/1".into()),
            last_proxy_error: None,
            summary: None,
            warnings: vec![],
            health: None,
        };
        let held = wanted.clone().until_fleet_is_back(2, 1);
        assert_eq!((held.programmed().status, held.programmed().reason), ("False", reason::PENDING));
        assert_eq!(held.proxies.as_deref(), Some("1/2"));
        assert_eq!(wanted.clone().until_fleet_is_back(1, 1), wanted);
        assert_eq!(wanted.clone().until_fleet_is_back(0, 1), wanted, "a first start has nobody to wait for");
    }
    use crate::compile::Fragment;

    fn object(since: u64) -> Published {
        let verdict = Verdict {
            generation: 4,
            accepted: Ok(()),
            resolved_refs: Ok(()),
            problems: vec![],
            warnings: vec![],
            fragment: Fragment::of(Some(&"x")),
        };
        Published { verdict, since }
    }

    fn problem(reason: &'static str) -> Problem {
        Problem { reason, path: "spec.x".into(), message: "spec.x: wrong".into() }
    }

    fn proxy(id: &str, acked: u64) -> Follower {
        Follower { id: id.into(), acked, refused: None, connected: true }
    }

    fn refusing(id: &str, acked: u64, sequence: u64) -> Follower {
        Follower { refused: Some((sequence, "pools.x: bad".into())), ..proxy(id, acked) }
    }

    /// Status, reason, message of Programmed, and `status.proxies`.
    fn programmed(object: &Published, fleet: &[Follower]) -> (&'static str, &'static str, String, String) {
        let wanted = decide(object, Some("m"), fleet);
        let programmed = wanted.programmed();
        (programmed.status, programmed.reason, programmed.message.clone(), wanted.proxies.unwrap_or_default())
    }

    #[test]
    fn every_case_of_programmed() {
        let lost = Follower { connected: false, ..proxy("p-2", 2) };
        let many: Vec<Follower> = (0..5).map(|i| proxy(&format!("p-{i}"), 0)).collect();
        type Case = (u64, Vec<Follower>, &'static str, &'static str, &'static str, &'static str);
        let cases: Vec<Case> = vec![
            (3, vec![proxy("p-1", 3), proxy("p-2", 4)], "True", "Programmed", "2/2 proxies serve", "2/2"),
            (
                3,
                vec![proxy("p-1", 3), proxy("p-2", 2)],
                "False",
                "Pending",
                "1/2 proxies acknowledged; waiting for p-2",
                "1/2",
            ),
            (
                3,
                vec![proxy("p-1", 3), lost.clone()],
                "False",
                "Pending",
                "waiting for p-2 (not connected)",
                "1/2",
            ),
            (2, vec![proxy("p-1", 3), lost], "True", "Programmed", "2/2", "2/2"),
            (3, vec![], "False", "NoProxies", "no proxy is connected", "0/0"),
            (3, many, "False", "Pending", "waiting for p-0, p-1, p-2 and 2 more", "0/5"),
            (
                3,
                vec![proxy("p-1", 3), refusing("p-2", 2, 3)],
                "False",
                "ProxyRefused",
                "p-2 refused the configuration: pools.x: bad",
                "1/2",
            ),
            // A refusal of a revision before this object's, or of a later one, is not about it.
            (3, vec![refusing("p-2", 1, 2)], "False", "Pending", "waiting for p-2", "0/1"),
            (3, vec![refusing("p-2", 3, 5)], "True", "Programmed", "1/1", "1/1"),
        ];
        for (since, fleet, status, reason, message, proxies) in cases {
            let said = programmed(&object(since), &fleet);
            assert_eq!((said.0, said.1, said.3.as_str()), (status, reason, proxies), "{fleet:?}");
            assert!(said.2.contains(message), "{} in {fleet:?}", said.2);
        }
    }

    #[test]
    fn the_last_proxy_error_goes_when_the_proxy_follows() {
        let error = |fleet: &[Follower]| decide(&object(3), None, fleet).last_proxy_error;
        assert_eq!(error(&[refusing("p-2", 2, 3)]), Some("p-2: pools.x: bad".into()));
        assert_eq!(error(&[refusing("p-2", 3, 5)]), None);
        assert_eq!(error(&[proxy("p-2", 3)]), None);
    }

    #[test]
    fn what_is_not_accepted_or_resolved_is_not_programmed() {
        let mut object = object(3);
        object.verdict.resolved_refs = Err(problem(reason::SECRET_NOT_FOUND));
        let fleet = [proxy("p-1", 3)];
        let wanted = decide(&object, None, &fleet);
        let said: Vec<_> = wanted.conditions.iter().map(|c| (c.r#type, c.status, c.reason)).collect();
        assert_eq!(
            said,
            [
                ("Accepted", "True", "Accepted"),
                ("ResolvedRefs", "False", "SecretNotFound"),
                ("Programmed", "False", "NotCompiled")
            ]
        );
        assert_eq!(wanted.conditions[1].message, "spec.x: wrong");
        assert_eq!(wanted.proxies.as_deref(), Some("0/1"));
        assert!(wanted.programmed().message.contains("last good"));

        object.verdict.accepted = Err(problem(reason::CONFLICTED));
        object.verdict.fragment = Fragment::NOTHING;
        let wanted = decide(&object, None, &fleet);
        assert_eq!((wanted.conditions[0].status, wanted.conditions[0].reason), ("False", "Conflicted"));
        assert!(wanted.programmed().message.contains("nothing of it is served"));
    }

    #[test]
    fn a_secret_that_is_being_read_is_unknown() {
        let mut object = object(3);
        object.verdict.resolved_refs = Err(problem(reason::PENDING));
        let resolved = &decide(&object, None, &[]).conditions[1];
        assert_eq!((resolved.status, resolved.reason), ("Unknown", "Pending"));
    }

    #[test]
    fn long_errors_are_cut() {
        let long = Follower { refused: Some((3, "é".repeat(4000))), ..proxy("p", 0) };
        let wanted = decide(&object(3), None, &[long]);
        assert!(wanted.programmed().message.len() <= LONGEST_MESSAGE + 3);
        assert!(wanted.last_proxy_error.is_some_and(|error| error.len() <= LONGEST_MESSAGE + 3));
    }

    #[test]
    fn warnings_are_told_and_bounded() {
        let mut object = object(3);
        object.verdict.warnings = vec!["spec.rules[0]: never reached".into(), "x".repeat(5000)];
        let wanted = decide(&object, None, &[]).warnings;
        assert_eq!((wanted[0].as_str(), wanted.len()), ("spec.rules[0]: never reached", 2));
        assert!(wanted[1].len() <= LONGEST_MESSAGE + 3);
        object.verdict.warnings = (0..20).map(|i| i.to_string()).collect();
        let wanted = decide(&object, None, &[]).warnings;
        assert_eq!(wanted.len(), MOST_WARNINGS);
        assert_eq!(
            (wanted[14].as_str(), wanted[15].as_str()),
            ("14", "and 5 more; `penstock lint` lists them all")
        );
    }
}
